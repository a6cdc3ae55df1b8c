/** How findings name things. */

/** Names longer than this are cut. */
const maxLength = 64;
const maxNamed = 3;

/** A name in quotes. */
export function quoted(name: string): string {
  return `"${name.length <= maxLength ? name : `${name.slice(0, maxLength)}…`}"`;
}

/** `"a"`, `"a" and "b"`, `"a", "b", "c" and 4 others`. */
export function quotedList(names: readonly string[]): string {
  const shown = names.slice(0, names.length === maxNamed + 1 ? maxNamed + 1 : maxNamed).map(quoted);
  const others = names.length - shown.length;
  const last = others > 0 ? `${others} others` : shown.pop();
  return shown.length === 0 ? (last ?? '') : `${shown.join(', ')} and ${last ?? ''}`;
}
