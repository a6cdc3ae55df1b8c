/** Hover: what a key means, and what a value stands for. */
import type { Hover, Position } from 'vscode-languageserver';

import type { PolicySource } from '../../policy/index.ts';
import type { NameKind } from '../../policy/schema/schema.ts';
import type { LanguageContext } from '../context.ts';
import { rangeIn } from '../document.ts';
import type { PolicyDocument } from '../document.ts';
import { schemaAt } from '../schema-at.ts';
import type { AnyScalar } from '../schema-at.ts';
import { nodeAt } from '../syntax/path.ts';
import type { NodeAt, PolicyPath } from '../syntax/path.ts';
import { fieldText } from '../words/field.ts';
import { escaped } from '../words/markdown.ts';
import { retentionWords } from '../words/retention.ts';
import { diskHover, hostHover, repositoryHover, vmHover } from './names.ts';
import { cronHover, timezoneHover } from './schedule.ts';

/** Undefined where there is nothing to say. */
export function hover(document: PolicyDocument, position: Position, context: LanguageContext): Hover | undefined {
  const node = nodeAt(document.source.document, document.text.offsetAt(position));
  if (node === undefined) return undefined;
  const text = textOf(node, document.source, context);
  if (text === undefined) return undefined;
  return { contents: { kind: 'markdown', value: text }, range: rangeIn(document, node.range) };
}

function textOf({ path, inKey }: NodeAt, source: PolicySource, context: LanguageContext): string | undefined {
  const schema = schemaAt(path);
  if (schema === undefined) return undefined;
  const kept = path[0] === 'retention' ? source.draft.retention : undefined;
  const more = kept === undefined ? [] : [retentionWords(kept)];
  if (inKey || schema.kind !== 'scalar') return [`**${name(path)}**`, fieldText(schema), ...more].join('\n\n');
  const written = source.writtenAt(path) ?? '';
  const special = schema.names === undefined ? undefined : named(schema.names, path, { source, written, context });
  return special ?? [valueText(schema, written) ?? fieldText(schema), ...more].join('\n\n');
}

interface Named {
  readonly source: PolicySource;
  readonly written: string;
  readonly context: LanguageContext;
}

/** What the name or the expression stands for; undefined when that is not known. */
function named(kind: NameKind, path: PolicyPath, { source, written, context }: Named): string | undefined {
  if (kind === 'cron') return cronHover(source, path, written, context.now);
  if (kind === 'timezone') return timezoneHover(written, context.now);
  const { inventory } = context;
  if (inventory === undefined) return undefined;
  switch (kind) {
    case 'host':
      return hostHover(written, inventory);
    case 'vm':
      return vmHover(source, path, inventory);
    case 'disk':
      return diskHover(source, written, inventory);
    case 'repository':
      break;
  }
  return repositoryHover(written, inventory);
}

/** What one of the words of a choice means. */
function valueText({ closed, examples }: AnyScalar, written: string): string | undefined {
  const meant = closed ? examples.find(({ value }) => value === written) : undefined;
  return meant === undefined ? undefined : `**${escaped(written)}**: ${meant.description}`;
}

/** The last key of a path: entries of lists have no name. */
function name(path: PolicyPath): string {
  return escaped(path.filter((part) => typeof part === 'string').join('.'));
}
