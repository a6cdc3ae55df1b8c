/** Recorded sessions played back, at the agent and at the daemon; messages sent back to who made them; streams that are cut off. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

import { connectAgent } from '../../../server/daemon/agent-client/connection.ts';
import { listVms } from '../../../server/protocol/agent.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { fakeHost } from '../../support/fake-provider.ts';
import { proxyTo } from './support-proxy.ts';
import type { Recorded } from './support-proxy.ts';
import {
  agentFor,
  code,
  connectTo,
  dataFor,
  exportOf,
  never,
  owner,
  password,
  rawConnection,
  readAll,
  tcpServer,
  until,
} from './support.ts';
import type { TestAgent } from './support.ts';

const content = Buffer.alloc(300_000, 'what a disk holds');

/** A whole real session through a recording proxy: login, checkpoint, export, data. `end` ends it. */
async function recordedSession(
  context: TestContext,
  agent: TestAgent,
): Promise<{ readonly control: Recorded; readonly data: Recorded; readonly end: () => Promise<void> }> {
  const proxy = await proxyTo(context, agent.url);
  const connection = await connectTo(context, `http://127.0.0.1:${proxy.port}`);
  const exportId = await exportOf(connection);
  const data = await dataFor(context, connection.data);
  assert.ok((await readAll(data, exportId, [0, content.length])).equals(content));
  const [control, stream] = proxy.connections;
  assert.ok(control !== undefined && stream !== undefined);
  return { control, data: stream, end: async () => connection.close() };
}

/** Sends recorded pieces one by one, each after the agent has answered, and gives all that it said. */
async function playBack(context: TestContext, agent: TestAgent, pieces: readonly Buffer[]): Promise<string> {
  const socket = rawConnection(context, agent.url);
  const answers: Buffer[] = [];
  socket.on('data', (bytes) => answers.push(bytes));
  await once(socket, 'connect');
  for (const piece of pieces) {
    if (socket.destroyed) break;
    const before = answers.length;
    socket.write(piece);
    await until(() => answers.length > before || socket.destroyed, 3000).catch(() => undefined);
  }
  await closed(socket);
  return Buffer.concat(answers).toString('latin1');
}

async function closed(socket: Socket): Promise<void> {
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
}

test('a recorded session that is played back gets no further than the proof, while the session is open and afterwards', async (context) => {
  const agent = await agentFor(context, fakeHost(content), { timing: { penaltyMs: 5 } });
  const session = await recordedSession(context, agent);
  for (const ended of [false, true]) {
    if (ended) await session.end();
    const answer = await playBack(context, agent, session.control.fromDaemon);
    assert.match(answer, /TM200[24]/);
    assert.doesNotMatch(answer, /sessionId|checkpoint|"host"/);
    const all = await playBack(context, agent, [Buffer.concat(session.control.fromDaemon)]);
    assert.doesNotMatch(all, /sessionId|checkpoint|"host"/);
  }
});

test('a recorded data connection is refused: its proof serves once', async (context) => {
  const agent = await agentFor(context, fakeHost(content), { timing: { penaltyMs: 5 } });
  const session = await recordedSession(context, agent);
  for (const ended of [false, true]) {
    if (ended) await session.end();
    const answer = await playBack(context, agent, session.data.fromDaemon);
    assert.match(answer, /^HTTP\/1\.1 401/);
    assert.doesNotMatch(answer, /what a disk holds/);
  }
});

