/** Completion of values: choices, examples, and the names that the inventory has. */
import { CompletionItemKind } from 'vscode-languageserver';

import type { LanguageContext } from '../context.ts';
import { schemaAt } from '../schema-at.ts';
import type { AnyScalar } from '../schema-at.ts';
import type { Cursor, Place } from '../syntax/cursor.ts';
import type { PolicyPath } from '../syntax/path.ts';
import { fieldText } from '../words/field.ts';
import { namedValues } from './names.ts';
import type { Offer } from './offer.ts';
import { entrySnippet, indented, valueSnippet } from './snippets.ts';

type ValuePlace = Extract<Place, { kind: 'value' }>;
type ItemPlace = Extract<Place, { kind: 'item' }>;

/** A value as it is written, and what is told about it. */
export type ValueOffer = Omit<Offer, 'snippet' | 'suggestNext'>;

/** What can be the value of a key, or an entry of a list behind its dash or in brackets. */
export function valueOffers(place: ValuePlace, cursor: Cursor, context: LanguageContext): readonly Offer[] {
  const { path, lead, flow, column } = place;
  const schema = schemaAt(path);
  if (schema === undefined) return [];
  if (schema.kind === 'scalar') {
    return scalarValues(path, schema, cursor, context).map((offer) => ({
      ...offer,
      text: lead + offer.text,
      snippet: false,
    }));
  }
  // Behind a dash the keys of the entry are offered one by one.
  if (typeof path.at(-1) === 'number' && !flow) return [];
  const { lines, suggestNext } = valueSnippet(path, schema, flow, context);
  const whole: Offer = {
    label: schema.kind === 'list' ? 'a list' : 'a mapping',
    kind: CompletionItemKind.Snippet,
    documentation: () => fieldText(schema),
    text: (lines[0] === '' ? '' : lead) + indented(lines, column),
    snippet: true,
    suggestNext,
  };
  if (schema.kind !== 'list' || schema.item.kind !== 'scalar') return [whole];
  const single = scalarValues([...path, 0], schema.item, cursor, context);
  return [whole, ...single.map((offer) => ({ ...offer, text: `${lead}[${offer.text}]`, snippet: false }))];
}

/** A new entry of a list, with its dash. */
export function itemOffers(
  { path, index, column }: ItemPlace,
  cursor: Cursor,
  context: LanguageContext,
): readonly Offer[] {
  const schema = schemaAt(path);
  if (schema?.kind !== 'list') return [];
  const { item } = schema;
  if (item.kind === 'scalar') {
    const values = scalarValues([...path, index], item, cursor, context);
    return values.map((offer) => ({ ...offer, text: `- ${offer.text}`, snippet: false }));
  }
  if (item.kind !== 'mapping') return [];
  const lines = entrySnippet(path, item, context);
  const [first] = item.fields.keys();
  return [
    {
      label: `- ${first ?? ''}`,
      kind: CompletionItemKind.Snippet,
      documentation: () => fieldText(item),
      text: `- ${indented(lines, column + 2)}`,
      snippet: true,
    },
  ];
}

function scalarValues(
  path: PolicyPath,
  schema: AnyScalar,
  cursor: Cursor,
  context: LanguageContext,
): readonly ValueOffer[] {
  const taken = siblings(path, cursor);
  const examples = schema.examples.map(({ value, description }): ValueOffer => {
    const label = value.replaceAll('"', '');
    return {
      label,
      kind: schema.closed ? CompletionItemKind.EnumMember : CompletionItemKind.Value,
      ...(value === schema.fallback ? { detail: 'when absent' } : {}),
      documentation: () => description,
      text: value,
      // Typing `daily` or `every` finds an expression by its words.
      ...(schema.names === 'cron' ? { filter: `${label} ${description}`, detail: description } : {}),
    };
  });
  const fallback: readonly ValueOffer[] =
    examples.length === 0 && schema.fallback !== undefined
      ? [{ label: schema.fallback, kind: CompletionItemKind.Value, detail: 'when absent', text: schema.fallback }]
      : [];
  return [...examples, ...fallback, ...namedValues(path, schema.names, cursor, context)].filter(
    ({ label }) => !taken.has(label),
  );
}

/** The other entries of the list that a path leads into. */
function siblings(path: PolicyPath, { outline }: Cursor): ReadonlySet<string> {
  const last = path.at(-1);
  if (typeof last !== 'number') return new Set();
  const list = path.slice(0, -1);
  const own = outline.valueAt(path);
  return new Set(outline.entriesOf(list).filter((entry) => entry !== own));
}
