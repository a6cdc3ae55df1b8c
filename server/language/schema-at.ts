/** The part of the schema that is about a place of a policy file. */
import { policySchema } from '../policy/index.ts';
import type { Field, MappingSchema, ScalarSchema, Schema } from '../policy/schema/schema.ts';
import type { PolicyPath } from './syntax/path.ts';

/** A schema whose values nobody here needs. */
export type AnySchema = Schema<unknown>;
export type AnyScalar = ScalarSchema<unknown>;
export type AnyMapping = MappingSchema<unknown>;

/** The schema of the value at a path; undefined when no policy has one there. */
export function schemaAt(path: PolicyPath): AnySchema | undefined {
  let schema: AnySchema | undefined = policySchema;
  for (const part of path) {
    if (schema?.kind === 'mapping') schema = schema.fields.get(String(part))?.schema;
    else if (schema?.kind === 'list') schema = schema.item;
    else return undefined;
  }
  return schema;
}

/** The keys of the mapping at a path: those that must be there first. */
export function fieldsAt(path: PolicyPath): readonly (readonly [string, Field<unknown>])[] {
  const schema = schemaAt(path);
  if (schema?.kind !== 'mapping') return [];
  const fields = [...schema.fields];
  return [...fields.filter(([, { required }]) => required), ...fields.filter(([, { required }]) => !required)];
}