test('an old proof with the new nonce is a wrong password', async (context) => {
  const agent = await agentFor(context, fakeHost(content), { timing: { penaltyMs: 5 } });
  const session = await recordedSession(context, agent);
  const sent = Buffer.concat(session.control.fromDaemon).toString('latin1');
  const proof = /,p=([A-Za-z0-9+/=]+)"/.exec(sent)?.[1];
  const nonce = /n=tidemark,r=([^"]+)"/.exec(sent)?.[1];
  assert.ok(proof !== undefined && nonce !== undefined);
  const socket = rawConnection(context, agent.url);
  const rpc = (id: number, method: string, message: string): string => {
    const body = JSON.stringify({ jsonrpc: '2.0', id, method: `tidemark/auth/${method}`, params: { message } });
    return `Content-Length: ${body.length}\r\n\r\n${body}`;
  };
  let answer = '';
  socket.on('data', (bytes) => (answer += bytes.toString('latin1')));
  socket.write('GET /tidemark/control HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tidemark-control\r\n\r\n');
  // Even with the daemon's own half of the nonce.
  socket.write(rpc(1, 'scramFirst', `n,,n=tidemark,r=${nonce}`));
  await until(() => answer.includes(',i='));
  const fresh = /"r=([^,]+),s=/.exec(answer)?.[1] ?? '';
  assert.ok(fresh.startsWith(nonce) && !sent.includes(fresh));
  socket.write(rpc(2, 'scramFinal', `c=biws,r=${fresh},p=${proof}`));
  await closed(socket);
  assert.match(answer, /TM2002/);
  assert.doesNotMatch(answer, /sessionId/);
});

test('what an agent once said does not make anybody an agent', async (context) => {
  const agent = await agentFor(context, fakeHost(content));
  const session = await recordedSession(context, agent);
  const port = await tcpServer(context, (socket) => {
    const pieces = session.control.fromAgent.values();
    socket.on('data', () => {
      const next = pieces.next();
      if (next.done !== true) socket.write(next.value);
    });
  });
  await assert.rejects(connectTo(context, `http://127.0.0.1:${port}`), code(errorCodes.agentProtocolViolation));
});

test('a proof that is sent back to the daemon, or its own message, is no proof', async (context) => {
  const reflect = (answerTo: (method: string, message: string) => string): Promise<number> =>
    tcpServer(context, (socket) => {
      let text = '';
      socket.on('data', (bytes) => {
        text += bytes.toString('latin1');
        if (text.startsWith('GET')) {
          if (!text.includes('\r\n\r\n')) return;
          text = text.slice(text.indexOf('\r\n\r\n') + 4);
          socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tidemark-control\r\n\r\n');
        }
        const found = /"id":(\d+),"method":"tidemark\/auth\/(\w+)","params":\{"message":"([^"]+)"/.exec(text);
        if (found === null) return;
        text = '';
        const [, number, method = '', message = ''] = found;
        const result = { message: answerTo(method, message), sessionId: 'ab'.repeat(16) };
        const body = JSON.stringify({ jsonrpc: '2.0', id: Number(number), result });
        socket.write(`Content-Length: ${body.length}\r\n\r\n${body}`);
      });
    });
  const salted = (message: string): string =>
    `r=${/r=(.+)$/.exec(message)?.[1] ?? ''}agent,s=${Buffer.alloc(16, 1).toString('base64')},i=100000`;
  const verifier = await reflect((method, message) =>
    method === 'scramFirst' ? salted(message) : `v=${/p=(.+)$/.exec(message)?.[1] ?? ''}`,
  );
  await assert.rejects(connectTo(context, `http://127.0.0.1:${verifier}`), code(errorCodes.agentAuthenticationFailed));
  const echo = await reflect((_, message) => message);
  await assert.rejects(connectTo(context, `http://127.0.0.1:${echo}`), code(errorCodes.agentProtocolViolation));
});

test('the daemon’s proof of a data connection, sent back, does not make anybody the agent', async (context) => {
  const agent = await agentFor(context, fakeHost(content));
  const connection = await connectTo(context, agent.url);
  const port = await tcpServer(context, (socket) => {
    socket.once('data', (bytes) => {
      const proof = /tidemark-proof: (\w+)/.exec(bytes.toString('latin1'))?.[1] ?? '';
      const head = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tidemark-data\r\n';
      socket.write(`${head}tidemark-proof: ${proof}\r\n\r\n`);
    });
  });
  await assert.rejects(dataFor(context, { ...connection.data, port }), code(errorCodes.agentAuthenticationFailed));
});

for (const https of [false, true]) {
  const over = https ? 'https' : 'http';

  test(`a data stream that is cut off anywhere over ${over} is an error, never the end of the disk`, async (context) => {
    const agent = await agentFor(context, fakeHost(content), { https });
    const connection = await connectTo(context, agent.url);
    const exportId = await exportOf(connection);
    const whole = await proxyTo(context, agent.url);
    const data = await dataFor(context, { ...connection.data, port: whole.port });
    await readAll(data, exportId, [0, content.length]);
    const bytes = Buffer.concat(whole.connections[0]?.fromAgent ?? []).length;
    // The last: all of it but the last byte; over TLS less, as records are not cut the same way each time.
    const short = https ? 8192 : 1;
    for (const cutAfterBytes of [Math.floor(bytes / 3), Math.floor(bytes / 2), bytes - 28 - short, bytes - short]) {
      const cut = await proxyTo(context, agent.url, { cutAfterBytes });
      const failed = async (): Promise<void> => {
        const part = await dataFor(context, { ...connection.data, port: cut.port });
        await readAll(part, exportId, [0, content.length]);
      };
      await assert.rejects(
        failed(),
        (error) => TidemarkError.is(error, errorCodes.agentConnectionLost),
        `${cutAfterBytes}`,
      );
    }
  });

  test(`a control connection that is cut off over ${over} fails what is asked`, async (context) => {
    const agent = await agentFor(context, fakeHost(content), { https });
    const whole = await proxyTo(context, agent.url);
    const first = await connectTo(context, `${over}://127.0.0.1:${whole.port}`);
    await first.request(listVms, {}, { signal: never });
    const bytes = Buffer.concat(whole.connections[0]?.fromAgent ?? []).length;
    for (const cutAfterBytes of [1, Math.floor(bytes / 2), https ? Math.floor(bytes * 0.9) : bytes - 1]) {
      const cut = await proxyTo(context, agent.url, { cutAfterBytes });
      const ask = async (): Promise<void> => {
        const target = { url: `${over}://127.0.0.1:${cut.port}`, password };
        const connection = await connectAgent(target, { owner, client: 'test', signal: never });
        context.after(async () => connection.close());
        await connection.request(listVms, {}, { signal: never });
      };
      await assert.rejects(ask(), (error) => TidemarkError.is(error));
    }
  });
}
