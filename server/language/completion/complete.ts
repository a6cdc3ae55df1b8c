/** Completion: what can be written at a place of a policy file, however much of the file is there. */
import { InsertTextFormat, InsertTextMode } from 'vscode-languageserver';
import type { CompletionItem, CompletionList, Position, Range } from 'vscode-languageserver';

import type { LanguageContext } from '../context.ts';
import { isTooLarge, rangeIn } from '../document.ts';
import type { PolicyDocument } from '../document.ts';
import { cursorAt } from '../syntax/cursor.ts';
import type { Cursor, Place } from '../syntax/cursor.ts';
import { keyOffers } from './keys.ts';
import type { Offer } from './offer.ts';
import { templates } from './templates.ts';
import { itemOffers, valueOffers } from './values.ts';

/** More than anybody reads. When there are more, the editor asks again with what was typed meanwhile. */
const maxItems = 300;

/** What can be written at `position`. */
export function complete(document: PolicyDocument, position: Position, context: LanguageContext): CompletionList {
  if (isTooLarge(document)) return { isIncomplete: false, items: [] };
  const cursor = cursorAt(document.source.text, document.text.offsetAt(position));
  const offers = [
    ...(cursor.outline.keysOf([]).length === 0 ? templates(cursor, context) : []),
    ...cursor.places.flatMap((place) => offersAt(place, cursor, context)),
  ];
  const { shown, cut } = mostFitting(offers, bare(cursor.typed));
  const range = rangeIn(document, cursor.word);
  // Editors take no completion that goes over several lines, such as a text in quotes can.
  if (range.start.line !== range.end.line) return { isIncomplete: false, items: [] };
  const items = shown.map((offer, index) => itemOf(offer, index, { range, cursor }));
  return { isIncomplete: cut, items };
}

function offersAt(place: Place, cursor: Cursor, context: LanguageContext): readonly Offer[] {
  switch (place.kind) {
    case 'key':
      return keyOffers(place, context);
    case 'value':
      return valueOffers(place, cursor, context);
    case 'item':
      break;
  }
  return itemOffers(place, cursor, context);
}

function itemOf(
  offer: Offer,
  index: number,
  { range, cursor }: { readonly range: Range; readonly cursor: Cursor },
): CompletionItem {
  const quote = /^["']/.exec(cursor.typed)?.[0] ?? '';
  return {
    label: offer.label,
    kind: offer.kind,
    ...(offer.detail === undefined ? {} : { detail: offer.detail }),
    ...(offer.documentation === undefined
      ? {}
      : { documentation: { kind: 'markdown' as const, value: offer.documentation() } }),
    filterText: quote + (offer.filter ?? offer.label),
    sortText: index.toString().padStart(5, '0'),
    insertTextFormat: offer.snippet ? InsertTextFormat.Snippet : InsertTextFormat.PlainText,
    insertTextMode: InsertTextMode.asIs,
    textEdit: { range, newText: offer.text },
    ...(offer.preselect === true ? { preselect: true } : {}),
    ...(offer.suggestNext === true ? { command: { title: '', command: 'editor.action.triggerSuggest' } } : {}),
  };
}

/** The first of what fits: the editor looks itself what of it fits best. */
function mostFitting(
  offers: readonly Offer[],
  typed: string,
): { readonly shown: readonly Offer[]; readonly cut: boolean } {
  if (offers.length <= maxItems) return { shown: offers, cut: false };
  const wanted = typed.toLowerCase();
  const fitting = offers.filter(({ label, filter }) => hasInOrder((filter ?? label).toLowerCase(), wanted));
  return { shown: fitting.slice(0, maxItems), cut: true };
}

/** Whether all characters of `wanted` are in `text`, in this order. */
function hasInOrder(text: string, wanted: string): boolean {
  let at = 0;
  for (const character of wanted) {
    at = text.indexOf(character, at) + 1;
    if (at === 0) return false;
  }
  return true;
}

function bare(typed: string): string {
  return typed.replace(/^["']/, '');
}
