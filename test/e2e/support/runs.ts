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

/** How far a run is, as its line says. */
export function percentOf(text: string | undefined): number | undefined {
  const percent = text === undefined ? undefined : /(\d+) %/.exec(text)?.[1];
  return percent === undefined ? undefined : Number(percent);
}
