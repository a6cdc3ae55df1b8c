import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { freePort, logIn, password } from './support/agent.ts';
import { madePackages } from './support/packages.ts';
import { eventually, Wine } from './support/wine.ts';

const { old: made } = madePackages();
const node = String.raw`C:\agent\node.exe`;
const script = String.raw`C:\agent\server\tidemark.js`;
let wine: Wine;

before(async () => {
  wine = await Wine.create();
  wine.copyIn(made.folder, String.raw`C:\agent`);
});
after(async () => wine[Symbol.asyncDispose]());

const tidemark = async (...args: readonly string[]): ReturnType<Wine['run']> => wine.run(node, [script, ...args]);

test('tidemark.cmd runs the command with the Node beside it, and passes its exit code on', async () => {
  const cmd = (...args: readonly string[]): ReturnType<Wine['run']> =>
    wine.run('cmd', ['/c', String.raw`C:\agent\tidemark.cmd`, ...args]);
  assert.deepEqual(await cmd('--version'), { code: 0, output: `${made.version}\n` });
  assert.equal((await cmd('no-such-command')).code, 2);
});

test('an agent that was set up on Windows serves a host to Linux over TLS, and nobody without the password', async () => {
  const port = await freePort();
  wine.write(String.raw`C:\pw.txt`, `${password}\r\n`);
  const setUp = ['--provider', 'simulated', '--root', String.raw`C:\host`, '--password-file', String.raw`C:\pw.txt`];
  assert.equal((await tidemark('sim', 'init', String.raw`C:\host`, '--name', 'HV01')).code, 0);
  const listen = ['--data', String.raw`C:\data`, '--listen', `https://127.0.0.1:${port}`];
  const done = await tidemark('agent', 'set-up', ...listen, ...setUp);
  assert.equal(done.code, 0, done.output);
  const certificateSha256 = /\b[0-9a-f]{64}\b/.exec(done.output)?.[0] ?? '';
  const agent = wine.start(
    node,
    [script, 'agent', '--config', String.raw`C:\data\config.json`],
    join(wine.prefix, 'agent.txt'),
  );
  try {
    const url = `https://127.0.0.1:${port}`;
    const host = await eventually('the agent answers', async () =>
      logIn({ url, certificateSha256 }).catch(() => undefined),
    );
    assert.equal(host.name, 'HV01');
    assert.equal(host.version, made.version);
    await assert.rejects(logIn({ url, certificateSha256 }, `${password}!`), { code: 'TM2002' });
    await assert.rejects(logIn({ url, certificateSha256: 'ab'.repeat(32) }), { code: 'TM2003' });
  } finally {
    agent.kill();
  }
});

test('a daemon is started on Windows, asked through its named pipe by other processes, and stopped', async () => {
  const data = ['--data', String.raw`C:\daemon`];
  assert.equal((await tidemark('daemon', 'start', ...data)).code, 0);
  const status = await tidemark('daemon', 'status', '--json', ...data);
  assert.equal(status.code, 0, status.output);
  assert.match(status.output, new RegExp(`"version": "${made.version}"`));
  const none = await tidemark('host', 'list', '--json', ...data);
  assert.deepEqual(JSON.parse(none.output), []);
  assert.equal((await tidemark('daemon', 'stop', ...data)).code, 0);
  assert.notEqual((await tidemark('daemon', 'status', ...data)).code, 0);
});
