/** The errors of the host's file system as Tidemark errors. */
import { systemCode } from '../../base/files.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';

/** Runs an operation of the simulated host so that all it throws is a `TidemarkError`; a full disk is `TM2115`. */
export async function hostErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = error instanceof Error && error.name === 'AbortError' ? undefined : systemCode(error);
    if (TidemarkError.is(error) || code === undefined) throw TidemarkError.from(error);
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      throw new TidemarkError(errorCodes.hostDiskFull, "The host's disk is full.", {
        hint: 'Free some space on the host, then try again.',
        cause: error,
      });
    }
    const message = error instanceof Error ? error.message : String(error);
    throw new TidemarkError(errorCodes.agentFailed, `The simulated host's files cannot be used: ${message}`, {
      hint: 'Check that the host directory is there and may be written to.',
      cause: error,
    });
  }
}
