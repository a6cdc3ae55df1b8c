/** Tells when the pause of a policy ends by itself: nothing is changed then, yet lists show something else. */
import { longestTimerMs } from '../schedule/clock.ts';
import type { Clock } from '../schedule/clock.ts';
import type { PolicyRegistry } from './registry.ts';

/** Watches the pauses of all policies, from its making until it is disposed. */
export class PauseEnds implements Disposable {
  readonly #policies: Pick<PolicyRegistry, 'kept' | 'onChange'>;
  readonly #clock: Clock;
  readonly #onEnd: () => void;
  readonly #subscription: Disposable;
  #timer: Disposable | undefined;
  /** When the next pause ends that was not told yet, ms since 1970. */
  #next: number | undefined;

  /** `onEnd` is called after one or more pauses have ended. */
  constructor(policies: Pick<PolicyRegistry, 'kept' | 'onChange'>, clock: Clock, onEnd: () => void) {
    this.#policies = policies;
    this.#clock = clock;
    this.#onEnd = onEnd;
    // A pause that was set or ended by hand is told as that.
    this.#subscription = policies.onChange(() => this.#wait());
    this.#wait();
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
    this.#timer?.[Symbol.dispose]();
  }

  #wait(): void {
    const now = this.#clock.now();
    const ends = this.#policies.kept().map(({ paused }) => Date.parse(paused?.until ?? ''));
    const next = Math.min(...ends.filter((end) => end > now));
    this.#next = Number.isFinite(next) ? next : undefined;
    this.#setTimer(now);
  }

  #setTimer(now: number): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    if (this.#next === undefined) return;
    this.#timer = this.#clock.setTimer(Math.min(this.#next - now, longestTimerMs), () => this.#look());
  }

  #look(): void {
    const now = this.#clock.now();
    if (this.#next !== undefined && this.#next > now) {
      this.#setTimer(now);
      return;
    }
    this.#wait();
    this.#onEnd();
  }
}
