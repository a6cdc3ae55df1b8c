import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';

import { commitRestore } from '../../../server/protocol/agent.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import * as id from '../../../server/protocol/ids.ts';
import { fakeDiskId, fakeHost } from '../../support/fake-provider.ts';
import { agentFor, code, connectTo, dataFor, exportOf, never, readAll, restoreOf, until } from './support.ts';

const chunk = 65_536;
const mib = 1024 * 1024;
const plain = { signal: never };

for (const https of [false, true]) {
  const scheme = https ? 'https' : 'http';

  test(`a disk is read bit for bit over ${scheme}, through two connections at a time`, async (context) => {
    const content = randomBytes(5 * mib + 4096);
    content.fill(0, mib, 2 * mib);
    const agent = await agentFor(context, fakeHost(content), { https });
    const connection = await connectTo(context, agent.url);
    const exportId = await exportOf(connection);
    const [left, right] = [await dataFor(context, connection.data), await dataFor(context, connection.data)];
    const half = 40 * chunk;
    const parts = await Promise.all([
      readAll(left, exportId, [0, half]),
      readAll(right, exportId, [half, content.length - half]),
    ]);
    assert.ok(Buffer.concat(parts).equals(content));
    assert.ok((await readAll(left, exportId, [0, content.length], 4 * mib)).equals(content));
  });

  test(`a disk is written bit for bit over ${scheme}`, async (context) => {
    const host = fakeHost();
    const connection = await connectTo(context, (await agentFor(context, host, { https })).url);
    const content = randomBytes(6 * mib);
    const sessionId = await restoreOf(connection, content.length);
    const data = await dataFor(context, connection.data);
    const writer = data.beginWrite({ sessionId, diskId: fakeDiskId });
    for (const offset of [4 * mib, 0]) await writer.write(offset, content.subarray(offset, offset + 2 * mib));
    await writer.finish();
    const written = host.restored.get(`${sessionId} ${fakeDiskId}`) ?? Buffer.alloc(0);
    assert.ok(written.subarray(0, 2 * mib).equals(content.subarray(0, 2 * mib)));
    assert.ok(written.subarray(2 * mib, 4 * mib).equals(Buffer.alloc(2 * mib)));
    assert.ok(written.subarray(4 * mib).equals(content.subarray(4 * mib)));
    await connection.request(commitRestore, { sessionId }, plain);
    assert.ok(host.events.includes(`committed ${sessionId}`));
  });
}

test('chunks of zeros come without payload, and with compression what shrinks comes compressed', async (context) => {
  const content = Buffer.concat([
    Buffer.alloc(chunk, 'text '),
    Buffer.alloc(chunk),
    randomBytes(chunk),
    Buffer.alloc(1000, 7),
  ]);
  const connection = await connectTo(context, (await agentFor(context, fakeHost(content))).url);
  const exportId = await exportOf(connection);
  const data = await dataFor(context, connection.data);
  const read = { exportId, diskId: fakeDiskId, chunkBytes: chunk, compress: true, ranges: [0, content.length] };
  data.send(read);
  const seen: string[] = [];
  const parts: Buffer[] = [];
  for (let frame = await data.next(); frame.type !== 'end'; frame = await data.next()) {
    seen.push(frame.type === 'data' ? frame.encoding : frame.type);
    if (frame.type === 'zero') parts.push(Buffer.alloc(frame.rawBytes));
    else parts.push(Buffer.from(frame.encoding === 'zstd' ? zstdDecompressSync(frame.payload) : frame.payload));
    data.recycle(frame);
  }
  assert.deepEqual(seen, ['zstd', 'zero', 'raw', 'zstd']);
  assert.ok(Buffer.concat(parts).equals(content));
});

test('one byte at the end of a chunk keeps it from being taken for zeros', async (context) => {
  const content = Buffer.alloc(3 * chunk);
  content[chunk - 1] = 1;
  content[2 * chunk - 65] = 1;
  const connection = await connectTo(context, (await agentFor(context, fakeHost(content))).url);
  const data = await dataFor(context, connection.data);
  assert.ok((await readAll(data, await exportOf(connection), [0, content.length])).equals(content));
});

test('reads that are outstanding are answered in order; one that fails does not harm the next', async (context) => {
  const host = fakeHost(randomBytes(4 * chunk));
  const connection = await connectTo(context, (await agentFor(context, host)).url);
  const exportId = await exportOf(connection);
  const data = await dataFor(context, connection.data);
  const read = { exportId, diskId: fakeDiskId, chunkBytes: chunk, compress: false };
  const other = id.diskId('BBBBBBBB-2222-3333-4444-555555555555', 'disk');
  host.onRead = (offset) => {
    if (offset === 2 * chunk) throw new TidemarkError(errorCodes.diskCorrupt, 'A bad sector.');
  };
  const first = data.send({ ...read, ranges: [chunk, chunk] });
  data.send({ ...read, ranges: [2 * chunk, chunk] });
  data.send({ ...read, diskId: other, ranges: [0, chunk] });
  data.send({ ...read, ranges: [0, 100 * chunk] });
  const last = data.send({ ...read, ranges: [0, chunk, 3 * chunk, chunk] });
  const asked = [(await data.next()).request, (await data.next()).request];
  assert.deepEqual(asked, [first, first]);
  await assert.rejects(data.next(), code(errorCodes.diskCorrupt));
  await assert.rejects(data.next(), code(errorCodes.diskNotFound));
  await assert.rejects(data.next(), code(errorCodes.invalidInput));
  const offsets: number[] = [];
  for (let frame = await data.next(); frame.type !== 'end'; frame = await data.next()) {
    assert.equal(frame.request, last);
    offsets.push(frame.offset);
  }
  assert.deepEqual(offsets, [0, 3 * chunk]);
});

