import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { test } from 'node:test';

import { listVms } from '../../../server/protocol/agent.ts';
import { dataProofPrefix } from '../../../server/protocol/data.ts';
import { errorCodes } from '../../../server/protocol/errors.ts';
import type { DataAccess } from '../../../server/daemon/agent-client/data-connection.ts';
import { fakeHost } from '../../support/fake-provider.ts';
import { agentFor, code, connectTo, dataFor, never, rawConnection, until } from './support.ts';

/** Everything the agent sends until it ends the connection. */
async function untilClosed(socket: Socket): Promise<string> {
  const parts: Buffer[] = [];
  socket.on('data', (bytes) => parts.push(bytes));
  // Not `once` of node:events: a reset is as good an end as any.
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
  return Buffer.concat(parts).toString('latin1');
}

const upgrade = (path: string, protocol: string, headers = ''): string =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n${headers}\r\n`;
const control = upgrade('/tidemark/control', 'tidemark-control');
const rpc = (value: unknown): string => {
  const body = JSON.stringify(value);
  return `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
};

const refusals: readonly (readonly [string, string, RegExp])[] = [
  ['what is no HTTP', 'hello\r\n\r\n', /^HTTP\/1\.1 400/],
  ['headers of a megabyte', `GET / HTTP/1.1\r\nX: ${'a'.repeat(1024 * 1024)}\r\n\r\n`, /^HTTP\/1\.1 4\d\d|^$/],
  ['a thousand headers', `GET / HTTP/1.1\r\n${'a: b\r\n'.repeat(2000)}\r\n`, /^HTTP\/1\.1 4\d\d|^$/],
  ['an unknown path', 'GET /secret HTTP/1.1\r\nHost: x\r\n\r\n', /^HTTP\/1\.1 404/],
  ['a path that climbs', upgrade('/tidemark/../tidemark/control', 'tidemark-control'), /^HTTP\/1\.1 404/],
  ['a path with an escaped letter', upgrade('/tidemark/%63ontrol', 'tidemark-control'), /^HTTP\/1\.1 404/],
  ['a path with a query', upgrade('/tidemark/control?x', 'tidemark-control'), /^HTTP\/1\.1 404/],
  ['a whole URL as path', upgrade('http://x/tidemark/control', 'tidemark-control'), /^HTTP\/1\.1 404/],
  ['the wrong protocol for a path', upgrade('/tidemark/control', 'tidemark-data'), /^HTTP\/1\.1 404/],
  ['a web socket of a browser', upgrade('/tidemark/control', 'websocket'), /^HTTP\/1\.1 404/],
  ['another method', control.replace('GET', 'POST'), /^HTTP\/1\.1 404/],
  ['a data connection without a session', upgrade('/tidemark/data', 'tidemark-data'), /^HTTP\/1\.1 401/],
  ['a tunnel', 'CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n', /^$/],
];
for (const [what, request, answer] of refusals) {
  test(`${what} is refused, the connection ended, and the agent serves on`, async (context) => {
    const agent = await agentFor(context, fakeHost());
    const socket = rawConnection(context, agent.url);
    socket.write(request);
    assert.match(await untilClosed(socket), answer);
    await connectTo(context, agent.url);
  });
}

test('the agent shows what it is and nothing more', async (context) => {
  const agent = await agentFor(context, fakeHost());
  const answer = await fetch(agent.url);
  assert.equal(await answer.text(), 'Tidemark agent\n');
  assert.ok(!JSON.stringify([...answer.headers]).includes('0.1'));
});

test('whoever does not authenticate in time is cut off, at each stage, over http and https', async (context) => {
  for (const https of [false, true]) {
    const agent = await agentFor(context, fakeHost(), { https, timing: { authenticationMs: 2000 } });
    const { port } = new URL(agent.url);
    const target = { port: Number(port), host: '127.0.0.1', rejectUnauthorized: false };
    const open = (): Socket => (https ? connectTls(target) : connectTcp(target));
    const beginnings = ['', 'GET /tidemark/con', control, `${control}Content-Length: 100\r\n\r\n{`];
    const sockets = [...beginnings.map(() => open()), connectTcp(target)];
    beginnings.forEach((text, index) => sockets[index]?.write(text));
    await Promise.all(
      sockets.map(async (socket) => {
        socket.on('error', () => undefined);
        await untilClosed(socket);
      }),
    );
    await connectTo(context, agent.url);
  }
});

