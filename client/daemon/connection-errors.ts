/** What can go wrong between this window and its daemon, in words, and deadlines. */
import { errorCodes, TidemarkError } from '../../server/protocol/errors.ts';
import { l10n } from '../base/l10n.ts';
import { compareVersions } from './versions.ts';

/** `TM5001`: the daemon was stopped on purpose. */
export function stoppedError(): TidemarkError {
  return new TidemarkError(errorCodes.daemonNotRunning, l10n.t('The Tidemark daemon is not running.'), {
    hint: l10n.t('Start it to go on.'),
  });
}

/** `TM5002`: the user did not give what connecting needs. */
export function notConnectedError(): TidemarkError {
  return new TidemarkError(errorCodes.daemonAuthenticationFailed, l10n.t('Connecting to the daemon was cancelled.'), {
    hint: l10n.t('Connect again to enter the password.'),
  });
}

/** `TM5004`: it was started again and again. */
export function endedTooOften(cause: unknown): TidemarkError {
  return new TidemarkError(
    errorCodes.daemonStartFailed,
    l10n.t('The Tidemark daemon keeps ending right after its start.'),
    {
      hint: l10n.t('Its log says why.'),
      cause,
    },
  );
}

/** `TM5003`: the daemon and this window have no protocol in common. */
export function versionError(daemonVersion: string, ownVersion: string, cause: unknown): TidemarkError {
  const newer = compareVersions(daemonVersion, ownVersion) > 0;
  const message = newer
    ? l10n.t('The running daemon ({0}) is too new for this window ({1}).', daemonVersion, ownVersion)
    : l10n.t('The running daemon ({0}) is too old for this window ({1}).', daemonVersion, ownVersion);
  const hint = newer
    ? l10n.t('Update the Tidemark extension, then reload the window.')
    : l10n.t('When its runs have ended, stop it with the program that started it: tidemark daemon stop.');
  return new TidemarkError(errorCodes.daemonVersionMismatch, message, { hint, cause });
}

/** `TM5007`: no answer in time. */
export function timeoutError(milliseconds: number): TidemarkError {
  const seconds = Math.max(1, Math.round(milliseconds / 1000));
  return new TidemarkError(errorCodes.requestTimeout, l10n.t('There was no answer within {0} seconds.', seconds), {
    hint: l10n.t('Try again; the daemon log says what it is busy with.'),
  });
}

/** Runs `work` with a signal that aborts when `signal` does, or with a `TM5007` after `milliseconds` (0: never). */
export async function withDeadline<T>(
  milliseconds: number,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const deadline = new AbortController();
  const timer =
    milliseconds > 0 ? setTimeout(() => deadline.abort(timeoutError(milliseconds)), milliseconds) : undefined;
  try {
    return await work(signal === undefined ? deadline.signal : AbortSignal.any([deadline.signal, signal]));
  } finally {
    clearTimeout(timer);
  }
}
