/** A bound on memory that what all daemons have open holds together, for as long as it is open. */
import { errorCodes, TidemarkError } from '../protocol/errors.ts';

/** Bytes that may be held. */
export class HeldBytes {
  readonly #limit: number;
  #held = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Takes so many bytes; the returned function gives them back, once. Throws `TM2008` when there are not so many left. */
  take(bytes: number): () => void {
    if (this.#held + bytes > this.#limit) {
      throw new TidemarkError(
        errorCodes.agentBusy,
        'The restores that this agent has open hold as much memory as they may.',
        { hint: 'Wait until one of them has ended, then start this one again.' },
      );
    }
    this.#held += bytes;
    let given = false;
    return () => {
      if (given) return;
      given = true;
      this.#held -= bytes;
    };
  }
}
