/** The provider's PowerShell: warm sessions, each call one function of the module. */
import { errorCodes, throwIfAborted, TidemarkError } from '../../../protocol/errors.ts';
import { actionOf } from '../failures/actions.ts';
import { systemClock } from '../calls/clock.ts';
import { getHost } from '../commands/host.ts';
import type { Command } from '../commands/command.ts';
import { isDoubtful, moduleFailure } from '../failures/errors.ts';
import { Breaker, notAnswering } from './breaker.ts';
import type { Pass } from './breaker.ts';
import { bundledModule, powerShellExecutable, sessionEnvironment } from './executable.ts';
import { UnsendableError, DiedError, GarbledError, HungError, UnfitError } from './failures.ts';
import { patienceFor } from './patience.ts';
import { abortError, SessionPool } from './pool.ts';
import type { InvokeOptions, PowerShell, PowerShellOptions } from './powershell.ts';
import type { Answered, Session } from './session.ts';
import { startShell } from './shell.ts';
import type { Shell } from './shell.ts';

export type { InvokeOptions, PowerShell, PowerShellOptions } from './powershell.ts';

/** Milliseconds that the host has for the question whether it answers again. */
const probeMs = 30_000;

/** Makes a pool of sessions; none is started before it is needed. `start` starts a process; tests give another. */
export function createPowerShell(
  options: PowerShellOptions,
  start: (executable: string, environment: NodeJS.ProcessEnv) => Shell = startShell,
): PowerShell {
  return new PooledPowerShell(options, start);
}

class PooledPowerShell implements PowerShell {
  readonly #pool: SessionPool;
  readonly #breaker: Breaker;
  readonly #quietMs: number;
  #lastId = 0;

  constructor(options: PowerShellOptions, start: (executable: string, environment: NodeJS.ProcessEnv) => Shell) {
    const { environment = process.env, log, clock = systemClock, quietMs = 120_000 } = options;
    const executable = options.executable ?? powerShellExecutable({ environment });
    this.#quietMs = quietMs;
    this.#breaker = new Breaker(clock);
    this.#pool = new SessionPool({
      startShell: () => start(executable, sessionEnvironment(environment)),
      modulePath: options.modulePath ?? bundledModule(),
      maxSessions: options.maxSessions ?? 4,
      maxInvocations: options.maxInvocations ?? 500,
      startMs: options.startMs ?? 60_000,
      idleMs: options.idleMs ?? 600_000,
      clock,
      log,
      nextId: () => (this.#lastId += 1),
      onStartHung: () => this.#hung(),
    });
  }

  async invoke<A extends object, R>(command: Command<A, R>, args: A, options: InvokeOptions<R>): Promise<R> {
    const { signal, late } = options;
    throwIfAborted(signal);
    const pass = this.#breaker.enter();
    let session: Session;
    try {
      session = await this.#pool.acquire(signal);
    } catch (error) {
      pass.leave();
      throw sessionFailure(error, command.name);
    }
    const answer = this.#work(
      session,
      command,
      args,
      options.quietMs ?? this.#quietMs * patienceFor(command.name),
      pass,
    );
    return await untilAborted(answer, signal, () => {
      if (late === undefined) session.discard('its invocation was cancelled');
      else late(answer);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool[Symbol.asyncDispose]();
  }

  /** Runs to its end whatever the caller does, and gives the session back. */
  async #work<R>(session: Session, command: Command<object, R>, args: object, quietMs: number, pass: Pass): Promise<R> {
    let answer: Answered<R>;
    try {
      if (pass.probe) await session.ask(getHost, {}, Math.min(quietMs, probeMs));
      answer = await session.ask(command, args, quietMs);
      this.#breaker.answered();
    } catch (error) {
      // First: when nobody may try any more, no new session is started for those who wait.
      if (error instanceof HungError) this.#hung();
      if (error instanceof UnsendableError) this.#pool.release(session);
      else this.#pool.discard(session, error instanceof Error ? error.message : 'it failed');
      throw sessionFailure(error, command.name);
    } finally {
      pass.leave();
    }
    if (!answer.ok && isDoubtful(answer.error)) this.#pool.discard(session, 'its errors are doubtful');
    else this.#pool.release(session);
    if (!answer.ok) throw moduleFailure(answer.error, command.name);
    return answer.result;
  }

  #hung(): void {
    if (this.#breaker.hung()) this.#pool.rejectWaiting(this.#breaker.refusal());
  }
}

/** `answer`, or the error of an abort at once. `aborted` is called before that. */
async function untilAborted<R>(answer: Promise<R>, signal: AbortSignal, aborted: () => void): Promise<R> {
  const { promise, reject } = Promise.withResolvers<never>();
  const leave = (): void => {
    // Whoever is told of it may look at the answer or not.
    answer.catch(() => undefined);
    aborted();
    reject(abortError(signal));
  };
  if (signal.aborted) leave();
  else signal.addEventListener('abort', leave, { once: true });
  try {
    return await Promise.race([promise, answer]);
  } finally {
    signal.removeEventListener('abort', leave);
  }
}

/** What went wrong between Node and PowerShell, as an error for people. `name` is the function that was called. */
function sessionFailure(error: unknown, name: string): TidemarkError {
  if (error instanceof TidemarkError) return error;
  const asked = `when it was asked to ${actionOf(name).doing}`;
  if (error instanceof HungError) {
    return notAnswering(`Hyper-V on this host did not answer ${asked}: ${error.message}.`, error);
  }
  if (error instanceof DiedError && error.neverStarted) {
    return failed(
      `PowerShell cannot be asked to ${actionOf(name).doing}: ${error.message}.`,
      error,
      'Look whether Windows PowerShell 5.1 is there, and whether a policy or antivirus software of the host keeps the agent from starting it.',
    );
  }
  if (error instanceof DiedError) return failed(`PowerShell ended ${asked}: ${error.message}.`, error);
  if (error instanceof GarbledError) {
    return failed(`PowerShell gave no sensible answer ${asked}: ${error.message}.`, error);
  }
  if (error instanceof UnfitError) return failed(error.message, error, error.hint);
  if (error instanceof UnsendableError) {
    return new TidemarkError(
      errorCodes.invalidInput,
      `Hyper-V cannot be asked to ${actionOf(name).doing}: ${error.message}.`,
      {
        cause: error,
      },
    );
  }
  return TidemarkError.from(error);
}

function failed(message: string, cause: unknown, hint?: string): TidemarkError {
  return new TidemarkError(errorCodes.powerShellFailed, message, {
    hint:
      hint ?? "A new PowerShell is started for the next request. When this happens again, look into the agent's log.",
    cause,
  });
}
