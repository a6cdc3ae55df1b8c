/** Text of others on a terminal. */

// What a terminal obeys instead of showing, and what turns the direction of writing.
// oxlint-disable-next-line no-control-regex -- it is about those
const obeyed = /[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u202A-\u202E\u2066-\u2069]/g;

/** The text in one line, a tab as one blank, and with `\uFFFD` for everything that a terminal would obey. */
export function printable(text: string): string {
  return text.replaceAll(/[\t\n]/g, ' ').replaceAll(obeyed, '\uFFFD');
}
