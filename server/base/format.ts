/** Figures for people. */

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** Bytes in binary units: `0 B`, `512 KiB`, `1.5 GiB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${Math.round(bytes)} B`;
  let value = bytes / 1024;
  let unit = 1;
  // What would round to 1024 belongs to the next unit.
  while (value >= 1023.5 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const text = value >= 100 ? Math.round(value).toString() : value.toFixed(1).replace(/\.0$/, '');
  return `${text} ${units[unit] ?? 'B'}`;
}

/** Milliseconds as `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 9950) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const sizePattern = /^(\d+(?:\.\d+)?)\s*(B|[KMGTP]i?B?)?$/i;

/** A size as people write it (`4GiB`, `512M`, `1048576`): bytes. K, M, G and T are binary, as in `qemu-img`. Undefined when it is none. */
export function parseBytes(text: string): number | undefined {
  const match = sizePattern.exec(text.trim());
  if (match === null) return undefined;
  const letter = (match[2] ?? 'B').charAt(0).toUpperCase();
  const bytes = Number(match[1]) * 1024 ** Math.max(0, 'BKMGTP'.indexOf(letter));
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
