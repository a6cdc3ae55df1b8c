/** What completion offers, before it is told to the editor. */
import type { CompletionItemKind } from 'vscode-languageserver';

export interface Offer {
  readonly label: string;
  readonly kind: CompletionItemKind;
  /** One line beside the label. */
  readonly detail?: string;
  /** Markdown; made when it is shown, since there can be thousands of offers and hundreds are shown. */
  readonly documentation?: () => string;
  /** What is written, in the place of the word under the cursor. */
  readonly text: string;
  /** `text` has `$1` and `${1:…}`. */
  readonly snippet: boolean;
  /** What typing is compared with, when that is not the label. */
  readonly filter?: string;
  readonly preselect?: boolean;
  /** Ask again once it is written: a value follows. */
  readonly suggestNext?: boolean;
}

/** A text that means itself in a snippet. */
export function snippetText(text: string): string {
  return text.replace(/[\\$}]/g, String.raw`\$&`);
}

/** A placeholder of a snippet. */
export function placeholder(index: number, text: string): string {
  return `\${${index}:${snippetText(text)}}`;
}
