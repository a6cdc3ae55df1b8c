/** What a failed system call on a repository's storage means for the user. */
import { systemCode } from '../base/files.ts';
import { errorCodes, TidemarkError } from '../protocol/errors.ts';

/** The Tidemark error for a failure while `what` (a file of the repository) was read or written. */
export function storageError(error: unknown, what: string, operation: 'read' | 'write'): TidemarkError {
  if (error instanceof TidemarkError) return error;
  if (error instanceof Error && error.name === 'AbortError') return TidemarkError.from(error);
  switch (systemCode(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new TidemarkError(errorCodes.repositoryFull, `The repository has no room left for ${what}.`, {
        hint: 'Free space on its disk, or delete restore points and run `tidemark repo gc`. What was stored before is safe.',
        cause: error,
      });
    case 'EROFS':
    case 'EACCES':
    case 'EPERM':
      if (operation === 'write') {
        return new TidemarkError(
          errorCodes.repositoryReadOnly,
          `The repository cannot be written: ${what} was refused.`,
          {
            hint: 'Check how its disk is mounted and that the daemon may write there. Restores work as before.',
            cause: error,
          },
        );
      }
      return unavailable(error, what, 'may not be read', 'Check the permissions of the repository.');
    case 'ENOENT':
    case 'ENOTDIR':
      return fileMissing(what, error);
    case undefined:
    default:
      return unavailable(error, what, 'cannot be reached', 'Check the disk or the share that holds the repository.');
  }
}

/** A file of the repository that is not there. */
export function fileMissing(what: string, cause?: unknown): TidemarkError {
  return new TidemarkError(errorCodes.repositoryFileMissing, `${what} is missing from the repository.`, {
    hint: 'Check that its disk is mounted; `tidemark repo verify` names what is lost.',
    cause,
  });
}

function unavailable(cause: unknown, what: string, how: string, hint: string): TidemarkError {
  return new TidemarkError(errorCodes.repositoryUnavailable, `${what} in the repository ${how}.`, { hint, cause });
}
