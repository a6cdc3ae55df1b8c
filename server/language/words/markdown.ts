/** Texts of others in Markdown: names are hostile. */

/** A text that shows as it is, on one line. */
export function escaped(text: string): string {
  return text.replace(/[\r\n]+/g, ' ').replace(/[\\`*_{}[\]()#+\-.!|<>~&$:]/g, String.raw`\$&`);
}
