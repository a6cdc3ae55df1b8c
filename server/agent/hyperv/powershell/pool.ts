/** The sessions: at most so many, each for one invocation at a time, replaced when they are used up, hung, dead or doubtful. */
import { cancelledError, TidemarkError } from '../../../protocol/errors.ts';
import type { Clock } from '../calls/clock.ts';
import { HungError } from './failures.ts';
import { Session } from './session.ts';
import type { SessionOptions } from './session.ts';
import type { Shell } from './shell.ts';

/** What the pool is told. */
export interface SessionPoolOptions extends SessionOptions {
  readonly startShell: () => Shell;
  readonly maxSessions: number;
  readonly maxInvocations: number;
  readonly idleMs: number;
  readonly clock: Clock;
  /** A session did not start in time. */
  readonly onStartHung: () => void;
}

/** Invocations that may wait; far more than one agent's sessions ask for. */
const maxWaiting = 4096;

interface Waiter {
  readonly resolve: (session: Session) => void;
  readonly reject: (error: unknown) => void;
}

/** Hands out sessions, in the order in which they are asked for. */
export class SessionPool implements AsyncDisposable {
  readonly #options: SessionPoolOptions;
  readonly #waiting: Waiter[] = [];
  /** The one used last comes first, so that the others can grow old. */
  readonly #idle: { readonly session: Session; readonly stop: () => void }[] = [];
  /** Everything that runs, starting ones and those being ended too. */
  readonly #shells = new Set<Shell>();
  /** Places taken: starting, idle or at work. */
  #places = 0;
  #starting = 0;
  #isDisposed = false;

  constructor(options: SessionPoolOptions) {
    this.#options = options;
  }

  /** Waits for a free session. Throws the reason of an abort at once, and what kept a session from starting. */
  async acquire(signal: AbortSignal): Promise<Session> {
    if (this.#isDisposed) throw cancelledError();
    const free = this.#idle.pop();
    if (free !== undefined) {
      free.stop();
      return free.session;
    }
    if (this.#waiting.length >= maxWaiting) throw new Error('Too many invocations wait for PowerShell.');
    const { promise, resolve, reject } = Promise.withResolvers<Session>();
    const waiter = { resolve, reject };
    const leave = (): void => {
      const index = this.#waiting.indexOf(waiter);
      if (index >= 0) this.#waiting.splice(index, 1);
      reject(abortError(signal));
    };
    signal.addEventListener('abort', leave, { once: true });
    this.#waiting.push(waiter);
    this.#grow();
    try {
      const session = await promise;
      // Aborted after it was handed over, before this line ran.
      if (!signal.aborted) return session;
      this.release(session);
      throw abortError(signal);
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  /** Gives a session back that can go on. */
  release(session: Session): void {
    if (this.#isDisposed) return this.discard(session, 'the agent stops');
    if (session.invocations >= this.#options.maxInvocations) return this.discard(session, 'it has worked long enough');
    const next = this.#waiting.shift();
    if (next !== undefined) next.resolve(session);
    else this.#rest(session);
  }

  /** Gives a session back that must not be used again. */
  discard(session: Session, why: string): void {
    session.discard(why);
    this.#places -= 1;
    this.#grow();
  }

  /** Lets nobody wait any longer. */
  rejectWaiting(error: unknown): void {
    for (const waiter of this.#waiting.splice(0)) waiter.reject(error);
  }

  /** Ends everything; resolves when the processes are gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    this.rejectWaiting(cancelledError());
    for (const { stop } of this.#idle.splice(0)) stop();
    await Promise.all([...this.#shells].map(async (shell) => shell.kill()));
  }

  #grow(): void {
    while (
      !this.#isDisposed &&
      this.#starting < this.#waiting.length &&
      this.#places < Math.max(1, this.#options.maxSessions)
    ) {
      this.#places += 1;
      this.#starting += 1;
      this.#add().catch((error: unknown) => this.#options.log.log('error', 'starting PowerShell failed', error));
    }
  }

  async #add(): Promise<void> {
    let session: Session | undefined;
    let failure: unknown;
    try {
      session = await this.#start();
    } catch (error) {
      failure = error;
    }
    this.#starting -= 1;
    if (session !== undefined) {
      this.release(session);
      return;
    }
    this.#places -= 1;
    // One invocation for each failed start: none waits for ever, and a passing trouble fails few.
    this.#waiting.shift()?.reject(failure);
    if (failure instanceof HungError) this.#options.onStartHung();
    this.#grow();
  }

  async #start(): Promise<Session> {
    const shell = this.#options.startShell();
    this.#shells.add(shell);
    const forget = shell.ended.then(() => this.#shells.delete(shell));
    const session = await Session.start(shell, this.#options);
    forget.then(
      () => this.#drop(session),
      (error: unknown) => this.#options.log.log('error', 'a session of PowerShell could not be forgotten', error),
    );
    return session;
  }

  #rest(session: Session): void {
    const stop = this.#options.clock.after(this.#options.idleMs, () => {
      // The last one stays warm.
      if (this.#idle.length > 1) this.#retire(session, 'nobody needs it');
    });
    this.#idle.push({ session, stop });
  }

  /** A session that died while it was idle. */
  #drop(session: Session): void {
    this.#retire(session, 'it is gone');
  }

  #retire(session: Session, why: string): void {
    const index = this.#idle.findIndex((entry) => entry.session === session);
    if (index < 0) return;
    this.#idle.splice(index, 1)[0]?.stop();
    this.discard(session, why);
  }
}

/** What an aborted operation throws. */
export function abortError(signal: AbortSignal): TidemarkError {
  return TidemarkError.is(signal.reason) ? signal.reason : cancelledError(signal.reason);
}
