/** A clock that goes on only when a test says so. */
import { setImmediate as turn } from 'node:timers/promises';

import type { Clock } from '../../../../server/daemon/schedule/clock.ts';

interface Timer {
  readonly at: number;
  readonly callback: () => void;
}

/** Timers follow the time that passes, as those of a machine do; `set` moves the wall clock only. */
export class VirtualClock implements Clock {
  /** Time that has passed, ms. */
  #passed = 0;
  /** What the wall clock shows when nothing has passed. */
  #start: number;
  readonly #timers = new Set<Timer>();

  readonly #turns: number;

  /** After each timer so many turns of the event loop are waited for. */
  constructor(start: string, turns = 12) {
    this.#start = Date.parse(start);
    this.#turns = turns;
  }

  now(): number {
    return this.#start + this.#passed;
  }

  setTimer(ms: number, callback: () => void): Disposable {
    const timer = { at: this.#passed + ms, callback };
    this.#timers.add(timer);
    return { [Symbol.dispose]: () => this.#timers.delete(timer) };
  }

  /** Sets the wall clock, as people and time servers do. */
  set(time: string): void {
    this.#start = Date.parse(time) - this.#passed;
  }

  /** Lets time pass; after each timer, what follows from it happens before the next one. */
  async pass(ms: number): Promise<void> {
    const end = this.#passed + ms;
    for (;;) {
      const next = [...this.#timers].toSorted((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) break;
      this.#timers.delete(next);
      this.#passed = Math.max(this.#passed, next.at);
      next.callback();
      await settled(this.#turns);
    }
    this.#passed = end;
    await settled(this.#turns);
  }

  /** Lets time pass until the wall clock shows `time`. */
  async passUntil(time: string): Promise<void> {
    await this.pass(Date.parse(time) - this.now());
  }
}

/** Everything that needs no time has happened. */
export async function settled(turns = 12): Promise<void> {
  for (let done = 0; done < turns; done++) await turn();
}
