import assert from 'node:assert/strict';
import { connect as connectTcp } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls, TLSSocket } from 'node:tls';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

import { certificateSha256 } from '../../../server/base/channel-binding.ts';
import { plainHttpWarning } from '../../../server/daemon/agent-client/connection.ts';
import { listVms } from '../../../server/protocol/agent.ts';
import { errorCodes } from '../../../server/protocol/errors.ts';
import { testCertificate } from '../../support/certificate.ts';
import type { CertificateKind } from '../../support/certificate.ts';
import { fakeHost } from '../../support/fake-provider.ts';
import { agentFor, code, connectTo, dataFor, exportOf, never, password, readAll, tcpServer } from './support.ts';

/** Forwards connections to `url`; `wrap` may put TLS on the client's side. Gives its port and what it saw. */
async function proxyTo(
  context: TestContext,
  url: string,
  wrap: (client: Socket) => Socket = (client) => client,
): Promise<{ readonly port: number; readonly seen: Buffer[] }> {
  const { protocol, port } = new URL(url);
  const seen: Buffer[] = [];
  const listening = await tcpServer(context, (raw) => {
    const client = wrap(raw);
    const target = { host: '127.0.0.1', port: Number(port), rejectUnauthorized: false };
    const upstream = protocol === 'https:' ? connectTls(target) : connectTcp(target);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.on('error', () => to.destroy());
      from.on('data', (bytes) => seen.push(bytes)).pipe(to);
    }
  });
  return { port: listening, seen };
}

test('over plain http a daemon connects with a warning, and nothing that is sent holds the password', async (context) => {
  const agent = await agentFor(context, fakeHost());
  const proxy = await proxyTo(context, agent.url);
  const connection = await connectTo(context, `http://127.0.0.1:${proxy.port}`);
  assert.deepEqual(connection.warnings, [plainHttpWarning]);
  assert.equal(connection.certificateSha256, undefined);
  assert.equal(connection.host.name, 'fake');
  assert.deepEqual(await connection.request(listVms, {}, { signal: never }), { vms: [] });
  assert.ok(proxy.seen.length > 0 && !Buffer.concat(proxy.seen).includes(password));
  assert.ok(agent.log.some((line) => line.includes('plain http')));
  assert.ok(!agent.log.some((line) => line.includes(password)));
});

for (const kind of [
  'ecdsa-sha256',
  'ecdsa-sha384',
  'rsa-sha512',
  'rsa-pss-sha384',
] as const satisfies CertificateKind[]) {
  test(`over https with a self-signed ${kind} certificate commands and data flow without a warning`, async (context) => {
    const tls = testCertificate(kind);
    const host = fakeHost(Buffer.alloc(200_000, 'disk'));
    const agent = await agentFor(context, host, { https: true, tls });
    const connection = await connectTo(context, agent.url);
    assert.deepEqual(connection.warnings, []);
    assert.equal(connection.certificateSha256, certificateSha256(tls.der));
    const exportId = await exportOf(connection);
    const data = await dataFor(context, connection.data);
    assert.ok((await readAll(data, exportId, [0, 200_000])).equals(host.content));
  });
}

test('a wrong password is TM2002, over http and over https', async (context) => {
  for (const https of [false, true]) {
    const agent = await agentFor(context, fakeHost(), { https, timing: { penaltyMs: 20 } });
    await assert.rejects(
      connectTo(context, agent.url, { password: 'guess' }),
      code(errorCodes.agentAuthenticationFailed),
    );
    await connectTo(context, agent.url);
  }
});

test('each wrong password makes the next one wait longer, a right one never waits', async (context) => {
  const agent = await agentFor(context, fakeHost(), { timing: { penaltyMs: 250 } });
  const attempt = async (secret: string): Promise<number> => {
    const started = performance.now();
    await connectTo(context, agent.url, { password: secret }).catch(() => undefined);
    return performance.now() - started;
  };
  const [first, second, third] = [await attempt('a'), await attempt('b'), await attempt('c')];
  assert.ok(first >= 250 && second >= 500 && third >= 1000, `${first}, ${second}, ${third} ms`);
  assert.ok((await attempt(password)) < third);
});

test('a certificate that is not the pinned one is TM2003 before anything is said', async (context) => {
  const agent = await agentFor(context, fakeHost(), { https: true });
  const pin = certificateSha256(testCertificate().der);
  await assert.rejects(connectTo(context, agent.url, { pin }), code(errorCodes.agentCertificateMismatch));
  assert.ok(!agent.log.some((line) => line.includes('refused')));
});

test('somebody in between with another certificate is TM2003, though nothing is pinned and the password is right', async (context) => {
  const agent = await agentFor(context, fakeHost(), { https: true, timing: { penaltyMs: 20 } });
  const proxy = await proxyTo(
    context,
    agent.url,
    (raw) => new TLSSocket(raw, { isServer: true, ...testCertificate() }),
  );
  await assert.rejects(
    connectTo(context, `https://127.0.0.1:${proxy.port}`),
    code(errorCodes.agentCertificateMismatch),
  );
  const tunnel = await proxyTo(context, agent.url.replace('https', 'http'));
  await connectTo(context, `https://127.0.0.1:${tunnel.port}`);
});

test('TLS that ends before an agent on plain http is TM2003', async (context) => {
  const agent = await agentFor(context, fakeHost(), { timing: { penaltyMs: 20 } });
  const proxy = await proxyTo(
    context,
    agent.url,
    (raw) => new TLSSocket(raw, { isServer: true, ...testCertificate() }),
  );
  await assert.rejects(
    connectTo(context, `https://127.0.0.1:${proxy.port}`),
    code(errorCodes.agentCertificateMismatch),
  );
});

test('data connections of an https session accept no other certificate either', async (context) => {
  const agent = await agentFor(context, fakeHost(), { https: true });
  const connection = await connectTo(context, agent.url);
  const proxy = await proxyTo(
    context,
    agent.url,
    (raw) => new TLSSocket(raw, { isServer: true, ...testCertificate() }),
  );
  await assert.rejects(
    dataFor(context, { ...connection.data, port: proxy.port }),
    code(errorCodes.agentCertificateMismatch),
  );
});
