import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { acquireFileLock, tryFileLock } from '../../../server/base/file-lock.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';

const directory = await mkdtemp(join(tmpdir(), 'tidemark-lock-'));
after(async () => rm(directory, { recursive: true, force: true }));
let next = 0;
const newPath = (): string => join(directory, `${next++}.lock`);
const moduleUrl = new URL('../../../server/base/file-lock.ts', import.meta.url).href;

test('a lock has one holder, and the next one gets it when it is released', () => {
  const path = newPath();
  const first = tryFileLock(path);
  assert.ok(first);
  assert.equal(tryFileLock(path), undefined);
  first.release();
  first.release();
  const second = tryFileLock(path);
  assert.ok(second);
  second.release();
});

test('using releases a lock', () => {
  const path = newPath();
  {
    using lock = tryFileLock(path);
    assert.ok(lock);
  }
  using again = tryFileLock(path);
  assert.ok(again);
});

test('whoever waits gets the lock when it becomes free', async () => {
  const path = newPath();
  const holder = tryFileLock(path);
  const waiting = acquireFileLock(path, { timeoutMs: 10_000 });
  await sleep(20);
  holder?.release();
  (await waiting).release();
});

test('a wait that is too long throws TM2113, or the error of the caller', async () => {
  const path = newPath();
  using holder = tryFileLock(path);
  assert.ok(holder);
  await assert.rejects(acquireFileLock(path, { timeoutMs: 0 }), { code: 'TM2113' });
  const own = new TidemarkError(errorCodes.repositoryLocked, 'Mine.');
  await assert.rejects(acquireFileLock(path, { timeoutMs: 20, onTimeout: () => own }), own);
});

test('a wait ends with the reason of its signal', async () => {
  const path = newPath();
  using holder = tryFileLock(path);
  assert.ok(holder);
  const controller = new AbortController();
  const waiting = acquireFileLock(path, { timeoutMs: 60_000, signal: controller.signal });
  controller.abort();
  await assert.rejects(waiting, { code: 'TM1999' });
});

test('the lock of a process that is killed is free again', async () => {
  const path = newPath();
  const script = `import { tryFileLock } from ${JSON.stringify(moduleUrl)};
    globalThis.lock = tryFileLock(${JSON.stringify(path)});
    console.log(globalThis.lock === undefined ? 'busy' : 'held');
    setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const said: unknown[] = await once(child.stdout, 'data');
  assert.equal(String(said[0]).trim(), 'held');
  assert.equal(tryFileLock(path), undefined);
  child.kill('SIGKILL');
  await once(child, 'exit');
  (await acquireFileLock(path, { timeoutMs: 5000 })).release();
});

test('a folder that does not exist is an error, not a busy lock', () => {
  assert.throws(() => tryFileLock(join(directory, 'missing', 'x.lock')));
});