test('an export or a restore that is not open is refused and the connection goes on', async (context) => {
  const host = fakeHost(randomBytes(chunk));
  const connection = await connectTo(context, (await agentFor(context, host)).url);
  const data = await dataFor(context, connection.data);
  const missing = id.exportId('gone', 'export');
  await assert.rejects(readAll(data, missing, [0, chunk]), code(errorCodes.exportNotFound));
  const writer = data.beginWrite({ sessionId: id.restoreSessionId('gone', 'restore'), diskId: fakeDiskId });
  await assert.rejects(async () => {
    for (;;) await writer.write(0, Buffer.alloc(chunk));
  }, code(errorCodes.exportNotFound));
  assert.ok((await readAll(data, await exportOf(connection), [0, chunk])).equals(host.content));
});

test('a disk that cannot be written reports why, and nothing counts as restored', async (context) => {
  const host = fakeHost();
  host.onWrite = (offset) => {
    if (offset >= mib) throw new TidemarkError(errorCodes.hostDiskFull, 'The host is full.');
  };
  const connection = await connectTo(context, (await agentFor(context, host)).url);
  const sessionId = await restoreOf(connection, 8 * mib);
  const data = await dataFor(context, connection.data);
  const writer = data.beginWrite({ sessionId, diskId: fakeDiskId });
  await assert.rejects(async () => {
    for (let offset = 0; offset < 8 * mib; offset += chunk) await writer.write(offset, Buffer.alloc(chunk, 1));
    await writer.finish();
  }, code(errorCodes.hostDiskFull));
  assert.equal(host.restored.size, 0);
  await until(() => host.openDisks === 0);
});

test('an agent that stops is TM2005 for a pending read', async (context) => {
  const host = fakeHost(randomBytes(chunk));
  const stuck = Promise.withResolvers<void>();
  host.onRead = async () => stuck.promise;
  const agent = await agentFor(context, host);
  const connection = await connectTo(context, agent.url);
  const data = await dataFor(context, connection.data);
  const reading = readAll(data, await exportOf(connection), [0, chunk]);
  setTimeout(() => void agent.close(), 20);
  await assert.rejects(reading, code(errorCodes.agentConnectionLost));
  await assert.rejects(data.next(), code(errorCodes.agentConnectionLost));
  stuck.resolve();
});

test('a write to an agent that stops is TM2005', async (context) => {
  const host = fakeHost();
  const agent = await agentFor(context, host);
  const connection = await connectTo(context, agent.url);
  const sessionId = await restoreOf(connection, 64 * mib);
  const data = await dataFor(context, connection.data);
  const writer = data.beginWrite({ sessionId, diskId: fakeDiskId });
  await writer.write(0, Buffer.alloc(chunk, 1));
  setTimeout(() => void agent.close(), 20);
  await assert.rejects(async () => {
    for (;;) await writer.write(0, Buffer.alloc(chunk, 1));
  }, code(errorCodes.agentConnectionLost));
  await assert.rejects(writer.finish(), code(errorCodes.agentConnectionLost));
});

test('a busy agent says that it lives, so that a slow disk is not taken for silence', async (context) => {
  const host = fakeHost(randomBytes(chunk));
  host.onRead = async () => new Promise((resolve) => setTimeout(resolve, 600));
  const agent = await agentFor(context, host, { timing: { quietMs: 50 } });
  const connection = await connectTo(context, agent.url);
  const data = await dataFor(context, connection.data, { silenceMs: 200 });
  assert.ok((await readAll(data, await exportOf(connection), [0, chunk])).equals(host.content));
});

test('a cancelled run closes its data connection, and the agent lets go of the disk', async (context) => {
  const host = fakeHost(randomBytes(chunk));
  host.sizeBytes = 1024 * mib;
  const connection = await connectTo(context, (await agentFor(context, host)).url);
  const exportId = await exportOf(connection);
  const data = await dataFor(context, connection.data);
  data.send({ exportId, diskId: fakeDiskId, chunkBytes: chunk, compress: false, ranges: [0, host.sizeBytes] });
  await data.next();
  assert.equal(host.openDisks, 1);
  const pending = (async () => {
    for (;;) data.recycle(await data.next());
  })();
  data.close();
  await assert.rejects(pending, code(errorCodes.cancelled));
  await until(() => host.openDisks === 0);
});
