/** What a failure of Hyper-V means: a code, a sentence and a hint for people; never by words of a message, which are translated. */
import { oneLine } from '../../../base/one-line.ts';
import { errorCodes, TidemarkError } from '../../../protocol/errors.ts';
import type { ErrorCode } from '../../../protocol/errors.ts';
import { actionOf } from './actions.ts';
import type { Action } from './actions.ts';
import type { ModuleError } from '../commands/answer.ts';
import type { Job } from '../commands/jobs.ts';
import { hintOf } from './hints.ts';
import { formatHresult, hresultsIn, meaningOfHresult } from './hresults.ts';
import type { Meaning } from './hresults.ts';
import { meaningOfModuleError, meaningOfNativeError } from './module-errors.ts';
import { meaningOfReturnValue } from './return-codes.ts';

const e = errorCodes;

/** An error of Hyper-V, with what a program needs to know besides its code. */
export class HypervError extends TidemarkError {
  /** Whether trying again, a few times and after a pause, may help. */
  readonly retry: boolean;

  constructor(
    code: ErrorCode,
    message: string,
    details: { hint?: string | undefined; cause?: unknown; retry?: boolean },
  ) {
    super(code, message, { hint: details.hint ?? hintOf(code), cause: details.cause });
    this.retry = details.retry ?? false;
  }
}

/** An error that the provider itself finds out, with the usual hint of its code. */
export function hypervError(
  code: ErrorCode,
  message: string,
  details: { readonly hint?: string; readonly cause?: unknown; readonly retry?: boolean } = {},
): HypervError {
  return new HypervError(code, message, details);
}

/** Whether the operation may be tried again, a few times and after a pause: another one is in the way, or the service restarts. */
export function retryable(error: unknown): boolean {
  return error instanceof HypervError && error.retry;
}

/** Whether nobody knows if the operation was done: the world must be read before anything is assumed. */
export function isOutcomeUnknown(error: unknown): boolean {
  return TidemarkError.is(error) && unknownOutcomes.has(error.code);
}

const unknownOutcomes: ReadonlySet<ErrorCode> = new Set([
  e.powerShellFailed,
  e.hostNotAnswering,
  e.hypervServiceLost,
  e.operationStalled,
  e.outcomeUnknown,
  e.cancelled,
]);

/** The error of a function of the module, by everything that its answer has. `name` is the function's. */
export function moduleFailure(error: ModuleError, name: string): HypervError {
  const texts = [
    error.errorId,
    ...error.details.flatMap(({ message, messageId }) => [messageId, message]),
    error.message,
  ];
  const action = actionOf(name);
  const found =
    meaningOfModuleError(error.errorId, error.returnValue) ??
    byHresults([error.hresult, ...texts.flatMap(hresultsIn)], action) ??
    meaningOfNativeError(error.nativeErrorCode) ??
    (error.returnValue === null ? undefined : meaningOfReturnValue(error.method ?? '', error.returnValue));
  const words = error.details.length > 0 ? error.details.map(({ message }) => message) : [error.message];
  const number =
    error.returnValue !== null && error.method !== null ? `${error.method} gave ${error.returnValue}` : undefined;
  return failure(found, action, number, words, error);
}

/** The error of a job that ended badly. `name` is the function that started it. */
export function jobFailure(job: Job, name: string): HypervError {
  const words = job.errors.length > 0 ? job.errors.map(({ message }) => message) : [job.errorDescription];
  const texts = [...job.errors.flatMap(({ message, messageId }) => [messageId, message]), job.errorDescription];
  const action = actionOf(name);
  const found =
    byHresults([job.completionStatus, ...texts.flatMap(hresultsIn)], action) ??
    meaningOfReturnValue('', job.errorCode) ??
    endedFromOutside(job);
  const number = job.errorCode === 0 ? undefined : `error ${job.errorCode}`;
  return failure(found, action, number, words, job);
}

/** Whether a session that gave this answer should be replaced: its connection to WMI, or its memory, may be gone. */
export function isDoubtful(error: ModuleError): boolean {
  const hresults = [error.hresult, ...hresultsIn(error.errorId)];
  return hresults.some((hresult) => doubtful.has(hresult));
}

/** RPC server unavailable, RPC call failed, disconnected, provider load failure, out of memory (COM and WMI). */
const doubtful: ReadonlySet<number> = new Set([
  0x800706ba, 0x800706be, 0x800706bf, 0x80010108, 0x80041013, 0x8007000e, 0x80041006,
]);

/** Terminated or killed, by somebody at the host. */
function endedFromOutside(job: Job): Meaning | undefined {
  if (job.jobState !== 8 && job.jobState !== 9) return undefined;
  return { code: e.hypervOperationFailed, says: 'it was cancelled on the host' };
}

interface NumberedMeaning extends Meaning {
  readonly hresult?: number;
}

/** The gravest of what the numbers mean: a VM that must not be touched comes before everything else; then the first. */
function byHresults(hresults: readonly number[], action: Action): NumberedMeaning | undefined {
  const meanings = hresults.flatMap((hresult) => {
    const found = meaningOfHresult(hresult);
    return found === undefined ? [] : [{ ...inContext(found, hresult, action), hresult }];
  });
  return meanings.find(({ code }) => code === e.checkpointHold) ?? meanings[0];
}

/** Some numbers mean another thing where files are written, or say that the thing itself is not there. */
function inContext(found: Meaning, hresult: number, action: Action): Meaning {
  if (hresult === notFound) return { ...found, code: action.missing };
  if (action.target === 'export' && hresult === accessDenied) return { ...found, code: e.exportTargetUnusable };
  if (action.target === 'restore' && found.code === e.exportTargetUnusable) {
    return { ...found, code: e.vmExists, hint: 'Choose another name or another folder.' };
  }
  return found;
}

const notFound = 0x80041002;
const accessDenied = 0x80070005;

function failure(
  found: NumberedMeaning | undefined,
  action: Action,
  number: string | undefined,
  words: readonly string[],
  cause: unknown,
): HypervError {
  const numbers = [found?.hresult === undefined ? undefined : formatHresult(found.hresult), number].filter(
    (part) => part !== undefined,
  );
  const why = found === undefined ? '' : `: ${found.says}`;
  const code = found?.code ?? action.failed;
  const saying = oneLine(words.join(' '), 1024);
  return new HypervError(
    // A refusal without a reason of its own is the failure of what was being done.
    code === e.hypervOperationFailed ? action.failed : code,
    `Hyper-V could not ${action.doing}${why}${numbers.length > 0 ? ` (${numbers.join(', ')})` : ''}.${saying === '' ? '' : ` It says: ${saying}`}`,
    { hint: found?.hint, cause, retry: found === undefined ? action.retry : (found.retry ?? false) },
  );
}
