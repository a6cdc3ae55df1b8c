/** Compares versions of this product. */

/**
 * Negative when `a` is older than `b`, positive when newer, 0 when equal in number (Semantic Versioning 2.0.0, section 11, without pre-release
 * order: this product has none). A build from sources, `0.0.0-dev`, equals everything: it is never replaced by itself.
 */
export function compareVersions(a: string, b: string): number {
  if (a.endsWith('-dev') || b.endsWith('-dev')) return 0;
  const [left, right] = [numbers(a), numbers(b)];
  for (let i = 0; i < 3; i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function numbers(version: string): readonly number[] {
  return (version.split(/[-+]/, 1)[0] ?? '').split('.').map((part) => Number.parseInt(part, 10) || 0);
}
