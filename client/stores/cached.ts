/** What a store knows of something that lives elsewhere: the last value read, how old it is, and why there is no newer one. */
import type { TidemarkError } from '../../server/protocol/errors.ts';

export interface Cached<T> {
  /** `loading` and `failed` keep the value of the last read that worked. */
  readonly state: 'unread' | 'loading' | 'ready' | 'failed';
  readonly value: T;
  /** When `value` was read, ms since 1970; absent when it never was. */
  readonly readAt?: number | undefined;
  /** Whether `value` may no longer be true: its host or the daemon did not answer since. */
  readonly stale: boolean;
  /** Why the last read failed. */
  readonly error?: TidemarkError | undefined;
}

/** Nothing read yet. */
export const unread = <T>(value: T): Cached<T> => ({ state: 'unread', value, stale: false });

/** A read has begun. */
export const loading = <T>(before: Cached<T>): Cached<T> => ({
  state: 'loading',
  value: before.value,
  stale: before.stale,
  ...(before.readAt === undefined ? {} : { readAt: before.readAt }),
});

/** A read has worked. */
export const ready = <T>(value: T, readAt: number): Cached<T> => ({ state: 'ready', value, readAt, stale: false });

/** A read has failed: the value stays, marked. */
export const failed = <T>(before: Cached<T>, error: TidemarkError): Cached<T> => ({
  state: 'failed',
  value: before.value,
  stale: before.readAt !== undefined,
  error,
  ...(before.readAt === undefined ? {} : { readAt: before.readAt }),
});

/** The daemon is away: what was read is kept as stale; what was never read stays unread. */
export const outdated = <T>(before: Cached<T>): Cached<T> =>
  before.readAt === undefined
    ? unread(before.value)
    : { state: 'ready', value: before.value, readAt: before.readAt, stale: true };

/** How a load treats what is there already. */
export interface LoadOptions {
  /** Reads again even if the value is fresh. */
  readonly force?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}
