import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import * as fc from 'fast-check';

import { maxSamples, RunSamples, sampleIntervalMs } from '../../../server/daemon/runs/samples.ts';

describe('the samples of a run', () => {
  it('stay few, in order, and reach from the start to the end, however long the run takes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 5000 }), fc.integer({ min: 0, max: 10_000_000 }), (ticks, perTick) => {
        const samples = new RunSamples();
        for (let tick = 0; tick < ticks; tick++) samples.add(tick * sampleIntervalMs, tick * perTick);
        const end = ticks * sampleIntervalMs + 10;
        samples.add(end, ticks * perTick, true);
        const list = samples.list();
        assert.ok(list.length >= 2 && list.length <= maxSamples);
        assert.equal(list[0]?.atMs, 0);
        assert.equal(list.at(-1)?.atMs, end);
        assert.equal(list.at(-1)?.doneBytes, ticks * perTick);
        for (const [index, sample] of list.entries()) {
          const before = list[index - 1];
          if (before !== undefined) assert.ok(sample.atMs > before.atMs && sample.doneBytes >= before.doneBytes);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('say how fast it went between them, also after they were thinned', () => {
    const samples = new RunSamples();
    for (let tick = 0; tick <= 2 * maxSamples; tick++) samples.add(tick * sampleIntervalMs, tick * 1000);
    const rates = samples.list().slice(1);
    assert.ok(rates.every(({ bytesPerSecond }) => bytesPerSecond === 4000));
  });

  it('go on upwards when the run begins to count anew', () => {
    const samples = new RunSamples();
    for (const [atMs, done] of [
      [0, 0],
      [1000, 500],
      [2000, 100],
      [3000, 300],
    ] as const) {
      samples.add(atMs, done);
    }
    assert.deepEqual(
      samples.list().map(({ doneBytes }) => doneBytes),
      [0, 500, 600, 800],
    );
  });
});
