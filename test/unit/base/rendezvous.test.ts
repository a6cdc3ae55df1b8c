import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

import { readRendezvous, removeRendezvous, rendezvousPaths, writeRendezvous } from '../../../server/base/rendezvous.ts';

const value = {
  format: 1,
  instance: 'abc',
  pid: 4711,
  startedAt: '2026-01-31T20:15:00.000Z',
  address: '/run/x.sock',
  protocol: { min: 1, max: 1 },
  version: '0.1.0',
  logFile: '/var/log/x',
} as const;

async function directoryFor(context: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'tidemark-run-'));
  context.after(async () => rm(directory, { recursive: true, force: true }));
  return directory;
}

test('what a daemon publishes is what a client finds, until it is taken away', async (context) => {
  const directory = await directoryFor(context);
  const token = randomBytes(32);
  assert.equal(await readRendezvous(directory), undefined);
  await writeRendezvous(directory, value, token);
  assert.deepEqual(await readRendezvous(directory), { rendezvous: value, token });
  await removeRendezvous(directory);
  await removeRendezvous(directory);
  assert.equal(await readRendezvous(directory), undefined);
});

test('only their owner can read the files', { skip: process.platform === 'win32' }, async (context) => {
  const directory = await directoryFor(context);
  await writeRendezvous(directory, value, randomBytes(32));
  const paths = rendezvousPaths(directory);
  assert.equal((await stat(paths.directory)).mode & 0o777, 0o700);
  for (const path of [paths.file, paths.token]) assert.equal((await stat(path)).mode & 0o777, 0o600);
});

test('damaged files are an error that says so, never a daemon', async (context) => {
  const directory = await directoryFor(context);
  await writeRendezvous(directory, value, randomBytes(32));
  const paths = rendezvousPaths(directory);
  await writeFile(paths.token, 'short\n');
  await assert.rejects(readRendezvous(directory), { code: 'TM5002' });
  await writeFile(paths.file, '{"format":1}');
  await assert.rejects(readRendezvous(directory), { code: 'TM1001' });
});
