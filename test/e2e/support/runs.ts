/** Reading the Runs view. */
import { viewName } from '../../support/vscode/labels.ts';
import type { SideBar } from '../../support/vscode/side-bar.ts';

const runs = viewName('tidemark.runs');

/** The line of the newest run whose title has this, or undefined. */
export async function runText(sideBar: SideBar, title: string | RegExp): Promise<string | undefined> {
  const rows = await sideBar.rows(runs);
  // Groups have the level above.
  return rows.find((row) => row.startsWith('  ') && !row.startsWith('    ') && row.search(title) !== -1);
}

/** How much of its data a run has moved, as its line says; the percent of a job on the host, such as a checkpoint, are others. */
export function percentOf(text: string | undefined): number | undefined {
  const percent = text === undefined ? undefined : /(\d+) % · \S+ \S+ of /.exec(text)?.[1];
  return percent === undefined ? undefined : Number(percent);
}
