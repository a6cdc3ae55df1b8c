/** Garbage collection runs: gives back the space that no restore point needs. */
import type { GcRequest, RunOutcome } from '../../protocol/daemon.ts';
import type { RunContext, RunServices } from './context.ts';
import { wholeProgress } from './whole-progress.ts';

/** Collects garbage in two phases: packs found unused are set aside, and deleted when the grace period is over (or `now`). */
export async function executeGc(request: GcRequest, context: RunContext, services: RunServices): Promise<RunOutcome> {
  const { signal } = context;
  context.phase('connecting');
  const repository = await services.repositories.open(request.repository, signal);
  context.phase('collecting');
  const result = await repository.collectGarbage({
    dryRun: request.dryRun,
    now: request.now,
    signal,
    onProgress: wholeProgress(context, request.repository),
    log: (text) => context.log('info', text),
  });
  return { kind: 'gc', ...result };
}
