/** How much a run moved over time, for a chart: few samples however long it takes. */
import type { RunSample } from '../../protocol/daemon.ts';

/** Between two samples of a run that has just begun, ms. */
export const sampleIntervalMs = 250;
/** When there are so many, every second one goes, and from then on half as many are taken. */
export const maxSamples = 600;

/** The samples of one run. */
export class RunSamples {
  #samples: RunSample[] = [];
  /** Samples are this far apart, ms; doubled at each thinning. */
  #intervalMs = sampleIntervalMs;
  /** Bytes moved before the parts that are counted now: a run may begin to count anew. */
  #counted = 0;
  #lastDone = 0;

  /** Takes note of what is done at `atMs` since the start; `isLast` keeps the sample however close it is to the one before. */
  add(atMs: number, doneBytes: number, isLast = false): void {
    const time = Math.max(0, Math.round(atMs));
    if (doneBytes < this.#lastDone) this.#counted += this.#lastDone;
    this.#lastDone = doneBytes;
    const before = this.#samples.at(-1);
    const moved = this.#counted + doneBytes;
    if (before === undefined) {
      this.#samples.push({ atMs: time, doneBytes: moved, bytesPerSecond: 0 });
      return;
    }
    const passed = time - before.atMs;
    // A timer fires a little early or late.
    if (passed <= 0 || (!isLast && passed < this.#intervalMs * 0.8)) return;
    // Before the new one comes in, which stays whatever goes: the last one is the end of the chart.
    if (this.#samples.length >= maxSamples) this.#thin();
    const last = this.#samples.at(-1) ?? before;
    this.#samples.push({ atMs: time, doneBytes: moved, bytesPerSecond: rate(last, time, moved) });
  }

  /** Oldest first, at most `maxSamples`. */
  list(): readonly RunSample[] {
    return [...this.#samples];
  }

  #thin(): void {
    const kept: RunSample[] = [];
    for (const { atMs, doneBytes } of this.#samples.filter((_, index) => index % 2 === 0)) {
      const before = kept.at(-1);
      kept.push({ atMs, doneBytes, bytesPerSecond: before === undefined ? 0 : rate(before, atMs, doneBytes) });
    }
    this.#samples = kept;
    this.#intervalMs *= 2;
  }
}

function rate(before: RunSample, atMs: number, doneBytes: number): number {
  return Math.round(((doneBytes - before.doneBytes) * 1000) / (atMs - before.atMs));
}
