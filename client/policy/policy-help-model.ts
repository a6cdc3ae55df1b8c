/** What of the guide to policies a link of a diagnostic shows. */

/**
 * The section of a diagnostic's code as a page of its own: the guide is long, and the preview does not always stay where it scrolled to. Undefined
 * when the guide has no such section. Links to other sections lead to the guide, which is at `guidePath`.
 */
export function helpPage(guide: string, code: string, guidePath: string): string | undefined {
  const lines = guide.split(/\r?\n/);
  const start = lines.indexOf(`### ${code}`);
  if (start < 0) return undefined;
  const length = lines.slice(start + 1).findIndex((line) => /^#{1,3} /.test(line));
  const body = lines.slice(start + 1, length < 0 ? undefined : start + 1 + length);
  return `# ${code}\n${body.join('\n').replaceAll('](#', `](${guidePath}#`).trimEnd()}\n`;
}
