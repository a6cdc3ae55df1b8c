/** Verify runs: whether every restore point of a repository can be restored. Damage is a result, not a failure of the run. */
import type { RunOutcome, VerifyRequest } from '../../protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { RunContext, RunServices } from './context.ts';
import { wholeProgress } from './whole-progress.ts';

/** Verifies a repository, or some restore points: the structure, or with `readData` every byte. Throws `TM4011` for unknown restore points. */
export async function executeVerify(
  request: VerifyRequest,
  context: RunContext,
  services: RunServices,
): Promise<RunOutcome> {
  const { signal } = context;
  if (request.newOnly === true && (request.restorePoints === undefined || !request.readData)) {
    throw new TidemarkError(errorCodes.invalidInput, 'Reading new data only needs restore points and reading data.', {
      hint: 'Name the restore points, and set readData.',
    });
  }
  context.phase('connecting');
  const repository = await services.repositories.open(request.repository, signal);
  context.phase('verifying');
  const result = await repository.verify({
    readData: request.readData,
    restorePoints: request.restorePoints,
    newOnly: request.newOnly,
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
