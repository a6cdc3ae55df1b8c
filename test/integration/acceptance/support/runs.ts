/** The runs in the daemon's history. */
import { runInfo } from '../../../../server/protocol/daemon.ts';
import type { RunState } from '../../../../server/protocol/daemon.ts';
import { array } from '../../../../server/protocol/parse.ts';
import type { Site } from './site.ts';

/** What the last runs were and how they ended, newest first. */
export async function runStates(site: Site): Promise<readonly { readonly kind: string; readonly state: RunState }[]> {
  const runs = await site.ask(['run', 'list'], array(runInfo));
  return runs.map((run) => ({ kind: run.request.kind, state: run.state }));
}
