import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { test } from 'node:test';

import { handleRequest, messageConnection, sendRequest } from '../../../server/base/json-rpc.ts';
import { proveAsClient, proveAsServer } from '../../../server/base/mutual-proof.ts';
import { clientProofLabel, handshakeGreeting, serverProofLabel } from '../../../server/protocol/daemon-handshake.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { request } from '../../../server/protocol/message.ts';
import { object } from '../../../server/protocol/parse.ts';

const refused = (error: unknown): boolean => TidemarkError.is(error, errorCodes.daemonAuthenticationFailed);
const token = randomBytes(32);
const timeoutMs = 2000;

/** Two ends of a real connection. */
async function pair(): Promise<{ readonly client: Socket; readonly server: Socket } & AsyncDisposable> {
  const listener = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a TCP server's address
  const client = connect((listener.address() as AddressInfo).port, '127.0.0.1');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what 'connection' gives
  const [server] = (await once(listener, 'connection')) as [Socket];
  for (const socket of [client, server]) socket.on('error', () => undefined);
  return {
    client,
    server,
    [Symbol.asyncDispose]: async () => {
      client.destroy();
      server.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}

test('both sides that know the token come together, and what follows at once is not lost', async () => {
  await using ends = await pair();
  const ask = request('test/ask', object({}), object({}));
  const serve = async (): Promise<void> => {
    await proveAsServer(ends.server, token, timeoutMs);
    const rpc = messageConnection(ends.server, 1024);
    handleRequest(rpc, ask, () => ({}));
    rpc.listen();
  };
  const serving = serve();
  await proveAsClient(ends.client, token, timeoutMs);
  const rpc = messageConnection(ends.client, 1024);
  rpc.listen();
  const lost = (): TidemarkError => new TidemarkError(errorCodes.internal, 'lost');
  assert.deepEqual(await sendRequest(rpc, ask, {}, { lost }), {});
  await serving;
});

test('different tokens are TM5002 on both sides and end the connection', async () => {
  await using ends = await pair();
  const outcomes = await Promise.allSettled([
    proveAsServer(ends.server, token, timeoutMs),
    proveAsClient(ends.client, randomBytes(32), timeoutMs),
  ]);
  for (const outcome of outcomes) assert.ok(outcome.status === 'rejected' && refused(outcome.reason));
  assert.ok(ends.client.destroyed && ends.server.destroyed);
});

test('a silent peer is given up', async () => {
  await using ends = await pair();
  await assert.rejects(proveAsServer(ends.server, token, 50), refused);
});

test('a peer that hangs up is noticed at once', async () => {
  await using ends = await pair();
  const proving = proveAsServer(ends.server, token, 60_000);
  ends.client.end(handshakeGreeting);
  await assert.rejects(proving, refused);
});

test('a server that reflects a client its own words proves nothing', async () => {
  await using ends = await pair();
  ends.server.on('data', (bytes) => {
    const nonce = bytes.toString('latin1').trim().split(' ').at(-1) ?? '';
    ends.server.write(
      `${nonce} ${createHmac('sha256', 'guess').update(`${serverProofLabel}\n${nonce}\n${nonce}`).digest('hex')}\n`,
    );
  });
  ends.server.resume();
  await assert.rejects(proveAsClient(ends.client, token, timeoutMs), refused);
});

test("the server's own proof does not serve as a client's", async () => {
  await using ends = await pair();
  const proving = proveAsServer(ends.server, token, timeoutMs);
  ends.client.write(`${handshakeGreeting} ${'ab'.repeat(32)}\n`);
  ends.client.once('data', (bytes) =>
    ends.client.write(`${bytes.toString('latin1').trim().split(' ').at(-1) ?? ''}\n`),
  );
  await assert.rejects(proving, refused);
});

const garbage: readonly (readonly [string, Buffer])[] = [
  ['a line that never ends', Buffer.alloc(100_000, 0x61)],
  ['another greeting', Buffer.from(`tidemark-daemon 2 ${'ab'.repeat(32)}\n`)],
  ['a nonce in capitals', Buffer.from(`${handshakeGreeting} ${'AB'.repeat(32)}\n`)],
  ['a nonce that is too short', Buffer.from(`${handshakeGreeting} abcd\n`)],
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
  ['binary bytes', randomBytes(300)],
  ['a wrong proof', Buffer.from(`${handshakeGreeting} ${'ab'.repeat(32)}\n${'00'.repeat(32)}\n`)],
  ['a proof of another length', Buffer.from(`${handshakeGreeting} ${'ab'.repeat(32)}\n${clientProofLabel}\n`)],
];
for (const [what, bytes] of garbage) {
  test(`${what} is refused`, async () => {
    await using ends = await pair();
    const proving = proveAsServer(ends.server, token, 300);
    ends.client.write(bytes);
    await assert.rejects(proving, refused);
  });
}
