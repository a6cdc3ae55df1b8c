import assert from 'node:assert/strict';
import { createServer as createHttpServer } from 'node:http';
import type { Server } from 'node:http';
import { once } from 'node:events';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

import { serveAgent } from '../../../server/agent/main.ts';
import { silentLogger } from '../../../server/base/log.ts';
import { parseAgentUrl } from '../../../server/daemon/agent-client/dial.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { testCertificate } from '../../support/certificate.ts';
import { fakeHost, fakeProvider } from '../../support/fake-provider.ts';
import { agentFor, code, connectTo, never, password, tcpServer } from './support.ts';

async function portOf(context: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => server.close());
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return address.port;
}

test('a port that nothing listens on is TM2001', async (context) => {
  const server = createHttpServer();
  const port = await portOf(context, server);
  server.close();
  await once(server, 'close');
  await assert.rejects(connectTo(context, `http://127.0.0.1:${port}`), code(errorCodes.hostUnreachable));
  await assert.rejects(connectTo(context, `https://127.0.0.1:${port}`), code(errorCodes.hostUnreachable));
});

test('a host name that does not exist is TM2001', async (context) => {
  await assert.rejects(connectTo(context, 'http://no-such-host.invalid:1'), code(errorCodes.hostUnreachable));
});

test('something that takes the connection and says nothing is TM2001 after the time for connecting', async (context) => {
  const port = await tcpServer(context, () => undefined);
  for (const scheme of ['http', 'https']) {
    await assert.rejects(
      connectTo(context, `${scheme}://127.0.0.1:${port}`, { timeoutMs: 100 }),
      code(errorCodes.hostUnreachable),
    );
  }
});

test('something that hangs up at once is TM2001', async (context) => {
  const port = await tcpServer(context, (socket) => socket.destroy());
  await assert.rejects(connectTo(context, `http://127.0.0.1:${port}`), code(errorCodes.hostUnreachable));
});

test('another web server is TM2004, also one that asks for a password of its own', async (context) => {
  for (const status of [200, 301, 401, 404, 500]) {
    const server = createHttpServer((_, response) => {
      response.writeHead(status, { connection: 'close' }).end('no');
    });
    const port = await portOf(context, server);
    await assert.rejects(connectTo(context, `http://127.0.0.1:${port}`), code(errorCodes.agentProtocolViolation));
  }
});

test('https to an agent on http is TM2004; http to one on https is TM2001 and suggests https', async (context) => {
  const plain = await agentFor(context, fakeHost());
  await assert.rejects(
    connectTo(context, plain.url.replace('http:', 'https:')),
    code(errorCodes.agentProtocolViolation),
  );
  const secure = await agentFor(context, fakeHost(), { https: true });
  await assert.rejects(connectTo(context, secure.url.replace('https:', 'http:')), (error) => {
    assert.ok(TidemarkError.is(error, errorCodes.hostUnreachable), String(error));
    assert.match(error.message, /https/);
    return true;
  });
});

test('connecting ends at once when it is cancelled', async (context) => {
  const port = await tcpServer(context, () => undefined);
  const controller = new AbortController();
  const connecting = connectTo(context, `http://127.0.0.1:${port}`, { signal: controller.signal });
  setImmediate(() => controller.abort());
  await assert.rejects(connecting, code(errorCodes.cancelled));
});

test('the URL of an agent is read strictly', () => {
  assert.deepEqual(
    ['http://h', 'https://h:443', 'http://h:80/', 'https://[::1]:9', 'http://10.0.0.1'].map((url) => {
      const { host, port, tls } = parseAgentUrl(url);
      return [host, port, tls];
    }),
    [
      ['h', 8440, false],
      ['h', 443, true],
      ['h', 80, false],
      ['::1', 9, true],
      ['10.0.0.1', 8440, false],
    ],
  );
  for (const url of ['', 'h:8440', 'ftp://h', 'http://h/path', 'http://u:p@h', 'http://h?x', 'http://h#x', 'http://']) {
    assert.throws(() => parseAgentUrl(url), code(errorCodes.invalidInput), url);
  }
});

test('an agent refuses options that make no sense', async () => {
  const certificate = testCertificate();
  const base = { password, log: silentLogger, signal: never };
  const provider = fakeProvider(fakeHost());
  const listen = 'http://127.0.0.1:0';
  const secure = 'https://127.0.0.1:0';
  const other = testCertificate();
  const cases = [
    [{ ...base, provider, listen: 'nonsense' }, errorCodes.invalidUsage],
    [{ ...base, provider, listen: 'http://127.0.0.1:0/path' }, errorCodes.invalidUsage],
    [{ ...base, provider, listen: secure }, errorCodes.invalidUsage],
    [{ ...base, provider, listen, tls: certificate }, errorCodes.invalidUsage],
    [{ ...base, provider, listen, password: '' }, errorCodes.invalidUsage],
    [{ ...base, provider, listen: 'http://203.0.113.1:1' }, errorCodes.invalidUsage],
    [{ ...base, provider, listen: secure, tls: { cert: 'x', key: 'y' } }, errorCodes.invalidFile],
    [{ ...base, provider, listen: secure, tls: { cert: certificate.cert, key: other.key } }, errorCodes.invalidFile],
  ] as const;
  for (const [options, expected] of cases) await assert.rejects(serveAgent(options), code(expected));
});

test('two agents cannot listen on one port', async (context) => {
  const first = await agentFor(context, fakeHost());
  await assert.rejects(agentFor(context, fakeHost(), { listen: first.url }), code(errorCodes.invalidUsage));
});
