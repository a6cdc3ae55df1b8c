/** Verify runs: whether every restore point of a repository can be restored. Damage is a result, not a failure of the run. */
import type { RunOutcome, VerifyRequest } from '../../protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { StoredRestorePoint, VerifyResult } from '../../repository/index.ts';
import type { RunContext, RunServices } from './context.ts';
import { wholeProgress } from './whole-progress.ts';

interface RememberParts {
  /** What the repository had when the verification began. */
  readonly points: readonly StoredRestorePoint[];
  readonly context: RunContext;
  readonly services: Pick<RunServices, 'verified'>;
}

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
  // Before: what is made meanwhile is not looked at.
  const { points } = await repository.listRestorePoints(signal);
  const result = await repository.verify({
    readData: request.readData,
    restorePoints: request.restorePoints,
    alreadyRead: request.newOnly === true ? services.verified.of(request.repository) : [],
    signal,
    onProgress: wholeProgress(context, request.repository),
    log: (text) => context.log('info', text),
  });
  if (request.readData) remember(request, result, { points, context, services });
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

/** Notes of which restore points every byte was read and is whole. When that cannot be noted, the next verification reads more. */
function remember(request: VerifyRequest, result: VerifyResult, { points, context, services }: RememberParts): void {
  const damaged = new Set(result.problems.flatMap(({ restorePoints }) => restorePoints));
  try {
    const read = request.restorePoints === undefined ? undefined : new Set(request.restorePoints);
    const whole = points
      .filter(({ id }) => !damaged.has(id) && (read === undefined || read.has(id)))
      .map(({ id, vmId }) => ({ vmId, restorePoint: id }));
    services.verified.record(request.repository, { whole, damaged: [...damaged] });
  } catch (error) {
    context.log('warning', 'What was read cannot be noted; the next verification reads it again.', error);
  }
}
