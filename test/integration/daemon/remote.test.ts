import assert from 'node:assert/strict';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';

import { certificateSha256 } from '../../../server/base/channel-binding.ts';
import { connectRemoteDaemon } from '../../../server/connect/index.ts';
import type { RemoteConnectOptions, RemoteDaemon } from '../../../server/connect/index.ts';
import * as protocol from '../../../server/protocol/daemon.ts';
import { remoteAlpn } from '../../../server/protocol/daemon-handshake.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { testCertificate } from '../../support/certificate.ts';
import { cliFile, DaemonFixture, ended, eventually } from '../support/daemon-fixture.ts';

const password = 'correct horse battery staple';
const own = testCertificate('ecdsa-sha256');
const other = testCertificate('ecdsa-sha256');
const certificateSha256Hex = certificateSha256(own.der);

/** Starts a daemon that listens on TLS; gives the process when it says that it can be reached. */
function launch(fixture: DaemonFixture, listen: string): ChildProcess {
  for (const [name, text] of Object.entries({ 'd.crt': own.cert, 'd.key': own.key, 'd.pw': `${password}\n` })) {
    writeFileSync(join(fixture.directory, name), text);
  }
  const file = (name: string): string => join(fixture.directory, name);
  const tls = ['--tls-cert', file('d.crt'), '--tls-key', file('d.key'), '--password-file', file('d.pw')];
  const args = [cliFile, 'daemon', 'run', '--data', fixture.data, '--listen', listen, ...tls];
  return fixture.keep(spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] }));
}

