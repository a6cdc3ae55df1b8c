import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { proveAsClient } from '../../../server/base/mutual-proof.ts';
import { readRendezvous, rendezvousPaths } from '../../../server/base/rendezvous.ts';
import { connectDaemon } from '../../../server/connect/index.ts';
import * as protocol from '../../../server/protocol/daemon.ts';
import { errorCodes } from '../../../server/protocol/errors.ts';
import { DaemonFixture } from '../support/daemon-fixture.ts';

async function addressOf(fixture: DaemonFixture): Promise<string> {
  const found = await readRendezvous(fixture.data);
  assert(found, 'the daemon says where it listens');
  return found.rendezvous.address;
}

describe('the proof before the first byte', () => {
  it('refuses a client with a wrong token, tells it nothing, and goes on serving others', async () => {
    await using fixture = new DaemonFixture();
    await fixture.start();
    const socket = createConnection({ path: await addressOf(fixture) });
    await assert.rejects(proveAsClient(socket, randomBytes(32)), { code: errorCodes.daemonAuthenticationFailed });
    const client = await fixture.connect();
    assert.equal((await client.request(protocol.getDaemonStatus, {})).activeRuns, 0);
  });

  it('sends no byte to a client that says nothing, speaks JSON-RPC at once, or gives a wrong second line', async () => {
    await using fixture = new DaemonFixture();
    await fixture.start();
    const address = await addressOf(fixture);
    const body = '{"jsonrpc":"2.0","id":1,"method":"tidemark/daemon/status","params":{}}';
    for (const first of [
      '',
      `Content-Length: ${body.length}\r\n\r\n${body}\n`,
      `tidemark-daemon 1 ${'0'.repeat(63)}\n`,
    ]) {
      const socket = createConnection({ path: address });
      let received = '';
      socket.on('data', (chunk) => (received += String(chunk))).on('error', () => undefined);
      socket.write(first);
      if (first === '') await sleep(300);
      else await once(socket, 'close');
      assert.equal(received, '');
      socket.destroy();
    }
    const socket = createConnection({ path: address });
    let received = '';
    socket.on('data', (chunk) => (received += String(chunk))).on('error', () => undefined);
    socket.write(`tidemark-daemon 1 ${'0'.repeat(64)}\n`);
    await once(socket, 'data');
    const proved = received;
    socket.write(`${'0'.repeat(64)}\nContent-Length: ${body.length}\r\n\r\n${body}`);
    await once(socket, 'close');
    assert.equal(received, proved, 'after its own proof the daemon says nothing more');
    assert.match(proved, /^[0-9a-f]{64} [0-9a-f]{64}\n$/);
  });

  it('does not take a stranger that holds the address for the daemon, nor show it the token', async () => {
    await using fixture = new DaemonFixture();
    const daemon = await fixture.start();
    const paths = rendezvousPaths(fixture.data);
    const [rendezvous, token] = [readFileSync(paths.file, 'utf8'), readFileSync(paths.token, 'utf8')];
    daemon.kill('SIGKILL');
    await once(daemon, 'exit');
    const address = join(fixture.directory, 'squatted');
    let heard = '';
    const stranger = createServer((socket) => {
      socket
        .on('error', () => undefined)
        .on('data', (chunk) => {
          heard += String(chunk);
          socket.write(`${'a'.repeat(64)} ${'b'.repeat(64)}\n`);
        });
    });
    stranger.listen(address);
    await once(stranger, 'listening');
    try {
      writeFileSync(paths.file, JSON.stringify({ ...JSON.parse(rendezvous), address }));
      const connecting = connectDaemon({ dataDirectory: fixture.data, client: 'test' });
      await assert.rejects(connecting, { code: errorCodes.daemonAuthenticationFailed });
      assert.match(heard, /^tidemark-daemon 1 [0-9a-f]{64}\n$/, 'the stranger hears a greeting and nothing else');
      assert(!heard.includes(token.trim()));
    } finally {
      stranger.close();
    }
  });

  it('keeps everything in the data directory to its owner', { skip: process.platform === 'win32' }, async () => {
    await using fixture = new DaemonFixture();
    await fixture.start();
    await fixture.prepare();
    const paths = rendezvousPaths(fixture.data);
    const files = [paths.file, paths.token, await addressOf(fixture)];
    for (const name of ['secrets.json', 'owner', 'tidemark.db', 'tidemark.db-wal', 'logs/daemon.log']) {
      files.push(join(fixture.data, name));
    }
    for (const file of files) assert.equal(statSync(file).mode & 0o077, 0, file);
    for (const directory of ['', 'run', 'logs']) {
      assert.equal(statSync(join(fixture.data, directory)).mode & 0o077, 0, directory);
    }
  });
});
