/** Inlay hints: cron expressions in words, and how many hosts and VMs a pattern names. */
import type { InlayHint, Range } from 'vscode-languageserver';

import { isPattern } from '../policy/index.ts';
import type { PolicySource } from '../policy/index.ts';
import type { PolicyInventory } from '../protocol/policy-inventory.ts';
import type { LanguageContext } from './context.ts';
import { isTooLarge } from './document.ts';
import type { PolicyDocument } from './document.ts';
import { hostsOf, vmsOf } from './selection.ts';
import { scalarPaths } from './syntax/path.ts';
import type { PolicyPath } from './syntax/path.ts';
import { cronWords } from './words/cron.ts';
import { countText } from './words/text.ts';

/** More than these on one screen are no help. */
const maxHints = 200;

/** The hints of a part of the file. */
export function inlayHints(
  document: PolicyDocument,
  range: Range,
  { inventory }: LanguageContext,
): readonly InlayHint[] {
  const { source, text } = document;
  if (isTooLarge(document)) return [];
  const shown = { start: text.offsetAt(range.start), end: text.offsetAt(range.end) };
  const hints: InlayHint[] = [];
  for (const { path, end } of scalarPaths(source.document, shown)) {
    if (hints.length >= maxHints) break;
    const label = labelOf(source, path, inventory);
    if (label !== undefined) hints.push({ position: text.positionAt(end), label, paddingLeft: true });
  }
  return hints;
}

function labelOf(source: PolicySource, path: PolicyPath, inventory: PolicyInventory | undefined): string | undefined {
  const [first, , key, position] = path;
  const text = source.writtenAt(path) ?? '';
  if (first === 'schedule' && key === 'cron' && position === undefined) return cronWords(text);
  if (first !== 'select' || inventory === undefined) return undefined;
  if (key === 'host' && isPattern(text)) return countText(hostsOf(text, inventory).length, 'host');
  if (key === 'vms' && !isPattern(text)) return undefined;
  const vms = vmsOf(source, path, inventory);
  if (vms === undefined) return undefined;
  return key === 'exclude' ? `leaves out ${countText(vms.length, 'VM')}` : countText(vms.length, 'VM');
}
