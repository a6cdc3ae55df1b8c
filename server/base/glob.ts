/** Name patterns as users write them: `*` is any text, `?` is one character, case does not count. */

/** Whether `name` matches `pattern`. Takes at most time proportional to the product of both lengths, whatever the pattern. */
export function matchesGlob(pattern: string, name: string): boolean {
  const wanted = pattern.toUpperCase();
  const text = name.toUpperCase();
  let position = 0;
  let at = 0;
  /** The last `*` and where in the text its match ends so far: what to go back to. */
  let star = -1;
  let starEnd = 0;
  while (at < text.length) {
    const token = wanted[position];
    if (token === '*') {
      star = position;
      starEnd = at;
      position += 1;
    } else if (token !== undefined && (token === '?' || token === text[at])) {
      position += 1;
      at += 1;
    } else if (star >= 0) {
      position = star + 1;
      starEnd += 1;
      at = starEnd;
    } else {
      return false;
    }
  }
  while (wanted[position] === '*') position += 1;
  return position === wanted.length;
}
