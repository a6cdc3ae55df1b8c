/** The numbers of a running run: bytes per disk, throughput of the last seconds, time left. */
import type { RunPhase, RunProgress } from '../../protocol/daemon.ts';

/** Throughput is the mean over this many milliseconds. */
const windowMs = 5000;
/** Samples are this far apart at least, so that the window holds a bounded number of them. */
const sampleMs = 200;
/** Limits of `runProgress` in protocol/daemon.ts. */
const maxDisks = 256;
const maxNameLength = 128;

interface Disk {
  readonly name: string;
  readonly totalBytes: number;
  doneBytes: number;
}

/** Progress of a run that has not started or has nothing to count. */
export const noProgress = (phase: RunPhase): RunProgress => ({
  phase,
  disks: [],
  doneBytes: 0,
  totalBytes: 0,
  bytesPerSecond: 0,
});

/** Adds up what an executor reports. `advance` costs a map look-up and two additions. */
export class ProgressCounter {
  #phase: RunPhase = 'queued';
  #jobPercent: number | undefined;
  #disks = new Map<string, Disk>();
  #doneBytes = 0;
  #totalBytes = 0;
  /** Moments and what was done then; the first is the start of the window. */
  #samples: { readonly time: number; readonly bytes: number }[] = [];

  get phase(): RunPhase {
    return this.#phase;
  }

  setPhase(phase: RunPhase): void {
    this.#phase = phase;
    this.#jobPercent = undefined;
  }

  setJobPercent(percent: number | undefined): void {
    this.#jobPercent = percent === undefined ? undefined : Math.min(100, Math.max(0, Math.round(percent)));
  }

  setDisks(disks: readonly { readonly name: string; readonly totalBytes: number }[], now: number): void {
    this.#disks = new Map(
      disks.map(({ name, totalBytes }) => [name, { name: name.slice(0, maxNameLength), totalBytes, doneBytes: 0 }]),
    );
    this.#doneBytes = 0;
    this.#totalBytes = 0;
    for (const disk of this.#disks.values()) this.#totalBytes += disk.totalBytes;
    this.#samples = [{ time: now, bytes: 0 }];
  }

  advance(name: string, bytes: number): void {
    const disk = this.#disks.get(name);
    if (disk === undefined) return;
    const step = Math.min(bytes, disk.totalBytes - disk.doneBytes);
    disk.doneBytes += step;
    this.#doneBytes += step;
  }

  /** The state at `now` (ms). */
  snapshot(now: number): RunProgress {
    const bytesPerSecond = this.#rate(now);
    const left = this.#totalBytes - this.#doneBytes;
    return {
      phase: this.#phase,
      ...(this.#jobPercent === undefined ? {} : { jobPercent: this.#jobPercent }),
      disks: [...this.#disks.values()].slice(0, maxDisks).map((disk) => ({ ...disk })),
      doneBytes: this.#doneBytes,
      totalBytes: this.#totalBytes,
      bytesPerSecond,
      ...(bytesPerSecond > 0 && left > 0 ? { etaSeconds: Math.ceil(left / bytesPerSecond) } : {}),
    };
  }

  #rate(now: number): number {
    const samples = this.#samples;
    const last = samples.at(-1);
    if (last === undefined) return 0;
    if (now - last.time >= sampleMs) samples.push({ time: now, bytes: this.#doneBytes });
    while (samples.length > 2 && (samples[1]?.time ?? now) <= now - windowMs) samples.shift();
    const first = samples[0] ?? last;
    const milliseconds = now - first.time;
    return milliseconds <= 0 ? 0 : Math.round(((this.#doneBytes - first.bytes) * 1000) / milliseconds);
  }
}
