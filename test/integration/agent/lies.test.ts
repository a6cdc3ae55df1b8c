import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { test } from 'node:test';

import type { DataConnection } from '../../../server/daemon/agent-client/data-connection.ts';
import { hello, listVms } from '../../../server/protocol/agent.ts';
import { frameEncoding, frameType, maxFrameBytes } from '../../../server/protocol/data.ts';
import { errorCodes } from '../../../server/protocol/errors.ts';
import * as id from '../../../server/protocol/ids.ts';
import { fakeDiskId } from '../../support/fake-provider.ts';
import { authenticControl, frame, lyingControl, lyingData } from './lying-agent.ts';
import { code, connectTo, dataFor, never, until } from './support.ts';

const chunk = 65_536;
const exportId = id.exportId('export', 'id');
const full = Buffer.alloc(chunk, 1);
const garbage = code(errorCodes.agentProtocolViolation);

async function drain(data: DataConnection): Promise<void> {
  for (let next = await data.next(); next.type !== 'end'; next = await data.next()) data.recycle(next);
}

const { zero, end, failed, wait, read } = frameType;
const zstd = frameEncoding.zstd;
/** What an agent answers to `[0, 2 chunks]`, `[4 chunks, 1000 bytes]`. */
const lies: readonly (readonly [string, readonly Buffer[]])[] = [
  ['a wrong offset', [frame({ offset: chunk }, full)]],
  ['a chunk twice', [frame({}, full), frame({}, full)]],
  ['a chunk left out', [frame({}, full), frame({ offset: 4 * chunk }, full.subarray(0, 1000))]],
  ['an end too early', [frame({}, full), frame({ type: end })]],
  ['an end with a payload', [frame({ type: end }, full)]],
  ['an offset far outside', [frame({ offset: 2 ** 46 }, full)]],
  ['a chunk that is too small', [frame({}, full.subarray(1))]],
  ['a chunk that is too large', [frame({}, Buffer.alloc(chunk + 1, 1))]],
  ['the largest frame where a small one is due', [frame({}, Buffer.alloc(maxFrameBytes))]],
  ['a raw chunk shorter than it says', [frame({ rawBytes: chunk }, full.subarray(0, 10))]],
  ['an empty chunk', [frame({ rawBytes: chunk, storedBytes: 0 })]],
  ['compression that was not asked for', [frame({ encoding: zstd, rawBytes: chunk }, full.subarray(0, 10))]],
  ['zeros with a payload', [frame({ type: zero }, full)]],
  ['zeros of a wrong length', [frame({ type: zero, rawBytes: chunk * 2 })]],
  ['zeros that claim an encoding', [frame({ type: zero, encoding: zstd, rawBytes: chunk })]],
  ['the answer to another request', [frame({ request: 2 }, full)]],
  ['zeros for another request', [frame({ type: zero, request: 2, rawBytes: chunk })]],
  ['the end of another request', [frame({ type: end, request: 7 })]],
  [
    'a failure of another request',
    [frame({ type: failed, request: 7 }, Buffer.from('{"code":"TM1001","message":"x"}'))],
  ],
  ['a failure that is no JSON', [frame({ type: failed }, Buffer.from('{"code"'))]],
  ['a failure of another shape', [frame({ type: failed }, Buffer.from('[]'))]],
  ['a failure without a report', [frame({ type: failed })]],
  ['a sign of life with a payload', [frame({ type: wait }, full)]],
  ['nothing but signs of life', Array.from({ length: 500 }, () => frame({ type: wait, request: 0 }))],
  ['a request of its own', [frame({ type: read }, Buffer.from('{}'))]],
  ['a frame of an unknown type', [Buffer.concat([Buffer.from([99]), frame({}, full).subarray(1)])]],
  ['bytes of no meaning', [Buffer.alloc(10_000, 0x5a)]],
  ['JSON-RPC', [Buffer.from('Content-Length: 40\r\n\r\n{"jsonrpc":"2.0","method":"x"}          ')]],
];
for (const [what, frames] of lies) {
  test(`${what} is TM2004 and ends the connection`, async (context) => {
    const closed = Promise.withResolvers<void>();
    const access = await lyingData(context, (socket) => {
      socket.once('data', () => socket.write(Buffer.concat(frames)));
      socket.once('close', () => closed.resolve());
    });
    const connection = await dataFor(context, access);
    const ranges = [0, 2 * chunk, 4 * chunk, 1000];
    connection.send({ exportId, diskId: fakeDiskId, chunkBytes: chunk, compress: false, ranges });
    await assert.rejects(drain(connection), garbage);
    await closed.promise;
    await assert.rejects(connection.next(), garbage);
  });
}

test('compressed chunks that are not smaller than the chunk are TM2004', async (context) => {
  for (const bytes of [full, Buffer.alloc(chunk + 10, 1)]) {
    const access = await lyingData(context, (socket) =>
      socket.once('data', () => socket.write(frame({ encoding: zstd, rawBytes: chunk }, bytes))),
    );
    const connection = await dataFor(context, access);
    connection.send({ exportId, diskId: fakeDiskId, chunkBytes: chunk, compress: true, ranges: [0, chunk] });
    await assert.rejects(drain(connection), garbage);
  }
});

