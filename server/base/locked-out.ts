/** The error of an address that failed to log in too often: one text for both ends. */
import { errorCodes, TidemarkError } from '../protocol/errors.ts';

/** `40 s`, `4 min`. */
export function waitText(ms: number): string {
  return ms < 100_000 ? `${Math.ceil(ms / 1000)} s` : `${Math.ceil(ms / 60_000)} min`;
}

/** The agent refuses an address for `ms` more milliseconds; undefined when it is not known how many. */
export function lockedOut(ms?: number): TidemarkError {
  const time = ms === undefined ? 'a while' : waitText(ms);
  return new TidemarkError(
    errorCodes.agentLockedOut,
    `The agent refuses this computer for ${time}: too many logins with a wrong password came from it.`,
    { hint: 'Correct the stored password of the host, wait, and try again. A restart of the agent ends the lock-out.' },
  );
}
