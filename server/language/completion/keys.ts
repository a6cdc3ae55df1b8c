/** Completion of keys: those that the mapping does not have yet, required ones first. */
import { CompletionItemKind } from 'vscode-languageserver';

import type { LanguageContext } from '../context.ts';
import { fieldsAt } from '../schema-at.ts';
import type { AnySchema } from '../schema-at.ts';
import type { Place } from '../syntax/cursor.ts';
import { fieldText } from '../words/field.ts';
import type { Offer } from './offer.ts';
import { indented, valueSnippet } from './snippets.ts';

type KeyPlace = Extract<Place, { kind: 'key' }>;

export function keyOffers(place: KeyPlace, context: LanguageContext): readonly Offer[] {
  return fieldsAt(place.path)
    .filter(([key]) => !place.present.includes(key))
    .map(([key, { schema, required }]) => ({
      label: key,
      kind: CompletionItemKind.Property,
      ...detailOf(schema, required),
      documentation: () => fieldText(schema),
      snippet: true,
      ...writing(key, schema, place, context),
    }));
}

function detailOf(schema: AnySchema, required: boolean): { readonly detail?: string } {
  if (required) return { detail: 'required' };
  const fallback = schema.kind === 'scalar' ? schema.fallback : undefined;
  return fallback === undefined ? {} : { detail: `${fallback} when absent` };
}

function writing(
  key: string,
  schema: AnySchema,
  { path, flow, hasColon, column, lead }: KeyPlace,
  context: LanguageContext,
): Pick<Offer, 'text' | 'suggestNext'> {
  if (hasColon) return { text: lead + key };
  const { lines, suggestNext } = valueSnippet([...path, key], schema, flow, context);
  const value = indented(lines, column);
  return { text: `${lead}${key}:${lines[0] === '' ? '' : ' '}${value}`, suggestNext };
}