test('more data than was asked for, and data that nobody asked for, is TM2004', async (context) => {
  const early = await lyingData(context, (socket) => socket.write(frame({}, full)));
  const connection = await dataFor(context, early);
  await assert.rejects(async () => {
    for (;;) {
      connection.send({ exportId, diskId: fakeDiskId, chunkBytes: chunk, compress: false, ranges: [chunk, chunk] });
      await drain(connection);
    }
  }, garbage);
});

test('a restore that the agent ends before it was given everything is TM2004', async (context) => {
  const access = await lyingData(context, (socket) => socket.once('data', () => socket.write(frame({ type: end }))));
  const connection = await dataFor(context, access);
  const writer = connection.beginWrite({ sessionId: id.restoreSessionId('r', 'id'), diskId: fakeDiskId });
  await assert.rejects(async () => {
    for (;;) await writer.write(0, full);
  }, garbage);
});

test('whoever cannot prove that it is the agent of the session is TM2002', async (context) => {
  const access = await lyingData(context, () => undefined);
  await assert.rejects(
    dataFor(context, { ...access, dataKey: randomBytes(32) }),
    code(errorCodes.agentAuthenticationFailed),
  );
});

test('an agent that says nothing more is TM2005 after the time for silence', async (context) => {
  const access = await lyingData(context, () => undefined);
  const connection = await dataFor(context, access, { silenceMs: 80 });
  connection.send({ exportId, diskId: fakeDiskId, chunkBytes: chunk, compress: false, ranges: [0, chunk] });
  await assert.rejects(connection.next(), code(errorCodes.agentConnectionLost));
});

const jsonLies: readonly (readonly [string, (socket: Socket) => void])[] = [
  ['bytes that are no message', (socket) => socket.write(Buffer.alloc(5000, 0x41))],
  ['a body that is no JSON', (socket) => socket.write('Content-Length: 5\r\n\r\nhello')],
  ['a message of a gigabyte', (socket) => socket.write(`Content-Length: ${1024 ** 3}\r\n\r\n`)],
  ['more than a few KiB before the authentication', (socket) => flood(socket)],
  ['an answer that is no SCRAM', (socket) => replyOnce(socket, { result: { message: 'hi' } })],
  ['an answer of another shape', (socket) => replyOnce(socket, { result: [] })],
  ['an error that is no report', (socket) => replyOnce(socket, { error: { code: 1, message: 'x', data: 7 } })],
  ['the error of an unknown method', (socket) => replyOnce(socket, { error: { code: -32_601, message: 'x' } })],
];
function flood(socket: Socket): void {
  const body = '{"jsonrpc":"2.0","method":"x"}';
  const more = (): void => {
    while (socket.writable && socket.write(`Content-Length: ${body.length}\r\n\r\n${body}`));
  };
  socket.on('drain', more);
  more();
}
function replyOnce(socket: Socket, answer: object): void {
  socket.once('data', () => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 0, ...answer });
    socket.write(`Content-Length: ${body.length}\r\n\r\n${body}`);
  });
}
for (const [what, serve] of jsonLies) {
  test(`on a control connection ${what} is TM2004`, async (context) => {
    await assert.rejects(connectTo(context, await lyingControl(context, serve), { timeoutMs: 5000 }), garbage);
  });
}

test('silence in the authentication is TM2004 after the time for connecting, hanging up in it TM2005', async (context) => {
  const silent = await lyingControl(context, () => undefined);
  await assert.rejects(connectTo(context, silent, { timeoutMs: 100 }), garbage);
  const gone = await lyingControl(context, (socket) => socket.once('data', () => socket.destroy()));
  await assert.rejects(connectTo(context, gone), code(errorCodes.agentConnectionLost));
});

const greeting = (protocol: number): object => ({
  protocol,
  agentVersion: '9.0.0',
  host: { name: 'h', provider: 'simulated', build: 20_348, osName: 'x' },
});

test('an agent of a version that this daemon does not speak is TM2006', async (context) => {
  const url = await authenticControl(context, (method) => (method === hello.method ? greeting(7) : undefined));
  await assert.rejects(connectTo(context, url), code(errorCodes.agentVersionMismatch));
});

test('an authenticated agent whose answer does not parse is TM2004, and a silent one is given up', async (context) => {
  const url = await authenticControl(context, (method) => {
    if (method === hello.method) return greeting(1);
    return method === listVms.method ? { vms: [{ name: 1 }] } : undefined;
  });
  const connection = await connectTo(context, url, { heartbeatMs: 40 });
  await assert.rejects(connection.request(listVms, {}, { signal: never }), garbage);
  await until(() => connection.closed.aborted);
  assert.ok(code(errorCodes.agentConnectionLost)(connection.closed.reason));
});

test('an authenticated agent that turns to garbage ends every request with TM2004', async (context) => {
  const url = await authenticControl(context, (method, socket) => {
    if (method === hello.method) return greeting(1);
    socket.write('Content-Length: x\r\n\r\n');
    return undefined;
  });
  const connection = await connectTo(context, url);
  await assert.rejects(connection.request(listVms, {}, { signal: never }), garbage);
  assert.ok(garbage(connection.closed.reason));
});
