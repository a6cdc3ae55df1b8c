/** A real TLS proxy with a certificate of its own, between daemon and agent. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTls } from 'node:tls';
import { test } from 'node:test';

import { selfSignedCertificate } from '../../../server/agent/tls/self-signed.ts';
import { certificateSha256, endPointBinding } from '../../../server/base/channel-binding.ts';
import { errorCodes } from '../../../server/protocol/errors.ts';
import { fakeHost } from '../../support/fake-provider.ts';
import { proxyTo } from './support-proxy.ts';
import { agentFor, code, connectTo } from './support.ts';

const host = ['127.0.0.1', 'agent.test'];

test('a certificate of our own making carries a session, and TLS 1.3 is all that is spoken', async (context) => {
  const tls = selfSignedCertificate(host);
  const agent = await agentFor(context, fakeHost(), { https: true, tls });
  const connection = await connectTo(context, agent.url, { pin: tls.sha256 });
  assert.equal(connection.certificateSha256, tls.sha256);
  assert.ok(agent.log.some((line) => line.includes(tls.sha256)));
  const { port } = new URL(agent.url);
  const dial = async (maxVersion: 'TLSv1.2' | 'TLSv1.3'): Promise<string | null> => {
    // The certificate is believed as any other: its names are in it.
    const socket = connectTls({
      host: '127.0.0.1',
      port: Number(port),
      maxVersion,
      minVersion: 'TLSv1.2',
      ca: tls.cert,
    });
    context.after(() => socket.destroy());
    await once(socket, 'secureConnect');
    return socket.getProtocol();
  };
  assert.equal(await dial('TLSv1.3'), 'TLSv1.3');
  await assert.rejects(dial('TLSv1.2'));
});

test('a proxy with its own certificate is TM2003 at the first connection, and later before it is told anything', async (context) => {
  const own = selfSignedCertificate(host);
  const agent = await agentFor(context, fakeHost(), { https: true, tls: own, timing: { penaltyMs: 5 } });
  // The same names, even the same kind of certificate: only the key is another.
  const proxy = await proxyTo(context, agent.url, { tls: selfSignedCertificate(host) });
  const url = `https://127.0.0.1:${proxy.port}`;
  await assert.rejects(connectTo(context, url), code(errorCodes.agentCertificateMismatch));
  const { length } = proxy.connections;
  const told = Buffer.concat(proxy.connections.flatMap(({ fromDaemon }) => fromDaemon)).toString('latin1');
  assert.doesNotMatch(told, /tidemark\/agent\/hello/);
  await assert.rejects(connectTo(context, url, { pin: own.sha256 }), code(errorCodes.agentCertificateMismatch));
  const later = Buffer.concat(proxy.connections.slice(length).flatMap(({ fromDaemon }) => fromDaemon));
  assert.equal(later.length, 0);
  await connectTo(context, agent.url, { pin: own.sha256 });
});

test('a proxy that rewrites what the exchange is bound to is found out by the proof', async (context) => {
  const own = selfSignedCertificate(host);
  const agent = await agentFor(context, fakeHost(), { https: true, tls: own, timing: { penaltyMs: 5 } });
  const binding = endPointBinding(new X509Certificate(own.cert).raw);
  assert.ok(binding.type !== 'none');
  const expected = Buffer.concat([Buffer.from('p=tls-server-end-point,,'), binding.data]).toString('base64');
  let rewritten = 0;
  const proxy = await proxyTo(context, agent.url, {
    tls: selfSignedCertificate(host),
    changeFromDaemon: (bytes) => {
      const text = bytes.toString('latin1');
      const changed = text.replace(/"c=[A-Za-z0-9+/=]+,/, () => `"c=${expected},`);
      if (changed !== text) rewritten += 1;
      assert.equal(changed.length, text.length);
      return Buffer.from(changed, 'latin1');
    },
  });
  await assert.rejects(
    connectTo(context, `https://127.0.0.1:${proxy.port}`),
    code(errorCodes.agentAuthenticationFailed),
  );
  assert.equal(rewritten, 1);
});

test('a proxy that says the daemon knows of no binding is refused by the agent', async (context) => {
  const agent = await agentFor(context, fakeHost(), { https: true, timing: { penaltyMs: 5 } });
  for (const flag of ['n,,', 'y,,']) {
    const proxy = await proxyTo(context, agent.url, {
      tls: selfSignedCertificate(host),
      changeFromDaemon: (bytes) => {
        const [bound, name] = ['p=tls-server-end-point,,', 'n=tidemark'];
        // As long as before, with a longer name.
        const unbound = `${flag}${name}`.padEnd(bound.length + name.length, 'k');
        return Buffer.from(bytes.toString('latin1').replace(bound + name, unbound), 'latin1');
      },
    });
    await assert.rejects(
      connectTo(context, `https://127.0.0.1:${proxy.port}`),
      code(errorCodes.agentCertificateMismatch),
    );
  }
});

test('the fingerprint of a made certificate is that of its DER', () => {
  const { cert, sha256 } = selfSignedCertificate(host);
  assert.equal(certificateSha256(new X509Certificate(cert).raw), sha256);
});
