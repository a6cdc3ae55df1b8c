/** Hosts and disk files that are not as they should be: a clear error with its code and a hint, and nothing is lost. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, open, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

import { errorCodes } from '../../../server/protocol/errors.ts';
import { createDifferencingVhdx } from '../../../server/vhdx/index.ts';
import { hasTool, reportedError, tidemark, tool } from './support/command.ts';
import { agentFailpoint } from './support/hosts.ts';
import { checkNothingLeft } from './support/leftovers.ts';
import { sameBytes } from './support/files.ts';
import { diskName, Site, vmName } from './support/site.ts';

const timeout = 120_000;

test('a wrong password, a host that does not answer and a host nobody added are told apart', { timeout }, async (t) => {
  const site = await Site.withVm(t);
  const wrong = site.newFile('pw');
  await writeFile(wrong, 'not the password\n');
  const add = (name: string, url: string, password: string): string[] => [
    'host',
    'add',
    name,
    url,
    '--password-file',
    password,
  ];
  await site.run(['sim', 'init', site.root('hv02')]);
  await site.startAgent('hv02');
  const refused = await site.fails(add('other', site.url('hv02'), wrong), 'agentAuthenticationFailed');
  assert.ok(!JSON.stringify(refused).includes('not the password'));
  await site.fails(add('other', 'http://127.0.0.1:1', site.passwordFile), 'hostUnreachable');
  await site.fails(['host', 'test', 'other'], 'hostNotFound');
  await site.fails(add('hv01', site.url('hv01'), site.passwordFile), 'hostExists');
  await site.fails(add('other', site.url('hv01'), site.file('no-such-file')), 'invalidFile');
  await site.stopAgent('hv01');
  await site.fails(['host', 'test', 'hv01'], 'hostUnreachable');
  const run = await site.tryBackup();
  assert.equal(run.state, 'failed');
  assert.equal(run.error?.code, errorCodes.hostUnreachable);
  await site.startAgent('hv01');
  await site.backUp();
});

/** A certificate for 127.0.0.1 and its key. */
async function certificate(site: Site): Promise<{ readonly cert: string; readonly key: string }> {
  const cert = site.newFile('pem');
  const key = site.newFile('pem');
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  await tool('openssl', ['req', '-x509', ...kind, '-keyout', key, '-out', cert, '-days', '2', ...subject]);
  return { cert, key };
}

test(
  'another certificate than the one a host was added with is refused until somebody accepts it',
  { timeout, skip: !hasTool('openssl') && 'openssl is not installed' },
  async (t) => {
    const site = await Site.make(t);
    await site.run(['sim', 'init', site.root('hv01')]);
    await site.run(['sim', 'create-vm', site.root('hv01'), vmName, '--disk', `${diskName}=8MiB`]);
    await site.startAgent('hv01', { tls: await certificate(site) });
    await site.connectHost('hv01');
    await site.initRepository();
    const before = await site.backUp();
    await site.stopAgent('hv01');
    await site.startAgent('hv01', { tls: await certificate(site) });
    await site.fails(['host', 'test', 'hv01'], 'agentCertificateMismatch');
    const run = await site.tryBackup();
    assert.equal(run.error?.code, errorCodes.agentCertificateMismatch);
    await site.restore(before.id, 'raw');
    await site.run(['host', 'add', 'hv01', site.url('hv01'), '--password-file', site.passwordFile, '--replace']);
    assert.equal((await site.backUp()).type, 'incremental');
  },
);

