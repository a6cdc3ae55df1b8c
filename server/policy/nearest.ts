/** The name that was probably meant. */

/** Longer names are not compared: the work grows with the product of both lengths. */
const longest = 128;
/** Answers remembered per list: the same wrong names are asked for at each keystroke. */
const maxRemembered = 256;

/** The candidate that differs least from `text`, if it is near enough to be a slip of the finger. Case does not count. */
export function nearest(text: string, candidates: Iterable<string>): string | undefined {
  return new NameList(candidates).nearest(text);
}

/** Names that are asked for often. */
export class NameList {
  readonly #names: readonly { readonly name: string; readonly lower: string; readonly letters: number }[];
  readonly #remembered = new Map<string, string | undefined>();

  constructor(names: Iterable<string>) {
    this.#names = [...new Set(names)]
      .filter((name) => name.length <= longest)
      .map((name) => ({ name, lower: name.toLowerCase(), letters: lettersOf(name.toLowerCase()) }));
  }

  /** The name that differs least from `text`, if it is near enough to be a slip of the finger. Case does not count. */
  nearest(text: string): string | undefined {
    if (text.length === 0 || text.length > longest) return undefined;
    if (this.#remembered.has(text)) return this.#remembered.get(text);
    const found = this.#find(text.toLowerCase());
    if (this.#remembered.size >= maxRemembered) this.#remembered.clear();
    this.#remembered.set(text, found);
    return found;
  }

  #find(wanted: string): string | undefined {
    const letters = lettersOf(wanted);
    let best: string | undefined;
    let limit = Math.max(1, Math.floor(wanted.length / 3)) + 1;
    for (const candidate of this.#names) {
      if (Math.abs(candidate.lower.length - wanted.length) >= limit) continue;
      // A step changes at most two of the letters that are there.
      if (bitsOf(letters ^ candidate.letters) > 2 * (limit - 1)) continue;
      const distance = editDistance(wanted, candidate.lower, limit);
      if (distance >= limit) continue;
      best = candidate.name;
      limit = distance;
    }
    return best;
  }
}

/** Which characters are in a text: one bit for several of them, so that a text that has other bits has other characters. */
function lettersOf(text: string): number {
  let letters = 0;
  for (let at = 0; at < text.length; at++) letters |= 1 << (text.charCodeAt(at) & 31);
  return letters;
}

function bitsOf(value: number): number {
  let bits = 0;
  for (let left = value; left !== 0; left &= left - 1) bits += 1;
  return bits;
}

/** Rows of the table, kept: a list of 5,000 names is compared at a keystroke. */
const rows = [new Int32Array(longest + 1), new Int32Array(longest + 1), new Int32Array(longest + 1)] as const;

/** Levenshtein's distance with swapped neighbours as one step (optimal string alignment); gives `limit` as soon as it cannot be less. */
function editDistance(a: string, b: string, limit: number): number {
  let [before, last, next]: readonly Int32Array[] = rows;
  if (before === undefined || last === undefined || next === undefined) return limit;
  for (let column = 0; column <= b.length; column++) last[column] = column;
  for (let row = 1; row <= a.length; row++) {
    next[0] = row;
    let least = row;
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let cost = Math.min(
        (next[column - 1] ?? limit) + 1,
        (last[column] ?? limit) + 1,
        (last[column - 1] ?? limit) + (same ? 0 : 1),
      );
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) cost = Math.min(cost, (before[column - 2] ?? limit) + 1);
      next[column] = cost;
      least = Math.min(least, cost);
    }
    if (least >= limit) return limit;
    [before, last, next] = [last, next, before];
  }
  return last[b.length] ?? limit;
}
