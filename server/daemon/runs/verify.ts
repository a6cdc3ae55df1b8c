/** Verify runs: whether every restore point of a repository can be restored. Damage is a result, not a failure of the run. */
import type { RunOutcome, VerifyRequest } from '../../protocol/daemon.ts';
import type { RunContext, RunServices } from './context.ts';
import { wholeProgress } from './whole-progress.ts';

/** Verifies a repository: its structure, or with `readData` every byte. */
export async function executeVerify(
  request: VerifyRequest,
  context: RunContext,
  services: RunServices,
): Promise<RunOutcome> {
  const { signal } = context;
  context.phase('connecting');
  const repository = await services.repositories.open(request.repository, signal);
  context.phase('verifying');
  const result = await repository.verify({
    readData: request.readData,
    signal,
    onProgress: wholeProgress(context, request.repository),
    log: (text) => context.log('info', text),
  });
  for (const { what, error, restorePoints } of result.problems) {
    const hit = restorePoints.length === 0 ? 'no restore point' : restorePoints.join(', ');
    context.log('error', `${what}: ${error.message} It hits ${hit}.`);
  }
  if (result.problems.length > 0) {
    const places = result.problems.length === 1 ? 'one place' : `${result.problems.length} places`;
    context.warn(`Repository ${request.repository} is damaged in ${places}.`);
  }
  return { kind: 'verify', ...result };
}
