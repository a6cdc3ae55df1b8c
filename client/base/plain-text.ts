/** Texts of others in places of VS Code: links that it would read in messages, characters that it would obey in rows. */

/**
 * The text as it is, without links. VS Code makes `[label](command:…)` in a message a link that runs the command, and names of VMs and errors
 * of hosts are anybody's text.
 */
export function withoutLinks(text: string): string {
  return text.replaceAll('](', '] (');
}

// What ends a line, moves a cursor or turns the direction of writing, which would go on into the text behind it.
// oxlint-disable-next-line no-control-regex -- it is about those
const obeyed = /[\u0000-\u001F\u007F-\u009F\u200E\u200F\u2028\u2029\u202A-\u202E\u2066-\u2069]+/g;

/** The text in one line, without what VS Code or a browser would obey: names of VMs are anybody's text. */
export function inOneLine(text: string): string {
  return text.replaceAll(obeyed, ' ');
}
