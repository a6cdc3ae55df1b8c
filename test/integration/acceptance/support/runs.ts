/** Runs that are looked at while they go on. */
import assert from 'node:assert/strict';

import { runInfo } from '../../../../server/protocol/daemon.ts';
import type { RunInfo, RunPhase } from '../../../../server/protocol/daemon.ts';
import { array } from '../../../../server/protocol/parse.ts';
import { tidemark } from './command.ts';
import { vmName } from './site.ts';
import type { Site } from './site.ts';

/** The last runs, newest first. */
export async function runsOf(site: Site): Promise<readonly RunInfo[]> {
  return site.ask(['run', 'list'], array(runInfo));
}

/** Begins a backup and does not wait for it. */
export async function startBackup(site: Site): Promise<RunInfo> {
  const before = await runsOf(site);
  const result = await tidemark(['backup', 'run', '--vm', `hv01/${vmName}`, '--repo', 'main', '--data', site.data]);
  assert.equal(result.code, 0, result.stderr);
  const started = (await runsOf(site)).find((run) => before.every((old) => old.id !== run.id));
  assert.ok(started);
  return started;
}

/** Waits until a run has got to a phase. */
export async function waitForPhase(site: Site, id: string, phase: RunPhase): Promise<void> {
  const reached = ({ progress, finishedAt }: RunInfo): boolean => progress.phase === phase || finishedAt !== undefined;
  const run = await waitFor(site, id, reached);
  assert.equal(run.finishedAt, undefined, `the run ended before it was in phase ${phase}`);
}

/** Waits until a run has ended. */
export async function waitForEnd(site: Site, id: string): Promise<RunInfo> {
  return waitFor(site, id, (run) => run.finishedAt !== undefined);
}

async function waitFor(site: Site, id: string, reached: (run: RunInfo) => boolean): Promise<RunInfo> {
  for (;;) {
    const run = await site.ask(['run', 'show', id], runInfo);
    if (reached(run)) return run;
  }
}
