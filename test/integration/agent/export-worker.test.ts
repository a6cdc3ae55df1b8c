/** An export worker that is stopped: it removes what it was writing, whatever it is told meanwhile. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';

import type { WorkerEnd } from '../../../server/base/worker-group.ts';
import type {
  ExportWorkerData,
  FromExportWorker,
  PartAssignment,
  ToExportWorker,
} from '../../../server/daemon/transfer/export-messages.ts';
import { errorCodes } from '../../../server/protocol/errors.ts';
import { openRepository } from '../../../server/repository/index.ts';
import { fakeDiskId, fakeHost } from '../../support/fake-provider.ts';
import { emptyRepository, signal, temporaryFolder } from '../../unit/repository/support.ts';
import { agentFor, connectTo, exportOf } from './support.ts';

const workerUrl = new URL('../../../server/daemon/transfer/export-worker.ts', import.meta.url);
const mib = 1024 * 1024;

/** A worker with an unfinished pack on the disk: it has stored one part and waits for the next. */
async function workerAtRest(t: TestContext, location: string) {
  const { recoveryKey } = await emptyRepository(location);
  const repository = await openRepository(location, { password: recoveryKey, signal });
  const connection = await connectTo(t, (await agentFor(t, fakeHost(randomBytes(2 * mib)))).url);
  const workerData: ExportWorkerData = {
    access: connection.data,
    exportId: await exportOf(connection),
    repositoryId: repository.id,
    keys: repository.exportKeys(),
    location,
    writer: '01JD0000000000000000000000',
  };
  const worker = new Worker(workerUrl, { workerData });
  t.after(() => worker.terminate());
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker thread, not a window
  const send = (message: ToExportWorker): void => worker.postMessage(message);
  const assignment = (part: number): PartAssignment => ({
    part,
    diskId: fakeDiskId,
    chunkBytes: 65_536,
    ranges: [part * mib, mib],
    bytes: mib,
    compress: false,
  });
  const stored = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<WorkerEnd>();
  let asked = false;
  worker.on('message', (message: FromExportWorker | WorkerEnd) => {
    if (message.type === 'idle' && !asked) {
      asked = true;
      send({ type: 'part', assignment: assignment(0) });
    } else if (message.type === 'claim') {
      send({ type: 'claimed', claim: message.claim, isNew: new Uint8Array(message.chunks.length).fill(1) });
    } else if (message.type === 'part-done') stored.resolve();
    else if (message.type === 'finished' || message.type === 'failed') ended.resolve(message);
  });
  worker.once('error', (error) => {
    stored.reject(error);
    ended.reject(error);
  });
  const exited = once(worker, 'exit');
  await stored.promise;
  assert.equal((await readdir(join(location, 'd'))).length, 1, 'a pack is being filled');
  return { send, assignment, ended: ended.promise, exited };
}

for (const then of ['nothing more', 'the next part'] as const) {
  test(`a worker that is told to stop, and then ${then}, leaves nothing`, { timeout: 30_000 }, async (t) => {
    using folder = temporaryFolder();
    const { send, assignment, ended, exited } = await workerAtRest(t, folder.path);
    send({ type: 'abort' });
    if (then === 'the next part') send({ type: 'part', assignment: assignment(1) });
    const end = await ended;
    assert.equal(end.type === 'failed' && end.error.code, errorCodes.cancelled);
    assert.deepEqual(await exited, [0]);
    assert.deepEqual(await readdir(join(folder.path, 'd')), []);
  });
}
