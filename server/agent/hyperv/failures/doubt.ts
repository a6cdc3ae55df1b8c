/** Failures after which nobody knows whether Hyper-V still does what it was asked: then nothing is forgotten. */
import { errorCodes, TidemarkError } from '../../../protocol/errors.ts';
import { isOutcomeUnknown } from './errors.ts';

/**
 * Whether the operation may still go on, or be done, after this error. After a cancellation it does not: the job was waited for. A defect of
 * our own says nothing about Hyper-V.
 */
export function isDoubtful(error: unknown): boolean {
  if (TidemarkError.is(error, errorCodes.cancelled)) return false;
  return !TidemarkError.is(error) || isOutcomeUnknown(error);
}