test('somebody who holds many connections open keeps nobody else out for longer than the deadline', async (context) => {
  const agent = await agentFor(context, fakeHost(), { timing: { authenticationMs: 2000 } });
  const sockets = Array.from({ length: 200 }, () => rawConnection(context, agent.url));
  const cutOff = await Promise.all(
    sockets.map(async (socket) => {
      const started = performance.now();
      await untilClosed(socket);
      return performance.now() - started;
    }),
  );
  assert.equal(cutOff.length, 200);
  assert.ok(agent.log.some((line) => line.includes('too many')));
  await connectTo(context, agent.url);
});

test(
  'strangers who take all places keep out other strangers, not whoever has authenticated before',
  { skip: process.platform !== 'linux' },
  async (context) => {
    const agent = await agentFor(context, fakeHost(), { timing: { authenticationMs: 60_000 } });
    const connection = await connectTo(context, agent.url);
    const port = Number(new URL(agent.url).port);
    const from = (localAddress: string): Socket => {
      const socket = connectTcp({ port, host: '127.0.0.1', localAddress });
      socket.on('error', () => undefined);
      context.after(() => socket.destroy());
      return socket;
    };
    for (let count = 0; count < 32; count++) for (const address of ['127.0.0.2', '127.0.0.3']) from(address);
    await untilClosed(from('127.0.0.4'));
    assert.match(await dataStatus(connection.data, randomBytes(16).toString('hex')), /101/);
    await connectTo(context, agent.url);
  },
);

test('a request before the authentication is TM2002 and ends the connection', async (context) => {
  const agent = await agentFor(context, fakeHost());
  for (const method of ['tidemark/vm/list', 'tidemark/agent/hello']) {
    const socket = rawConnection(context, agent.url);
    const params = { protocol: { min: 1, max: 1 }, client: 'x', owner: 'ab'.repeat(16) };
    socket.write(control + rpc({ jsonrpc: '2.0', id: 1, method, params }));
    assert.match(await untilClosed(socket), /TM2002/);
  }
});

test('messages of the authentication out of turn, garbled, or without end are refused', async (context) => {
  const agent = await agentFor(context, fakeHost(), { timing: { penaltyMs: 10, authenticationMs: 2000 } });
  const first = (message: string): string =>
    rpc({ jsonrpc: '2.0', id: 1, method: 'tidemark/auth/scramFirst', params: { message } });
  const final = (message: string): string =>
    rpc({ jsonrpc: '2.0', id: 2, method: 'tidemark/auth/scramFinal', params: { message } });
  const exchanges = [
    [final('c=biws,r=x,p=AAAA'), /TM2004/],
    [first('n,,n=a,r=b') + first('n,,n=a,r=b'), /TM2004/],
    [first('nonsense'), /TM2004/],
    [first('p=tls-server-end-point,,n=a,r=b'), /TM2003/],
    [first('n,,n=a,r=b') + final('c=biws,r=x,p=AAAA'), /TM2004/],
    [first('x'.repeat(3000)), /TM1001|TM2004/],
    [`Content-Length: ${64 * 1024 * 1024}\r\n\r\n${'x'.repeat(100_000)}`, /^/],
  ] as const;
  for (const [text, expected] of exchanges) {
    const socket = rawConnection(context, agent.url);
    socket.write(control + text);
    assert.match(await untilClosed(socket), expected);
  }
  await connectTo(context, agent.url);
});

