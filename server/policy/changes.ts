/** What differs between two versions of a policy, for people who decide whether to apply it. */
import { policySchema, policyTimezone } from './policy-schema.ts';
import type { Policy } from './policy-schema.ts';
import type { Schema } from './schema/schema.ts';

/** One difference. A side is absent when there is nothing: the key is new or gone, an entry of a list was added or removed. */
export interface PolicyChange {
  /** `retention.keepDaily`, `select[0].vms`; entries of lists are counted from 0, in the later version where they are in both. */
  readonly path: string;
  /** As a policy file writes it: `10m`, `"22:00"`, `{ host: hv01, vms: [sql-*] }`. */
  readonly before?: string;
  readonly after?: string;
}

/** Longer values are cut: they are there to be recognised. UTF-16 units. */
const maxWritten = 1024;

/**
 * What differs, in the order of the schema. Values that mean the same are equal however they are written (`60s`, `1m`). The order of
 * lists does not count; where it decides the time zone of the policy, that zone is a difference.
 */
export function policyChanges(before: Policy, after: Policy): readonly PolicyChange[] {
  const changes = compare(policySchema, before, after, '');
  const [zoneBefore, zoneAfter] = [policyTimezone(before), policyTimezone(after)];
  if (zoneBefore === zoneAfter || changes.some(({ path }) => path === 'timezone')) return changes;
  return [...changes, { path: 'timezone', before: zoneBefore, after: zoneAfter }];
}

function compare(schema: Schema<unknown>, before: unknown, after: unknown, path: string): readonly PolicyChange[] {
  if (before === undefined && after === undefined) return [];
  if (before !== undefined && after !== undefined) {
    if (schema.kind === 'mapping') return compareFields(schema, before, after, path);
    if (schema.kind === 'list' && Array.isArray(before) && Array.isArray(after))
      return compareLists(schema.item, before, after, path);
  }
  const [was, is] = [writtenOf(schema, before), writtenOf(schema, after)];
  return was === is ? [] : [change(path, was, is)];
}

function compareFields(
  schema: Extract<Schema<unknown>, { kind: 'mapping' }>,
  before: unknown,
  after: unknown,
  path: string,
): readonly PolicyChange[] {
  return [...schema.fields].flatMap(([key, field]) =>
    compare(field.schema, valueAt(before, key), valueAt(after, key), path === '' ? key : `${path}.${key}`),
  );
}

interface Entry {
  readonly value: unknown;
  readonly index: number;
  readonly written: string;
}

/** Entries that are in one list only. Of mappings, those that begin alike (the same host, the same cron) are one entry that changed. */
function compareLists(
  item: Schema<unknown>,
  before: readonly unknown[],
  after: readonly unknown[],
  path: string,
): readonly PolicyChange[] {
  const { onlyBefore, onlyAfter } = withoutCommon(entriesOf(item, before), entriesOf(item, after));
  const name = ({ index }: Entry): string => (item.kind === 'mapping' ? `${path}[${index}]` : path);
  const removed: PolicyChange[] = [];
  const rest = [...onlyAfter];
  const changed: { readonly index: number; readonly changes: readonly PolicyChange[] }[] = [];
  for (const entry of onlyBefore) {
    const first = firstOf(item, entry);
    const at = first === undefined ? -1 : rest.findIndex((other) => firstOf(item, other) === first);
    const [partner] = at < 0 ? [] : rest.splice(at, 1);
    if (partner === undefined) removed.push(change(name(entry), entry.written, undefined));
    else changed.push({ index: partner.index, changes: compare(item, entry.value, partner.value, name(partner)) });
  }
  for (const entry of rest)
    changed.push({ index: entry.index, changes: [change(name(entry), undefined, entry.written)] });
  return [...removed, ...changed.toSorted((a, b) => a.index - b.index).flatMap(({ changes }) => changes)];
}

function entriesOf(item: Schema<unknown>, list: readonly unknown[]): readonly Entry[] {
  return list.map((value, index) => ({ value, index, written: writtenOf(item, value) ?? '' }));
}

/** Removes what both lists have, one for one. */
function withoutCommon(before: readonly Entry[], after: readonly Entry[]) {
  const unmatched = new Map<string, number>();
  for (const { written } of after) unmatched.set(written, (unmatched.get(written) ?? 0) + 1);
  const take = (written: string): boolean => {
    const left = unmatched.get(written) ?? 0;
    unmatched.set(written, left - 1);
    return left > 0;
  };
  const onlyBefore = before.filter(({ written }) => !take(written));
  // What is left over counts from the end, so that an entry that is there twice now is new where it stands last.
  const onlyAfter = after.toReversed().filter(({ written }) => take(written));
  return { onlyBefore, onlyAfter: onlyAfter.toReversed() };
}

/** The value of the first key of a mapping's schema, which tells entries apart for people: the host, the cron. */
function firstOf(item: Schema<unknown>, { value }: Entry): unknown {
  const [key] = item.kind === 'mapping' ? item.fields.keys() : [];
  return key === undefined ? undefined : valueAt(value, key);
}

function change(path: string, before: string | undefined, after: string | undefined): PolicyChange {
  return {
    path,
    ...(before === undefined ? {} : { before: cut(before) }),
    ...(after === undefined ? {} : { after: cut(after) }),
  };
}

function cut(text: string): string {
  return text.length <= maxWritten ? text : `${text.slice(0, maxWritten - 1)}…`;
}

/** A whole value on one line, keys in the order of the schema. */
function writtenOf(schema: Schema<unknown>, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (schema.kind === 'scalar') return schema.written(value);
  if (schema.kind === 'list') {
    const items: readonly unknown[] = Array.isArray(value) ? value : [];
    return `[${items.map((item) => writtenOf(schema.item, item)).join(', ')}]`;
  }
  const parts = [...schema.fields].flatMap(([key, field]) => {
    const written = writtenOf(field.schema, valueAt(value, key));
    return written === undefined ? [] : [`${key}: ${written}`];
  });
  return parts.length === 0 ? '{}' : `{ ${parts.join(', ')} }`;
}

function valueAt(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null
    ? new Map<string, unknown>(Object.entries(value)).get(key)
    : undefined;
}
