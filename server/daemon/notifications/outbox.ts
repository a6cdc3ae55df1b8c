/** Delivers messages in the background, again and again for some hours, whatever happens to the daemon meanwhile. */
import type { Logger } from '../../base/log.ts';
import { cancelledError, errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { RunId } from '../../protocol/ids.ts';
import { longestTimerMs } from '../schedule/clock.ts';
import type { Clock } from '../schedule/clock.ts';
import type {
  NewNotification,
  NotificationStore,
  PassedOver,
  WaitingNotification,
} from '../store/notification-store.ts';

/** Waits between the attempts, ms. After the last one a message is given up. */
export const retryDelaysMs: readonly number[] = [1, 5, 15, 60, 240].map((minutes) => minutes * 60_000);
const longestDelayMs = Math.max(...retryDelaysMs);

/** A message that waits for longer is tried once more and given up then: behind a receiver that hangs for days, messages would wait for ever. */
const maxAgeMs = 24 * 60 * 60_000;

/** Messages that wait for one address; of more, the oldest are given up. */
export const maxWaitingPerAddress = 100;

/** Messages on their way at a time: one to each webhook, and one mail, so that a receiver that hangs holds up its own only. */
const atATime = 8;

/** How often what the history has forgotten is forgotten here as well: each time so many runs were told. */
const trimEvery = 256;

/** What an outbox needs. */
export interface OutboxOptions {
  readonly store: NotificationStore;
  readonly clock: Clock;
  readonly log: Logger;
  /** Delivers once; throws when it could not. */
  readonly send: (message: WaitingNotification, signal: AbortSignal) => Promise<void>;
  /** What may be told of an address. */
  readonly shown: (message: NewNotification) => string;
}

/** Every message that was added is delivered at least once, or tried until it is given up. */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #lifetime = new AbortController();
  /** What became of them could not be recorded: this process leaves them alone. */
  readonly #unrecorded = new Set<string>();
  readonly #working = new Map<WaitingNotification, Promise<void>>();
  #timer: Disposable | undefined;
  #added = 0;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Goes on with what an earlier process left. */
  start(): void {
    this.#options.store.trim();
    this.#pump();
  }

  /** Takes in messages about a run, durably, and begins to deliver them. */
  add(run: RunId, messages: readonly NewNotification[]): void {
    const { store, clock } = this.#options;
    store.add(run, messages, clock.now());
    for (const message of messages) this.#bound(message);
    this.#added += 1;
    if (this.#added % trimEvery === 0) store.trim();
    this.#pump();
  }

  /** How many are not delivered yet and not given up. */
  get waiting(): number {
    return this.#options.store.waiting();
  }

  /** Stops. What is on its way counts as not tried. */
  async close(): Promise<void> {
    this.#lifetime.abort(cancelledError());
    this.#timer?.[Symbol.dispose]();
    await Promise.all(this.#working.values());
  }

  #pump(): void {
    if (this.#lifetime.signal.aborted) return;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    try {
      this.#startDue();
    } catch (error) {
      this.#options.log.log('error', 'The outbox cannot be read; messages wait', error);
      this.#wakeIn(longestTimerMs);
    }
  }

  #startDue(): void {
    const { store, clock } = this.#options;
    const now = clock.now();
    while (this.#working.size < atATime) {
      const message = store.due(now, now + longestDelayMs, this.#passedOver());
      if (message === undefined) break;
      const work = this.#deliver(message).finally(() => {
        this.#working.delete(message);
        this.#pump();
      });
      this.#working.set(message, work);
    }
    const next = store.nextDueMs(now);
    if (next !== undefined) this.#wakeIn(next - now);
  }

  #bound(message: NewNotification): void {
    const { store, log, shown } = this.#options;
    const text = `It was given up for newer messages: more than ${maxWaitingPerAddress} waited for the same address.`;
    const error = new TidemarkError(errorCodes.notificationFailed, text, { hint: 'Check that its server answers.' });
    const givenUp = store.giveUpOldest(message, maxWaitingPerAddress, error.report());
    if (givenUp > 0)
      log.log('warning', `${givenUp} of the messages that wait for ${shown(message)} given up: there are too many`);
  }

  #passedOver(): PassedOver {
    const working = [...this.#working.keys()];
    return {
      ids: [...this.#unrecorded],
      webhooks: working.flatMap(({ channel, target }) => (channel === 'webhook' ? [target] : [])),
      mails: working.some(({ channel }) => channel === 'email'),
    };
  }

  /** The clock may be set, and a machine may sleep: nobody waits longer than a little. */
  #wakeIn(ms: number): void {
    this.#timer = this.#options.clock.setTimer(Math.min(Math.max(ms, 0), longestTimerMs), () => this.#pump());
  }

  async #deliver(message: WaitingNotification): Promise<void> {
    const { send } = this.#options;
    let failure: TidemarkError | undefined;
    try {
      await send(message, this.#lifetime.signal);
    } catch (error) {
      failure = TidemarkError.from(error);
    }
    // Stopped on its way: the next process tries it as if nothing had happened.
    if (failure !== undefined && this.#lifetime.signal.aborted) return;
    try {
      this.#record(message, failure);
    } catch (error) {
      this.#unrecorded.add(message.id);
      this.#options.log.log('error', `What became of a message about run ${message.run} cannot be recorded`, error);
    }
  }

  #record(message: WaitingNotification, failure: TidemarkError | undefined): void {
    const { store, clock, log, shown } = this.#options;
    const attempts = message.attempts + 1;
    const what = `the message about run ${message.run} to ${shown(message)}`;
    if (failure === undefined) {
      store.delivered(message.id, attempts, clock.now());
      log.log('info', `Delivered ${what}`);
      return;
    }
    const isTooOld = clock.now() - message.addedMs >= maxAgeMs;
    const delay = isTooOld ? undefined : retryDelaysMs[attempts - 1];
    const told = isTooOld ? tooOld(failure) : failure;
    store.failed(message.id, attempts, told.report(), delay === undefined ? undefined : clock.now() + delay);
    const then = delay === undefined ? 'It is given up.' : `It is tried again in ${delay / 60_000} min.`;
    log.log('warning', `Could not deliver ${what}: ${failure.message} ${then}`, failure.cause);
  }
}

function tooOld({ message, hint }: TidemarkError): TidemarkError {
  const text = `It could not be delivered within ${maxAgeMs / 3_600_000} hours. ${message}`;
  return new TidemarkError(errorCodes.notificationFailed, text, { hint });
}
