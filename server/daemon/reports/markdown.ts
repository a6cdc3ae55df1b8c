/** Markdown in which names and messages of others show as they are, in any viewer (CommonMark, GitHub's tables and links). */
import { oneLine } from '../../base/one-line.ts';

/** Of one text. */
const maxTextLength = 2000;

/** Text as it is: nothing in it is markup, HTML, a link, a cell's end or a new line. Of bounded length. */
export function escaped(text: string): string {
  return (
    oneLine(text, maxTextLength)
      .replace(/[\\`*_{}[\]#!|<>~$&@]/g, String.raw`\$&`)
      // What viewers take for addresses.
      .replace(/\/(?=\/)/g, '$&\\')
      .replace(/\bwww\./gi, (start) => `${start.slice(0, -1)}\\.`)
      // What makes a list, a heading or a rule at the beginning of an item.
      .replace(/^[-=+]/, String.raw`\$&`)
      .replace(/^(\d+)([.)])(?=\s|$)/, String.raw`$1\$2`)
  );
}

/** A column. */
export interface Column {
  readonly title: string;
  readonly align?: 'right';
}

/** A table; empty without rows. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '';
  const line = (cells: readonly string[]): string => `| ${cells.map(escaped).join(' | ')} |`;
  const rule = `| ${columns.map(({ align }) => (align === 'right' ? '--:' : ':--')).join(' | ')} |`;
  return [line(columns.map(({ title }) => title)), rule, ...rows.map(line)].join('\n');
}

/** Names and values, one below the other; those without a value are left out. */
export function facts(rows: readonly (readonly [name: string, value: string | undefined])[]): string {
  const known = rows.flatMap(([name, value]) => (value === undefined || value === '' ? [] : [[name, value]]));
  return table([{ title: ' ' }, { title: ' ' }], known);
}

/** A list of at most `limit` points; how many are left out is its last one. */
export function list(items: readonly string[], limit: number): string {
  const rest = items.length - limit;
  const more = rest > 0 ? [`and ${rest} more`] : [];
  return [...items.slice(0, limit), ...more].map((item) => `- ${escaped(item)}`).join('\n');
}

/** A part under a heading; empty when nothing is in it. */
export function section(title: string, ...parts: readonly string[]): string {
  const body = blocks(parts);
  return body === '' ? '' : `## ${escaped(title)}\n\n${body}`;
}

/** Parts below one another; empty ones are left out. */
export function blocks(parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join('\n\n');
}
