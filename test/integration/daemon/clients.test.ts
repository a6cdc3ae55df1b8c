import assert from 'node:assert/strict';
import { createConnection } from 'node:net';
import type { Socket } from 'node:net';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';

import { proveAsClient } from '../../../server/base/mutual-proof.ts';
import { readRendezvous } from '../../../server/base/rendezvous.ts';
import type { DaemonClient } from '../../../server/connect/index.ts';
import * as protocol from '../../../server/protocol/daemon.ts';
import type { RunInfo } from '../../../server/protocol/daemon.ts';
import { DaemonFixture, eventually, runReaches, startBackup } from '../support/daemon-fixture.ts';

/** Everything the client is told of runs. */
function listen(client: DaemonClient): { readonly run: RunInfo }[] {
  const seen: { readonly run: RunInfo }[] = [];
  client.onNotification(protocol.runDidChange, (told) => seen.push(told));
  return seen;
}

const frame = (message: object): string => {
  const body = JSON.stringify({ jsonrpc: '2.0', ...message });
  return `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
};

/** A client that proves itself, says hello, and from then on reads nothing. */
async function stalledClient(fixture: DaemonFixture): Promise<Socket> {
  const found = await readRendezvous(fixture.data);
  assert(found);
  const socket = createConnection({ path: found.rendezvous.address });
  await proveAsClient(socket, found.token);
  socket.pause();
  const params = { protocol: { min: 1, max: 1 }, client: 'stalled' };
  socket.write(frame({ id: 0, method: protocol.hello.method, params }));
  socket.write(frame({ id: 1, method: protocol.subscribeRuns.method, params: {} }));
  return socket;
}

describe('clients of a daemon', () => {
  it('tells two clients the same of a run, and one that comes late the state now', async () => {
    await using fixture = new DaemonFixture();
    await fixture.start();
    const first = await fixture.prepare();
    const seenByFirst = listen(first);
    await first.request(protocol.subscribeRuns, {});
    const { id } = await startBackup(first, 'in-transfer');
    await runReaches(first, id, 'running');

    const second = await fixture.connect();
    const seenBySecond = listen(second);
    const { runs } = await second.request(protocol.subscribeRuns, { id });
    assert.deepEqual([runs.length, runs[0]?.id, runs[0]?.state], [1, id, 'running']);
    await second.request(protocol.cancelRun, { id });
    const last = await eventually('both hear of the end', () => {
      const ends = [seenByFirst, seenBySecond].map((seen) => seen.find(({ run }) => run.state === 'cancelled')?.run);
      return ends.every((end) => end !== undefined) ? ends : undefined;
    });
    assert.deepEqual(last[0], last[1]);
    assert.equal(
      seenBySecond.every(({ run }) => run.sequence > (runs[0]?.sequence ?? 0)),
      true,
    );
  });

  it('goes on with a run whose client is gone', async () => {
    await using fixture = new DaemonFixture();
    await fixture.start();
    const client = await fixture.prepare();
    const { id } = await startBackup(client, 'storm');
    await client.close();
    const other = await fixture.connect();
    const run = await runReaches(other, id, 'succeeded');
    assert.equal(run.progress.doneBytes, 10_000_000);
  });

  it('sends at most ten updates a second of a run that reports ten thousand, and always the last one', async () => {
    await using fixture = new DaemonFixture();
    await fixture.start();
    const stalled = await stalledClient(fixture);
    const client = await fixture.prepare();
    const seen = listen(client);
    await client.request(protocol.subscribeRuns, {});
    const begin = performance.now();
    const { id } = await startBackup(client, 'storm');
    await eventually('the end is told', () => seen.find(({ run }) => run.state === 'succeeded'));
    const updates = seen.filter(({ run }) => run.id === id);
    assert(updates.length >= 3, `${updates.length} updates`);
    const elapsed = performance.now() - begin;
    assert(updates.length <= elapsed / 100 + 2, `${updates.length} updates in ${elapsed} ms`);
    const sequences = updates.map(({ run }) => run.sequence);
    assert.deepEqual(
      sequences,
      sequences.toSorted((a, b) => a - b),
    );
    assert.equal(updates.at(-1)?.run.progress.doneBytes, 10_000_000);
    stalled.destroy();
  });

  it(
    'keeps little memory for a client that asks for much and reads nothing',
    { skip: process.platform !== 'linux' },
    async () => {
      await using fixture = new DaemonFixture();
      const daemon = await fixture.start();
      const client = await fixture.prepare();
      for (let count = 0; count < 100; count++) await startBackup(client, 'quick');
      await eventually('all runs end', async () => {
        const { runs } = await client.request(protocol.listRuns, { limit: 200 });
        return runs.every((run) => run.state === 'succeeded') ? true : undefined;
      });
      const residentMiB = (): number =>
        Number(/VmRSS:\s*(\d+)/.exec(readFileSync(`/proc/${daemon.pid}/status`, 'utf8'))?.[1]) / 1024;
      const before = residentMiB();
      const stalled = await stalledClient(fixture);
      // Each answer is about 100 KiB: all of them would be half a gigabyte.
      for (let id = 2; id < 5000; id++) {
        stalled.write(frame({ id, method: protocol.listRuns.method, params: { limit: 200 } }));
      }
      for (let turn = 0; turn < 20; turn++) await client.request(protocol.listRuns, { limit: 200 });
      const grown = residentMiB() - before;
      assert(grown < 150, `it grew by ${Math.round(grown)} MiB`);
      stalled.destroy();
    },
  );
});
