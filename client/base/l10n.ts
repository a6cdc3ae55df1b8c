/** Texts for people, for code that does not import VS Code. The same keys and bundles as `vscode.l10n`. */

/** Translates a message and puts `args` into its `{0}`, `{1}`, … */
export type Translate = (message: string, ...args: readonly (string | number)[]) => string;

const untranslated: Translate = (message, ...args) =>
  message.replace(/\{(\d+)\}/g, (place, index: string) => String(args[Number(index)] ?? place));

let translate: Translate = untranslated;

/** Named like VS Code's, so that one search finds every text. Before `useTranslator`, and in unit tests: the English text. */
export const l10n: { readonly t: Translate } = { t: (message, ...args) => translate(message, ...args) };

/** Called once, at activation, with `vscode.l10n.t`. */
export function useTranslator(translator: Translate): void {
  translate = translator;
}
