/** What the file system of the host refuses, as Tidemark errors. */
import { systemCode } from '../../../base/files.ts';
import { errorCodes, TidemarkError } from '../../../protocol/errors.ts';

/** Runs work on files so that a full disk is `TM2115`, a file that somebody holds `TM2212`, and everything else that Windows refuses `TM2199`. */
export async function withFileErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = error instanceof Error && error.name === 'AbortError' ? undefined : systemCode(error);
    if (code === undefined || TidemarkError.is(error)) throw error;
    throw fileError(code, error);
  }
}

function fileError(code: string, cause: unknown): TidemarkError {
  const text = cause instanceof Error ? cause.message : String(cause);
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new TidemarkError(errorCodes.hostDiskFull, "The host's disk is full.", {
      hint: 'Free some space on the host, then try again.',
      cause,
    });
  }
  if (['EBUSY', 'EPERM', 'EACCES'].includes(code)) {
    return new TidemarkError(errorCodes.hostFileInUse, `A file on the host is in use, or may not be changed: ${text}`, {
      hint: 'Find out which program has it open, such as a virus scanner, and check the rights of the agent on that folder.',
      cause,
    });
  }
  return new TidemarkError(errorCodes.agentFailed, `The files of the host cannot be used: ${text}`, {
    hint: "Check the volume in the host's event log. The agent's log has the details.",
    cause,
  });
}
