import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import * as fc from 'fast-check';

import { Throttle } from '../../../server/daemon/transfer/throttle.ts';
import type { ThrottleTime } from '../../../server/daemon/transfer/throttle.ts';

const MiB = 1024 * 1024;
const never: AbortSignal = new AbortController().signal;

/** Time that passes only by sleeping, and when a test says so. */
class FakeTime implements ThrottleTime {
  ms = 0;
  slept: number[] = [];

  now(): number {
    return this.ms;
  }

  async sleep(ms: number): Promise<void> {
    this.slept.push(ms);
    this.ms += ms;
  }
}

describe('throttle', () => {
  it('lets no more through than the rate, whoever reads', async () => {
    const time = new FakeTime();
    const throttle = new Throttle(10 * MiB, time);
    for (let read = 0; read < 50; read++) await throttle.spent(4 * MiB, never);
    const seconds = time.ms / 1000;
    assert.ok(seconds >= 19.7 && seconds <= 20.1, `${seconds} s for 200 MiB at 10 MiB/s`);
  });

  it('makes those that read side by side wait for each other', async () => {
    const waits: number[] = [];
    const throttle = new Throttle(MiB, { now: () => 0, sleep: async (ms) => void waits.push(ms) });
    await Promise.all([1, 2, 3].map(async () => throttle.spent(MiB, never)));
    assert.deepEqual(waits, [1000, 2000, 3000]);
  });

  it('costs nothing while reading is slower than the rate, and forgives a short wait only', async () => {
    const time = new FakeTime();
    const throttle = new Throttle(10 * MiB, time);
    for (let read = 0; read < 10; read++) {
      time.ms += 1000;
      await throttle.spent(9 * MiB, never);
    }
    assert.ok(time.slept.every((ms) => ms <= 900 - 250));
    time.ms += 3_600_000;
    time.slept = [];
    for (let read = 0; read < 10; read++) await throttle.spent(10 * MiB, never);
    assert.ok(time.slept.reduce((sum, ms) => sum + ms, 0) >= 9700, 'an hour of silence is not made up for');
  });

  it('waits for nothing when it is cancelled', async () => {
    const controller = new AbortController();
    const throttle = new Throttle(64 * 1024);
    const waiting = throttle.spent(1024 * MiB, controller.signal);
    controller.abort();
    await waiting;
    await throttle.spent(1024 * MiB, controller.signal);
  });

  it('keeps to the rate over every span of time, but for one burst and one read', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ pause: fc.integer({ min: 0, max: 3000 }), bytes: fc.integer({ min: 1, max: 4 * MiB }) }), {
          minLength: 1,
          maxLength: 40,
        }),
        async (reads) => {
          const time = new FakeTime();
          const rate = MiB;
          const throttle = new Throttle(rate, time);
          const done: { readonly at: number; readonly bytes: number }[] = [];
          for (const { pause, bytes } of reads) {
            time.ms += pause;
            done.push({ at: time.ms, bytes });
            await throttle.spent(bytes, never);
          }
          for (let first = 0; first < done.length; first++) {
            let bytes = 0;
            for (let last = first; last < done.length; last++) {
              bytes += done[last]?.bytes ?? 0;
              const ms = (done[last]?.at ?? 0) - (done[first]?.at ?? 0);
              const allowed = (rate * (ms + 250)) / 1000 + (done[last]?.bytes ?? 0);
              assert.ok(bytes <= allowed + 1, `${bytes} bytes in ${ms} ms`);
            }
          }
        },
      ),
    );
  });
});
