import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  abortRestore,
  closeExport,
  commitRestore,
  createCheckpoint,
  hello,
  listCheckpoints,
  listExtents,
  listVms,
  openExport,
  removeCheckpoint,
} from '../../../server/protocol/agent.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import * as id from '../../../server/protocol/ids.ts';
import { fakeDiskId, fakeHost, fakeVmId } from '../../support/fake-provider.ts';
import { agentFor, code, connectTo, dataFor, exportOf, never, owner, restoreOf, until } from './support.ts';

const runId = id.runId('01ARZ3NDEKTSV4RRFFQ69G5FAV', 'run');
const plain = { signal: never };
const take = { vmId: fakeVmId, runId, consistency: 'crash' } as const;

test('checkpoints are taken for the daemon that greeted, listed and removed', async (context) => {
  const agent = await agentFor(context, fakeHost());
  const connection = await connectTo(context, agent.url);
  const { checkpoint } = await connection.request(createCheckpoint, take, plain);
  assert.deepEqual([checkpoint.owner, checkpoint.runId], [owner, runId]);
  const listed = await connection.request(listCheckpoints, {}, plain);
  assert.deepEqual(listed.checkpoints, [checkpoint]);
  await connection.request(removeCheckpoint, { checkpointId: checkpoint.id }, plain);
  await assert.rejects(
    connection.request(removeCheckpoint, { checkpointId: checkpoint.id }, plain),
    code(errorCodes.checkpointNotFound),
  );
});

test("a provider's own error arrives as it is; anything else is TM2199", async (context) => {
  const host = fakeHost();
  const connection = await connectTo(context, (await agentFor(context, host)).url);
  host.listVmsError = new TidemarkError(errorCodes.hostStateInvalid, 'Broken state.', { hint: 'Mend it.' });
  await assert.rejects(connection.request(listVms, {}, plain), {
    code: 'TM2112',
    message: 'Broken state.',
    hint: 'Mend it.',
  });
  host.listVmsError = new RangeError('disk on fire');
  await assert.rejects(connection.request(listVms, {}, plain), code(errorCodes.agentFailed));
  await assert.rejects(connection.request(listVms, {}, plain), /disk on fire/);
});

test('a job reports its percents, rising, far fewer than the host makes, and ends with 100', async (context) => {
  const host = fakeHost();
  host.checkpointMs = 300;
  const connection = await connectTo(context, (await agentFor(context, host)).url);
  const percents: number[] = [];
  await connection.request(createCheckpoint, take, { signal: never, onJob: (_, percent) => percents.push(percent) });
  assert.ok(percents.length >= 2 && percents.length < 20, percents.join(' '));
  assert.deepEqual(
    [...percents].sort((left, right) => left - right),
    percents,
  );
  assert.equal(percents.at(-1), 100);
});

test('a cancelled request is cancelled on the host', async (context) => {
  const host = fakeHost();
  host.checkpointMs = 60_000;
  const connection = await connectTo(context, (await agentFor(context, host)).url);
  const controller = new AbortController();
  const taking = connection.request(createCheckpoint, take, {
    signal: controller.signal,
    onJob: () => controller.abort(),
  });
  await assert.rejects(taking, code(errorCodes.cancelled));
  assert.deepEqual(host.events, ['checkpoint cancelled']);
  assert.deepEqual((await connection.request(listVms, {}, plain)).vms, []);
});

test('extents come in pages that go on where the last one ended', async (context) => {
  const connection = await connectTo(context, (await agentFor(context, fakeHost(Buffer.alloc(262_144)))).url);
  const exportId = await exportOf(connection);
  const ask = { exportId, diskId: fakeDiskId };
  const first = await connection.request(listExtents, { ...ask, offset: 0 }, plain);
  assert.deepEqual(first, { extents: [0, 65_536], nextOffset: 65_536 });
  assert.deepEqual(await connection.request(listExtents, { ...ask, offset: 65_536 }, plain), {
    extents: [131_072, 65_536],
  });
  await connection.request(closeExport, { exportId }, plain);
  await assert.rejects(connection.request(listExtents, { ...ask, offset: 0 }, plain), code(errorCodes.exportNotFound));
  await assert.rejects(connection.request(closeExport, { exportId }, plain), code(errorCodes.exportNotFound));
});

