/** Failures after which nobody knows whether Hyper-V still does what it was asked: then nothing is forgotten. */
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { ErrorCode } from '../../protocol/errors.ts';

const doubtful: ReadonlySet<ErrorCode> = new Set([
  errorCodes.powerShellFailed,
  errorCodes.hostNotAnswering,
  errorCodes.hypervServiceLost,
  errorCodes.operationStalled,
  errorCodes.outcomeUnknown,
  errorCodes.cancelled,
  errorCodes.internal,
]);

/** Whether the operation may still go on, or be done, after this error. */
export function isDoubtful(error: unknown): boolean {
  return doubtful.has(TidemarkError.from(error).code);
}
