/** What follows a key when it is written by completion: the shortest value that is of use, with places to fill in. */
import { writtenText } from '../../policy/schema/write.ts';
import type { LanguageContext } from '../context.ts';
import type { AnyMapping, AnySchema } from '../schema-at.ts';
import type { PolicyPath } from '../syntax/path.ts';
import { placeholder } from './offer.ts';

/** A value as a snippet. */
export interface ValueSnippet {
  /** Its lines, the first one right behind the colon or dash; the others are indented from its key. */
  readonly lines: readonly string[];
  /** It is for a cursor that completion can go on at. */
  readonly suggestNext: boolean;
}

/** What is written at a path. `flow`: inside brackets, where a value has one line. */
export function valueSnippet(
  path: PolicyPath,
  schema: AnySchema,
  flow: boolean,
  context: LanguageContext,
): ValueSnippet {
  if (schema.kind === 'scalar')
    return { lines: ['$0'], suggestNext: schema.examples.length > 0 || schema.names !== undefined };
  const usual = usualValues[path.filter((part) => typeof part === 'string').join('.')];
  if (usual !== undefined && !flow) return { lines: usual(context), suggestNext: false };
  if (schema.kind === 'list')
    return { lines: schema.item.kind === 'mapping' ? ['[{ $0 }]'] : ['[$0]'], suggestNext: true };
  return requiredKeys(schema);
}

/** The first entry of a list of mappings: its lines behind the dash. */
export function entrySnippet(path: PolicyPath, schema: AnyMapping, context: LanguageContext): readonly string[] {
  const usual = usualEntries[path.filter((part) => typeof part === 'string').join('.')];
  if (usual !== undefined) return usual(context);
  return [...schema.fields].filter(([, { required }]) => required).map(([key], index) => `${key}: $${index + 1}`);
}

function requiredKeys(schema: AnyMapping): ValueSnippet {
  const keys = [...schema.fields].filter(([, { required }]) => required).map(([key]) => key);
  if (keys.length === 0) return { lines: ['{ $0 }'], suggestNext: true };
  return { lines: [`{ ${keys.map((key, index) => `${key}: $${index + 1}`).join(', ')} }`], suggestNext: true };
}

const usualEntries: Readonly<Record<string, (context: LanguageContext) => readonly string[]>> = {
  select: (context) => [`host: ${placeholder(1, firstHost(context))}`, `vms: [${placeholder(2, '"*"')}]`],
  schedule: () => [`cron: "${placeholder(1, '0 2 * * *')}"`, `type: ${placeholder(2, 'incremental')}`],
};

const listOf =
  (key: 'select' | 'schedule') =>
  (context: LanguageContext): readonly string[] => {
    const [first = '', ...rest] = usualEntries[key]?.(context) ?? [];
    return ['', `  - ${first}`, ...rest.map((line) => `    ${line}`)];
  };

const usualValues: Readonly<Record<string, (context: LanguageContext) => readonly string[]>> = {
  select: listOf('select'),
  schedule: listOf('schedule'),
  window: () => [`{ from: "${placeholder(1, '22:00')}", to: "${placeholder(2, '06:00')}" }`],
  retention: () => [
    `{ keepLast: ${placeholder(1, '3')}, keepDaily: ${placeholder(2, '14')}, keepWeekly: ${placeholder(3, '8')}, keepMonthly: ${placeholder(4, '12')} }`,
  ],
  retry: () => [`{ attempts: ${placeholder(1, '3')}, delay: ${placeholder(2, '10m')} }`],
  disks: () => ['{ exclude: [$0] }'],
  notify: () => [`{ on: [${placeholder(1, 'failure, warning')}]$0 }`],
};

/** A host to begin with, as it is written. */
export function firstHost({ inventory }: LanguageContext): string {
  return writtenText(inventory?.hosts[0]?.name ?? 'hv01');
}

/** A snippet whose lines behind the first are indented by `column`. */
export function indented(lines: readonly string[], column: number): string {
  return lines.map((line, index) => (index === 0 ? line : ' '.repeat(column) + line)).join('\n');
}