test('what belongs to one session is out of reach of another', async (context) => {
  const agent = await agentFor(context, fakeHost(Buffer.alloc(65_536)));
  const mine = await connectTo(context, agent.url);
  const other = await connectTo(context, agent.url);
  const exportId = await exportOf(mine);
  const sessionId = await restoreOf(mine, 65_536);
  const ask = { exportId, diskId: fakeDiskId, offset: 0 };
  await assert.rejects(other.request(listExtents, ask, plain), code(errorCodes.exportNotFound));
  await assert.rejects(other.request(commitRestore, { sessionId }, plain), code(errorCodes.exportNotFound));
  await assert.rejects(other.request(abortRestore, { sessionId }, plain), code(errorCodes.exportNotFound));
});

test('the end of a control connection closes its exports and aborts its restores, not its checkpoints', async (context) => {
  const host = fakeHost(Buffer.alloc(65_536));
  const agent = await agentFor(context, host);
  const connection = await connectTo(context, agent.url);
  const exportId = await exportOf(connection);
  const sessionId = await restoreOf(connection, 65_536);
  await connection.close();
  await until(() => host.events.length === 2);
  assert.deepEqual([...host.events].sort(), [
    `aborted ${sessionId} with 0 open disks`,
    `closed ${exportId} with 0 open disks`,
  ]);
  const again = await connectTo(context, agent.url);
  assert.equal((await again.request(listCheckpoints, {}, plain)).checkpoints.length, 1);
});

test('an agent that stops while a request runs is TM2005 at once, for the request and for whoever watches', async (context) => {
  const host = fakeHost();
  host.checkpointMs = 60_000;
  const agent = await agentFor(context, host);
  const closed = Promise.withResolvers<TidemarkError | undefined>();
  const connection = await connectTo(context, agent.url, { onClose: closed.resolve });
  const taking = connection.request(createCheckpoint, take, { signal: never, onJob: () => void agent.close() });
  await assert.rejects(taking, code(errorCodes.agentConnectionLost));
  assert.ok(code(errorCodes.agentConnectionLost)(await closed.promise));
  assert.ok(connection.closed.aborted);
  await assert.rejects(connection.request(listVms, {}, plain), code(errorCodes.agentConnectionLost));
});

test('closing a connection on purpose is no loss', async (context) => {
  const agent = await agentFor(context, fakeHost());
  const closed = Promise.withResolvers<TidemarkError | undefined>();
  const connection = await connectTo(context, agent.url, { onClose: closed.resolve });
  await connection.close();
  assert.equal(await closed.promise, undefined);
  await connection.close();
  await assert.rejects(connection.request(listVms, {}, plain), code(errorCodes.agentConnectionLost));
});

test('hello is said once', async (context) => {
  const connection = await connectTo(context, (await agentFor(context, fakeHost())).url);
  const again = { protocol: { min: 1, max: 1 }, client: 'x', owner };
  await assert.rejects(connection.request(hello, again, plain), code(errorCodes.agentProtocolViolation));
});

test('a silent daemon is given up and what it had open is closed; heartbeats keep a quiet one', async (context) => {
  const host = fakeHost(Buffer.alloc(65_536));
  const agent = await agentFor(context, host, { timing: { silenceMs: 2000 } });
  const lively = await connectTo(context, agent.url, { heartbeatMs: 200 });
  const silent = await connectTo(context, agent.url);
  await exportOf(silent);
  await until(() => silent.closed.aborted);
  await until(() => host.events.some((event) => event.startsWith('closed ')));
  assert.ok(!lively.closed.aborted);
  assert.deepEqual((await lively.request(listVms, {}, plain)).vms, []);
});

test('closing an export ends the reads that go on in it first', async (context) => {
  const host = fakeHost(Buffer.alloc(65_536, 1));
  host.sizeBytes = 64 * 1024 * 1024;
  const connection = await connectTo(context, (await agentFor(context, host)).url);
  const checkpoint = await connection.request(createCheckpoint, take, plain);
  const checkpointId = checkpoint.checkpoint.id;
  const { exportId } = await connection.request(openExport, { checkpointId, excludeDisks: [] }, plain);
  const data = await dataFor(context, connection.data);
  data.send({ exportId, diskId: fakeDiskId, chunkBytes: 65_536, compress: false, ranges: [0, host.sizeBytes] });
  await data.next();
  const closing = connection.request(closeExport, { exportId }, plain);
  await assert.rejects(async () => {
    for (;;) data.recycle(await data.next());
  }, code(errorCodes.exportNotFound));
  await closing;
  assert.deepEqual(host.events, [`closed ${exportId} with 0 open disks`]);
});
