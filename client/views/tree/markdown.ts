/** Markdown for tooltips. Names come from hosts and files: whatever they hold, they show as they are. */

/** Text as it is: nothing in it is markup, a link, an icon or a new line. */
export function escaped(text: string): string {
  return text.replace(/[\\`*_{}[\]()#+\-.!|<>~$&:@]/g, String.raw`\$&`).replace(/\s+/g, ' ');
}

/** A bold heading. */
export function heading(text: string): string {
  return `**${escaped(text)}**`;
}

/** A table of names and values without a head; rows without a value are left out. */
export function factTable(rows: readonly (readonly [name: string, value: string | undefined])[]): string {
  const lines = rows.flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [`| ${escaped(name)} | ${escaped(value)} |`],
  );
  return lines.length === 0 ? '' : ['| | |', '| :-- | :-- |', ...lines].join('\n');
}

/** A table with a head. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(escaped).join(' | ')} |`;
  return [line(head), `| ${head.map(() => ':--').join(' | ')} |`, ...rows.map(line)].join('\n');
}

/** A list of points. */
export function list(items: readonly string[]): string {
  return items.map((item) => `- ${escaped(item)}`).join('\n');
}

/** Paragraphs, tables and lists below one another; empty ones are left out. */
export function blocks(...parts: readonly (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined && part !== '').join('\n\n');
}
