/**
 * Writes schemas/backup-policy.schema.json, and the table of keys in docs/policies.md, from the policy model: `npm run schema`. A unit test finds out when
 * that was forgotten.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { policyJsonSchema, policySchema } from '../../server/policy/index.ts';
import type { Schema } from '../../server/policy/schema/schema.ts';

const inRepository = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** Where the schema lies. */
export const policySchemaFile = inRepository('schemas/backup-policy.schema.json');
/** The guide that has the table of keys. */
export const policyGuideFile = inRepository('docs/policies.md');

/** What is in the file of the schema. */
export function policySchemaText(): string {
  return `${JSON.stringify(policyJsonSchema(), undefined, 2)}\n`;
}

/** The guide with the table of keys as the model has them. */
export function withKeyTable(guide: string): string {
  const table = ['| key | value | default | |', '| --- | --- | --- | --- |', ...rowsOf(policySchema, '')].join('\n');
  return guide.replace(
    /(<!-- keys: begin -->\n).*(<!-- keys: end -->)/s,
    (_all, begin: string, end: string) => `${begin}${table}\n${end}`,
  );
}

function rowsOf(schema: Schema<unknown>, path: string): readonly string[] {
  if (schema.kind === 'list') return schema.item.kind === 'mapping' ? rowsOf(schema.item, `${path}[]`) : [];
  if (schema.kind === 'scalar') return [];
  return [...schema.fields].flatMap(([key, { schema: field, required }]) => {
    const name = path === '' ? key : `${path}.${key}`;
    const fallback = required
      ? '**needed**'
      : field.kind === 'scalar' && field.fallback !== undefined
        ? `\`${field.fallback}\``
        : '';
    return [`| \`${name}\` | ${valueOf(field)} | ${fallback} | ${descriptionOf(field)} |`, ...rowsOf(field, name)];
  });
}

function valueOf(schema: Schema<unknown>): string {
  if (schema.kind === 'mapping') return 'keys below';
  if (schema.kind === 'list')
    return schema.item.kind === 'mapping' ? 'a list of entries' : `a list: ${valueOf(schema.item)}`;
  const { type, minimum, maximum } = schema.json();
  if (schema.closed) return schema.examples.map(({ value }) => `\`${value}\``).join(', ');
  if (type === 'integer') return `${JSON.stringify(minimum)} to ${JSON.stringify(maximum)}`;
  const [example] = schema.examples;
  return example === undefined ? 'text' : `text, such as \`${example.value}\``;
}

/** The description, and what each word of a choice means. */
function descriptionOf(schema: Schema<unknown>): string {
  const own =
    schema.kind === 'list' && schema.item.kind === 'scalar'
      ? [schema.description, ...wordsOf(schema.item)]
      : [schema.description, ...wordsOf(schema)];
  return own.join(' ').replaceAll('|', '\\|');
}

function wordsOf(schema: Schema<unknown>): readonly string[] {
  if (schema.kind !== 'scalar' || !schema.closed) return [];
  return [`${schema.examples.map(({ value, description }) => `\`${value}\`: ${description}`).join('; ')}.`];
}

if (import.meta.main) {
  await writeFile(policySchemaFile, policySchemaText());
  await writeFile(policyGuideFile, withKeyTable(await readFile(policyGuideFile, 'utf8')));
}
