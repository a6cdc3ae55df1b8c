/** Remembers whether the host answers at all, so that nobody waits again and again for one that does not. */
import { errorCodes, TidemarkError } from '../../../protocol/errors.ts';
import type { Clock } from '../calls/clock.ts';

/** Hangs in a row after which the host counts as not answering. */
const maxHangs = 3;
/** Milliseconds of the first pause; each further one is twice as long. */
const firstPauseMs = 15_000;
const maxPauseMs = 5 * 60_000;

/** The error of a host that does not answer. */
export function notAnswering(message: string, cause?: unknown): TidemarkError {
  return new TidemarkError(errorCodes.hostNotAnswering, message, {
    hint: 'The agent tries again by itself. When it lasts, look at the service "Hyper-V Virtual Machine Management" (vmms) and the event log of the host.',
    cause,
  });
}

/** A place in front of the host. */
export interface Pass {
  /** This one has to find out whether the host answers again, before it does anything else. */
  readonly probe: boolean;
  /** To be called when it is over, however. */
  leave(): void;
}

/** Closed, it lets everyone through; after three hangs in a row it is open for a while; then one probe at a time may try. */
export class Breaker {
  readonly #clock: Clock;
  #hangs = 0;
  #pauseMs = firstPauseMs;
  #openUntil: number | undefined;
  #probing = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Throws `TM2203` while the host is left in peace. */
  enter(): Pass {
    if (this.#openUntil === undefined) return { probe: false, leave: () => undefined };
    const waitMs = this.#openUntil - this.#clock.now();
    if (waitMs > 0 || this.#probing) throw this.refusal();
    this.#probing = true;
    return {
      probe: true,
      leave: () => {
        this.#probing = false;
      },
    };
  }

  /** What `enter` throws. */
  refusal(): TidemarkError {
    const waitMs = Math.max(0, (this.#openUntil ?? 0) - this.#clock.now());
    const next = waitMs > 0 ? `It is asked again in ${Math.ceil(waitMs / 1000)} seconds.` : 'It is being asked again.';
    return notAnswering(`Hyper-V on this host does not answer: PowerShell hung ${this.#hangs} times in a row. ${next}`);
  }

  /** The host answered, with whatever. */
  answered(): void {
    this.#hangs = 0;
    this.#pauseMs = firstPauseMs;
    this.#openUntil = undefined;
  }

  /** The host did not answer in time. True when that opened the breaker. */
  hung(): boolean {
    this.#hangs += 1;
    if (this.#hangs < maxHangs) return false;
    const now = this.#clock.now();
    if (this.#openUntil !== undefined) {
      // Begun before the pause: says nothing new.
      if (now < this.#openUntil) return false;
      this.#pauseMs = Math.min(this.#pauseMs * 2, maxPauseMs);
    }
    this.#openUntil = now + this.#pauseMs;
    return true;
  }
}
