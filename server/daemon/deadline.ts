/** Deadlines for calls that leave the daemon: one dead host must not stall a view. */
import { cancelledError, TidemarkError } from '../protocol/errors.ts';

/** Runs `work` with a signal that also aborts after `timeoutMs`; a time-out is thrown as `late()`. */
export async function withDeadline<T>(
  signal: AbortSignal,
  timeoutMs: number,
  late: () => TidemarkError,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(abortReason(signal));
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  const timer = setTimeout(() => controller.abort(late()), timeoutMs);
  try {
    return await abortable(work(controller.signal), controller.signal);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

/** The result of `work`, or the signal's reason as soon as it aborts; `work` itself goes on. */
export async function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(abortReason(signal));
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  work.catch(() => undefined);
  try {
    return await Promise.race([aborted.promise, work]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function abortReason(signal: AbortSignal): TidemarkError {
  return TidemarkError.is(signal.reason) ? signal.reason : cancelledError(signal.reason);
}