describe('a daemon on another machine', { timeout: 60_000 }, () => {
  const fixture = new DaemonFixture();
  let url = '';
  let log = '';

  before(async () => {
    const child = launch(fixture, 'https://127.0.0.1:0');
    child.stderr?.on('data', (chunk) => (log += String(chunk)));
    await eventually('the local socket is there', () => fixture.connect().catch(() => undefined));
    url = await eventually('it says where it listens', () => /https:\/\/127\.0\.0\.1:\d+/.exec(log)?.[0]);
  });
  after(async () => fixture[Symbol.asyncDispose]());

  const connect = async (more: Partial<RemoteConnectOptions> = {}): Promise<RemoteDaemon> =>
    connectRemoteDaemon({ url, password, client: 'test', certificateSha256: certificateSha256Hex, ...more });

  it('answers a client that knows its password and its certificate, as it answers one of its own machine', async () => {
    const { client, certificate } = await connect();
    try {
      const status = await client.request(protocol.getDaemonStatus, {});
      assert.equal(status.remoteUrl, url);
      assert.deepEqual(certificate, { sha256: certificateSha256Hex, vouchedFor: false });
      assert.ok(log.includes(certificateSha256Hex), 'the log says what to compare with');
    } finally {
      await client.close();
    }
  });

  it('refuses a wrong password, and goes on answering those who know it', async () => {
    const wrong = connect({ password: 'guess' });
    const right = await connect();
    await right.client.close();
    await assert.rejects(wrong, { code: errorCodes.daemonAuthenticationFailed, message: /refused the password/ });
    await eventually('the log names it', () => (/was refused: The password is wrong/.test(log) ? true : undefined));
    assert.doesNotMatch(log, /guess|correct horse/);
  });

  it('is not believed with another certificate, and the password is not used', async () => {
    await assert.rejects(connect({ certificateSha256: certificateSha256(other.der) }), {
      code: errorCodes.daemonCertificateMismatch,
      message: new RegExp(certificateSha256Hex),
    });
    await assert.rejects(connect({ certificateSha256: undefined }), { code: errorCodes.daemonCertificateMismatch });
  });

  it('is believed when the user says so, who is shown the certificate first', async () => {
    const asked: unknown[] = [];
    const answer = (yes: boolean) => async (found: unknown) => {
      asked.push(found);
      return yes;
    };
    const unpinned = { certificateSha256: undefined };
    await assert.rejects(connect({ ...unpinned, confirmCertificate: answer(false) }), {
      code: errorCodes.daemonCertificateMismatch,
    });
    const { client } = await connect({ ...unpinned, confirmCertificate: answer(true) });
    await client.close();
    const shown = { sha256: certificateSha256Hex, vouchedFor: false };
    assert.deepEqual(asked, [shown, shown]);
  });

  it('finds out somebody in between, even one whose certificate the user accepted', async () => {
    const target = new URL(url);
    const between = createTlsServer({ cert: other.cert, key: other.key, ALPNProtocols: [remoteAlpn] }, (socket) => {
      const options = { host: target.hostname, port: Number(target.port), rejectUnauthorized: false };
      const onwards = connectTls({ ...options, ALPNProtocols: [remoteAlpn] });
      socket.pipe(onwards).pipe(socket);
      for (const end of [socket, onwards]) end.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => between.listen(0, '127.0.0.1', resolve));
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on TCP
    const { port } = between.address() as AddressInfo;
    try {
      const error = await connect({
        url: `https://127.0.0.1:${port}`,
        certificateSha256: certificateSha256(other.der),
      }).then(
        () => assert.fail('it is found out'),
        (thrown: unknown) => TidemarkError.from(thrown),
      );
      assert.equal(error.code, errorCodes.daemonCertificateMismatch);
      assert.match(error.message, /somebody is in between/);
    } finally {
      between.close();
    }
  });

  it('is told from a port where nothing listens, where plain TCP does, and where silence does', async () => {
    const silent = createTcpServer();
    const talking = createTcpServer((socket) => socket.on('error', () => undefined).end('SSH-2.0-OpenSSH_9.9\r\n'));
    const portOf = async (server: typeof silent): Promise<number> => {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on TCP
      return (server.address() as AddressInfo).port;
    };
    const ports = [await portOf(silent), await portOf(talking)];
    try {
      for (const port of [...ports, 1]) {
        await assert.rejects(connect({ url: `https://127.0.0.1:${port}`, timeoutMs: 300 }), {
          code: errorCodes.daemonNotRunning,
        });
      }
      await assert.rejects(connect({ url: 'http://127.0.0.1:1' }), { code: errorCodes.invalidInput });
    } finally {
      silent.close();
      talking.close();
    }
  });

  it('lets nobody in who says nothing, or sends something else than the exchange', async () => {
    const target = new URL(url);
    const options = { host: target.hostname, port: Number(target.port), rejectUnauthorized: false };
    for (const said of [
      'Content-Length: 2\r\n\r\n{}',
      `${'x'.repeat(10_000)}\n`,
      'tidemark-daemon-remote 1 nonsense\n',
    ]) {
      const socket = connectTls({ ...options, ALPNProtocols: [remoteAlpn] });
      let answer = '';
      socket.on('data', (chunk) => (answer += String(chunk))).on('error', () => undefined);
      socket.write(said);
      if (said.startsWith('Content')) socket.end();
      await new Promise((resolve) => socket.once('close', resolve));
      assert.doesNotMatch(answer, /^ok/);
    }
  });

  it('is asked by the command line with --daemon, and told there that relative paths mean nothing to it', async () => {
    const remote = ['--daemon', url, '--daemon-password-file', join(fixture.directory, 'd.pw')];
    const certificate = ['--daemon-certificate', certificateSha256Hex];
    const run = async (...args: string[]): Promise<string> => {
      const child = fixture.keep(spawn(process.execPath, [cliFile, ...args], { stdio: ['ignore', 'pipe', 'pipe'] }));
      let out = '';
      child.stdout?.on('data', (chunk) => (out += String(chunk)));
      const end = await ended(child);
      return `${end}\n${out}`;
    };
    assert.match(await run(...remote, ...certificate, 'daemon', 'status'), new RegExp(`^0[^]*${url}`));
    assert.match(await run(...remote, 'host', 'list'), /^1 [^]*TM5006/);
    assert.match(await run(...remote, '--data', fixture.data, 'host', 'list'), /^2 [^]*--data/);
    const init = ['repo', 'init', 'main', 'backup', '--password-file', join(fixture.directory, 'd.pw')];
    assert.match(await run(...remote, ...certificate, ...init), /^2 [^]*absolute path/);
    assert.match(await run(...remote, ...certificate, 'daemon', 'start'), /^2 [^]*on its own machine/);
  });

  it('does not start where it cannot listen, and says so', async () => {
    await using second = new DaemonFixture();
    const said = await ended(launch(second, url));
    assert.match(said, /cannot listen on 127\.0\.0\.1/);
    assert.match(said, /TM5004/);
  });
});
