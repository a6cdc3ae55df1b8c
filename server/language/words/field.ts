/** What hover and completion say about a key: the schema's own words. */
import type { AnySchema } from '../schema-at.ts';

/** Markdown. */
export function fieldText(schema: AnySchema): string {
  if (schema.kind !== 'scalar') return schema.description;
  const values = schema.examples.map(({ value, description }) => `- \`${value}\`: ${description}`);
  const parts = [
    schema.description,
    ...(values.length === 0 ? [] : [values.join('\n')]),
    ...(schema.fallback === undefined ? [] : [`When absent: \`${schema.fallback}\``]),
  ];
  return parts.join('\n\n');
}