/** A server that answers every connection with nonsense; its URL. */
async function nonsense(t: TestContext, answer: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('data', () => answer(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const address: AddressInfo | string | null = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return `http://127.0.0.1:${address.port}`;
}

test('a server that is no agent, or one that talks nonsense, is refused with a reason', { timeout }, async (t) => {
  const site = await Site.make(t);
  const pour = (socket: Socket): void => {
    const more = (): void => {
      while (!socket.destroyed && socket.write(randomBytes(65_536)));
    };
    socket.on('drain', more);
    more();
  };
  const upgraded = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tidemark-agent\r\n\r\n';
  const servers: Record<string, (socket: Socket) => void> = {
    'hangs up': (socket) => socket.end(),
    'is a web server': (socket) =>
      socket.end('HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello'),
    'sends random bytes without end': pour,
    'upgrades, then sends random bytes': (socket) => {
      socket.write(upgraded);
      pour(socket);
    },
    'sends a header without end': (socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\n');
      const more = (): void => {
        while (!socket.destroyed && socket.write(`X-Filler: ${'x'.repeat(60_000)}\r\n`));
      };
      socket.on('drain', more);
      more();
    },
  };
  for (const [what, answer] of Object.entries(servers)) {
    const url = await nonsense(t, answer);
    const args = ['host', 'add', 'fake', url, '--password-file', site.passwordFile];
    const result = await tidemark([...args, '--json', '--data', site.data]);
    assert.equal(result.code, 1, what);
    const { code, hint } = reportedError(result);
    const expected: readonly string[] = [
      errorCodes.agentProtocolViolation,
      errorCodes.agentConnectionLost,
      errorCodes.hostUnreachable,
    ];
    assert.ok(expected.includes(code), `${what}: ${result.stderr}`);
    assert.ok(hint !== undefined, what);
  }
  assert.deepEqual(await site.run(['host', 'list']), []);
});

test('an agent that vanishes in the middle of a run fails the run, not the daemon', { timeout }, async (t) => {
  const site = await Site.withVm(t);
  await site.guestWrites(40);
  const earlier = await site.backUp();
  const image = await site.guestDisk();
  await site.guestWrites(40);
  await site.stopAgent('hv01');
  await site.startAgent('hv01', { failpoint: agentFailpoint('export:read') });
  const run = await site.tryBackup();
  assert.equal(run.state, 'failed');
  assert.ok(run.error?.hint !== undefined);
  const codes: readonly string[] = [errorCodes.agentConnectionLost, errorCodes.hostUnreachable];
  assert.ok(codes.includes(run.error.code), run.error.message);
  assert.ok(await sameBytes(await site.restore(earlier.id, 'raw'), image));
  await site.startAgent('hv01');
  const next = await site.backUp();
  assert.equal(next.type, 'incremental', 'the base stayed usable');
  await checkNothingLeft(site, next.referencePointId);
});

test('a VHDX that is cut short, damaged or its own parent is refused and leaves no VM', { timeout }, async (t) => {
  const site = await Site.withVm(t);
  const root = site.root('hv01');
  const whole = join(root, 'vms', vmName, `${diskName}.vhdx`);
  await site.guestWrites(50);

  const copy = async (): Promise<string> => {
    const path = site.newFile('vhdx');
    await copyFile(whole, path);
    return path;
  };
  const short = await copy();
  await truncate(short, 900_000);
  const shortData = await copy();
  await truncate(shortData, (await readFile(whole)).length - 1024 * 1024);
  const badHeaders = await copy();
  // Both headers (MS-VHDX 2.2.2) lie at 64 and 128 KiB.
  await overwrite(badHeaders, 64 * 1024 + 4, Buffer.alloc(4, 0xee));
  await overwrite(badHeaders, 128 * 1024 + 4, Buffer.alloc(4, 0xee));
  const badRegions = await copy();
  // Both region tables (MS-VHDX 2.2.3) lie at 192 and 256 KiB.
  await overwrite(badRegions, 192 * 1024 + 4, Buffer.alloc(4, 0xee));
  await overwrite(badRegions, 256 * 1024 + 4, Buffer.alloc(4, 0xee));
  const text = site.newFile('vhdx');
  await writeFile(text, 'this is no disk\n');
  const loop = await copy();
  const child = site.newFile('vhdx');
  await createDifferencingVhdx(child, loop);
  await copyFile(child, loop);

  const cases: readonly (readonly [string, readonly (keyof typeof errorCodes)[]])[] = [
    [short, ['diskTruncated', 'diskCorrupt']],
    [shortData, ['diskTruncated']],
    [badHeaders, ['diskCorrupt']],
    [badRegions, ['diskCorrupt']],
    [text, ['diskFormatUnknown']],
    [loop, ['diskParentCycle', 'diskParentMismatch']],
    [child, ['diskParentCycle', 'diskParentMismatch']],
    [site.file('no-such.vhdx'), ['invalidFile']],
  ];
  for (const [path, names] of cases) {
    const args = ['sim', 'create-vm', root, 'bad', '--import-disk', `${diskName}=${path}`, '--json'];
    const result = await tidemark(args);
    assert.notEqual(result.code, 0, path);
    const { code, message, hint } = reportedError(result);
    const wanted: readonly string[] = names.map((name) => errorCodes[name]);
    assert.ok(wanted.includes(code), `${names.join()}: ${code} ${message}`);
    assert.ok(hint !== undefined && message.includes(path.slice(0, path.lastIndexOf('/'))), message);
    assert.deepEqual(await readdir(join(root, 'vms')), [vmName]);
    assert.deepEqual(await readdir(join(root, 'creating')), []);
  }
  await site.backUp();
});

async function overwrite(path: string, offset: number, bytes: Buffer): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.write(bytes, 0, bytes.length, offset);
  } finally {
    await file.close();
  }
}