/** Asks for a data connection by hand and gives the status line. */
async function dataStatus(access: DataAccess, nonce: string, side: 'daemon' | 'agent' = 'daemon'): Promise<string> {
  const proof = createHmac('sha256', access.dataKey)
    .update(dataProofPrefix[side] + nonce)
    .digest('hex');
  const headers = `tidemark-session: ${access.sessionId}\r\ntidemark-nonce: ${nonce}\r\ntidemark-proof: ${proof}\r\n`;
  const socket = connectTcp(access.port, access.host);
  socket.on('error', () => undefined);
  socket.write(upgrade('/tidemark/data', 'tidemark-data', headers));
  const received: unknown[] = await once(socket, 'data');
  socket.destroy();
  return String(received[0]).split('\r\n', 1)[0] ?? '';
}

test('a data connection needs the proof of its session, and a nonce serves once', async (context) => {
  const agent = await agentFor(context, fakeHost());
  const connection = await connectTo(context, agent.url);
  const access = connection.data;
  const nonce = randomBytes(16).toString('hex');
  assert.match(await dataStatus(access, nonce), /101/);
  assert.match(await dataStatus(access, nonce), /401/);
  assert.match(await dataStatus(access, randomBytes(16).toString('hex')), /101/);
  assert.match(await dataStatus(access, 'short'), /401/);
  assert.match(await dataStatus(access, randomBytes(16).toString('hex'), 'agent'), /401/);
  const fresh = randomBytes(16).toString('hex');
  assert.match(await dataStatus({ ...access, dataKey: randomBytes(32) }, fresh), /401/);
  assert.match(await dataStatus({ ...access, sessionId: 'ab'.repeat(16) }, fresh), /401/);
  assert.match(await dataStatus(access, fresh), /101/);
  await connection.close();
  await until(() => agent.log.some((line) => line.includes('is gone')));
  assert.match(await dataStatus(access, randomBytes(16).toString('hex')), /401/);
});

test('data connections are bounded over all daemons, because each holds memory', async (context) => {
  const agent = await agentFor(context, fakeHost(), { dataConnections: 3 });
  const greedy = await connectTo(context, agent.url);
  const modest = await connectTo(context, agent.url);
  const open = [
    await dataFor(context, greedy.data),
    await dataFor(context, greedy.data),
    await dataFor(context, modest.data),
  ];
  assert.match(await dataStatus(greedy.data, randomBytes(16).toString('hex')), /503/);
  assert.match(await dataStatus(modest.data, randomBytes(16).toString('hex')), /503/);
  await assert.rejects(dataFor(context, modest.data), code(errorCodes.agentBusy));
  open[0]?.close();
  let status = '';
  while (!status.includes('101')) status = await dataStatus(modest.data, randomBytes(16).toString('hex'));
});

test('frames that make no sense end their data connection and nothing else', async (context) => {
  const agent = await agentFor(context, fakeHost(Buffer.alloc(65_536)));
  const connection = await connectTo(context, agent.url);
  const { port, host, sessionId, dataKey } = connection.data;
  const garbage = [
    randomBytes(4096),
    Buffer.alloc(100_000),
    Buffer.from('01000000010000000000000000000000ffffffffffffffff00000000', 'hex'),
    Buffer.from('03000000010000000000000000000000000001000000010000000000', 'hex'),
    Buffer.from('05000000010000000000000000000000000000000000000000000000', 'hex'),
    Buffer.from('07000000010000000000000000000000000000000000000000000000', 'hex'),
  ];
  for (const bytes of garbage) {
    const nonce = randomBytes(16).toString('hex');
    const proof = createHmac('sha256', dataKey)
      .update(dataProofPrefix.daemon + nonce)
      .digest('hex');
    const socket = connectTcp(port, host);
    socket.on('error', () => undefined);
    const headers = `tidemark-session: ${sessionId}\r\ntidemark-nonce: ${nonce}\r\ntidemark-proof: ${proof}\r\n`;
    socket.write(upgrade('/tidemark/data', 'tidemark-data', headers));
    socket.write(Buffer.concat([bytes, Buffer.alloc(70_000)]));
    await untilClosed(socket);
  }
  assert.deepEqual((await connection.request(listVms, {}, { signal: never })).vms, []);
});
