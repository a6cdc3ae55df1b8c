/** Texts that come from elsewhere, in places where they must stay what they are: text in one line. */

// What ends a line, moves a cursor or turns the direction of writing.
// oxlint-disable-next-line no-control-regex -- it is about those
const notText = /[\u0000-\u001F\u007F-\u009F\u2028\u2029\u202A-\u202E\u2066-\u2069]+/g;

/** The text with one space for each sequence of control characters, and nothing beyond `maxLength` UTF-16 units. */
export function oneLine(text: string, maxLength = 4096): string {
  const line = text.replaceAll(notText, ' ').trim();
  return line.length <= maxLength ? line : `${line.slice(0, maxLength - 1)}…`;
}
