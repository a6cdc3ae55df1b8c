/** Rows of another version, or damaged ones, cost what they hold and nothing else. */

/** What `parse` makes of each row, without those that it refuses: they are told to `onUnreadable`. */
export function readable<T>(
  rows: readonly unknown[],
  parse: (row: unknown) => T,
  onUnreadable: (error: unknown) => void,
): readonly T[] {
  return rows.flatMap((row) => {
    try {
      return [parse(row)];
    } catch (error) {
      onUnreadable(error);
      return [];
    }
  });
}
