import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import { createServer as createRawServer } from 'node:net';
import { afterEach, describe, it } from 'node:test';

import { describeError } from '../../../../server/base/log.ts';
import { postWebhook, shownWebhook } from '../../../../server/daemon/notifications/webhook.ts';
import type { WebhookPost } from '../../../../server/daemon/notifications/webhook.ts';
import { cancelledError } from '../../../../server/protocol/errors.ts';
import { testCertificate } from '../../../support/certificate.ts';
import { listening, whole } from '../../../support/servers.ts';

const servers = new Set<Server | ReturnType<typeof createRawServer>>();
const sockets = new Set<Socket>();

afterEach(() => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers) server.close();
  servers.clear();
  sockets.clear();
});

async function listen(server: Server | ReturnType<typeof createRawServer>): Promise<number> {
  servers.add(server);
  server.on('connection', (socket: Socket) => sockets.add(socket));
  return listening(server);
}

/** A receiver that does what `answer` does; what it got. */
async function receiver(answer: RequestListener) {
  const got: { request: IncomingMessage; body: string }[] = [];
  const server = createServer((request, response: ServerResponse & { req: IncomingMessage }) => {
    whole(request, 'utf8', (body) => {
      got.push({ request, body });
      answer(request, response);
    });
  });
  return { url: `http://127.0.0.1:${await listen(server)}/hook?token=hunter22`, got };
}

const post = (url: string, more: Partial<WebhookPost> = {}): Promise<void> =>
  postWebhook({
    url,
    body: '{"schema":1,"name":"Zażółć"}',
    id: 'message-1',
    userAgent: 'Tidemark/test',
    timeoutMs: 60_000,
    ca: [],
    signal: new AbortController().signal,
    ...more,
  });

/** The error of a post, which must not tell the secret anywhere. */
async function failureOf(work: Promise<void>): Promise<string> {
  try {
    await work;
  } catch (error) {
    assert.doesNotMatch(describeError(error) + JSON.stringify(error), /hunter22/);
    assert.ok(error instanceof Error && 'code' in error);
    return `${String(error.code)} ${error.message}`;
  }
  throw new Error('it was taken');
}

describe('a webhook', () => {
  it('gets the document by POST, with its length, its id and nothing to keep open', async () => {
    const { url, got } = await receiver((_request, response) => response.writeHead(204).end());
    await post(url);
    const [first] = got;
    assert.equal(first?.request.method, 'POST');
    assert.equal(first.request.url, '/hook?token=hunter22');
    assert.equal(first.body, '{"schema":1,"name":"Zażółć"}');
    const { headers } = first.request;
    assert.equal(headers['content-type'], 'application/json; charset=utf-8');
    assert.equal(headers['idempotency-key'], 'message-1');
    assert.equal(headers['user-agent'], 'Tidemark/test');
    assert.equal(headers.connection, 'close');
  });

  it('that answers with an error has not taken it', async () => {
    for (const status of [400, 401, 404, 500, 503]) {
      const { url } = await receiver((_request, response) => response.writeHead(status).end('hunter22'));
      assert.match(
        await failureOf(post(url)),
        new RegExp(`^TM7006 http://127.0.0.1:\\d+/… answers with status ${status}\\.$`),
      );
    }
  });

  it('that redirects is not followed anywhere', async () => {
    const other = await receiver((_request, response) => response.writeHead(200).end());
    for (const status of [301, 302, 303, 307, 308]) {
      const { url } = await receiver((_request, response) => response.writeHead(status, { Location: other.url }).end());
      assert.match(await failureOf(post(url)), /answers with a redirect/);
    }
    assert.equal(other.got.length, 0);
  });

  it('that hangs is left when the time is over, and its connection ends', async () => {
    const gone = Promise.withResolvers<void>();
    const { url } = await receiver((request) => void request.socket.once('close', gone.resolve));
    assert.match(await failureOf(post(url, { timeoutMs: 100 })), /does not answer within 0\.1 s/);
    await gone.promise;
  });

  it('that takes the connection and never reads is left when the time is over', async () => {
    const port = await listen(createRawServer((socket) => socket.pause()));
    const body = 'x'.repeat(8 * 1024 * 1024);
    assert.match(
      await failureOf(post(`http://127.0.0.1:${port}/?hunter22`, { timeoutMs: 200, body })),
      /does not answer/,
    );
  });

  it('that answers without end has taken it with its status; the rest is not read', async () => {
    const gone = Promise.withResolvers<void>();
    const { url } = await receiver((request, response) => {
      request.socket.once('close', gone.resolve);
      response.writeHead(200);
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
        if (!response.destroyed) response.once('drain', more);
      };
      more();
    });
    await post(url);
    await gone.promise;
  });

  it('that sends headers without end, or no HTTP at all, has not taken it', async () => {
    const endless = await listen(
      createRawServer((socket) => {
        socket.on('error', () => undefined);
        socket.once('data', () => {
          socket.write('HTTP/1.1 200 OK\r\n');
          const more = (): void => {
            while (!socket.destroyed && socket.write(`X-More: ${'x'.repeat(1000)}\r\n`));
            if (!socket.destroyed) socket.once('drain', more);
          };
          more();
        });
      }),
    );
    assert.match(await failureOf(post(`http://127.0.0.1:${endless}/?hunter22`)), /HPE_HEADER_OVERFLOW/);
    const other = await listen(createRawServer((socket) => void socket.end('220 mail.example ESMTP hunter22\r\n')));
    assert.match(await failureOf(post(`http://127.0.0.1:${other}/?hunter22`)), /cannot be reached: HPE_/);
  });

  it('that nobody serves cannot be reached', async () => {
    const server = createServer();
    const port = await listen(server);
    server.close();
    assert.match(await failureOf(post(`http://127.0.0.1:${port}/?token=hunter22`)), /cannot be reached: ECONNREFUSED/);
  });

  it('is trusted by its certificate only', async () => {
    const { cert, key } = testCertificate('ecdsa-sha256', 'localhost');
    const server = createTlsServer({ cert, key }, (_request, response) => response.writeHead(200).end());
    const url = `https://localhost:${await listen(server)}/?token=hunter22`;
    await post(url, { ca: [cert] });
    assert.match(await failureOf(post(url)), /DEPTH_ZERO_SELF_SIGNED_CERT/);
    const another = url.replace('localhost', '127.0.0.1');
    assert.match(await failureOf(post(another, { ca: [cert] })), /ERR_TLS_CERT_ALTNAME_INVALID/);
  });

  it('is given up when the daemon stops', async () => {
    const controller = new AbortController();
    const { url } = await receiver(() => controller.abort(cancelledError()));
    await assert.rejects(post(url, { signal: controller.signal }), { code: 'TM1999' });
  });

  it('with another kind of address, or with a password in it, is refused', async () => {
    for (const url of ['ftp://ops.example/', 'file:///etc/passwd', 'nonsense', 'https://user:hunter22@ops.example/'])
      assert.match(await failureOf(post(url)), /^TM1001/);
  });

  it('is shown without what may be secret', () => {
    for (const secret of ['services/T0/hunter22', '?token=hunter22', 'a#hunter22', 'a/b?token=hunter22#hunter22'])
      assert.equal(shownWebhook(`https://ops.example:8443/${secret}`), 'https://ops.example:8443/…');
    assert.equal(shownWebhook('https://ops.example'), 'https://ops.example/');
    assert.equal(shownWebhook('nonsense hunter22'), 'an address that is none');
  });
});
