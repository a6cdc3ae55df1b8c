import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';

import { RunFeed } from '../../../server/daemon/run-feed.ts';
import { noProgress } from '../../../server/daemon/runs/progress.ts';
import type { RunInfo } from '../../../server/protocol/daemon.ts';
import { runId } from '../../../server/protocol/ids.ts';

function run(number: number, sequence: number): RunInfo {
  return {
    id: runId(`01ARZ3NDEKTSV4RRFFQ6${String(number).padStart(6, '0')}`, ''),
    request: { kind: 'gc', repository: 'main', dryRun: false, now: false },
    title: '',
    state: 'running',
    queuedAt: '2026-01-01T00:00:00Z',
    progress: noProgress('collecting'),
    warnings: [],
    sequence,
  };
}

describe('the feed of one client', () => {
  it('keeps one state of each run for a client that does not read, and sends the newest when it does', async () => {
    const sent: RunInfo[] = [];
    let release = (): void => undefined;
    const feed = new RunFeed(
      async (info) => {
        sent.push(info);
        await new Promise<void>((resolve) => (release = resolve));
      },
      () => assert.fail('three runs are not too many'),
    );
    feed.subscribe(undefined);
    for (let sequence = 1; sequence <= 10_000; sequence++) feed.push(run(sequence % 3, sequence));
    assert.equal(sent.length, 1);
    assert(feed.waiting <= 3);
    while (feed.waiting > 0) {
      release();
      await turn();
    }
    assert.deepEqual(
      sent
        .slice(1)
        .map((info) => info.sequence)
        .toSorted((a, b) => a - b),
      [9998, 9999, 10_000],
    );
  });

  it('gives up a client that has not read for more than a thousand runs', () => {
    let stalled = 0;
    const feed = new RunFeed(
      () => new Promise(() => undefined),
      () => (stalled += 1),
    );
    feed.subscribe(undefined);
    for (let number = 0; number < 3000; number++) feed.push(run(number, 1));
    assert.equal(stalled, 1);
    assert.equal(feed.waiting, 0);
  });

  it('sends only runs that were subscribed to', async () => {
    const sent: number[] = [];
    const feed = new RunFeed(
      async (info) => void sent.push(info.sequence),
      () => undefined,
    );
    feed.push(run(1, 1));
    feed.subscribe(run(2, 0).id);
    feed.push(run(1, 2));
    feed.push(run(2, 3));
    await turn();
    assert.deepEqual(sent, [3]);
  });
});
