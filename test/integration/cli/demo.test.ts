import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

import { array, boolean, integer, json, literal, object, oneOf, string } from '../../../server/protocol/parse.ts';
import { ended, startTidemark, tidemark } from '../acceptance/support/command.ts';

const restorePoint = object({
  id: string(),
  type: oneOf('full', 'incremental'),
  readBytes: integer(),
  storedBytes: integer(),
  identical: literal(true),
  note: string(),
  files: integer(1),
});
const demoDocument = object({
  folder: string(),
  kept: boolean,
  steps: array(object({ title: string(), milliseconds: integer() })),
  restorePoints: array(restorePoint),
});

async function temporary(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-test-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

test('The demo backs up, restores, compares, and leaves nothing behind', async (t) => {
  const folder = join(await temporary(t), 'demo');
  const result = await tidemark(['demo', '--json', '--dir', folder]);
  assert.equal(result.code, 0, result.stderr);
  assert.equal(result.stderr, '');
  const { restorePoints, steps, kept } = json(result.stdout, demoDocument, 'demo');
  assert.deepEqual(
    restorePoints.map(({ type }) => type),
    ['full', 'incremental', 'incremental'],
  );
  const [full, incremental, afterFailure] = restorePoints;
  assert.ok(full && incremental && afterFailure);
  assert.ok(incremental.readBytes * 4 < full.readBytes);
  assert.ok(afterFailure.readBytes >= incremental.readBytes, 'the coarser bitmap reports more');
  assert.ok(afterFailure.readBytes < full.readBytes);
  assert.equal(new Set(restorePoints.map(({ note }) => note)).size, 3);
  assert.ok(steps.length >= 10);
  assert.equal(kept, false);
  assert.ok(!existsSync(folder));
});

test('A kept demo stays up until Ctrl-C, what it says to try works, and the next demo takes its place', async (t) => {
  const folder = join(await temporary(t), 'demo');
  const child = startTidemark(['demo', '--keep', '--dir', folder]);
  const end = ended(child);
  let text = '';
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on('data', (data: Buffer) => {
      text += data.toString();
      if (text.includes('Stop with Ctrl-C.')) resolve();
    });
    child.once('close', () => reject(new Error(text)));
  });
  try {
    for (const line of text.split('\n')) assert.ok(line.length <= 80 || line.includes('tidemark '), line);
    const commands = [...text.matchAll(/^ {4}npx tidemark (.+)$/gm)].map((match) => (match[1] ?? '').split(' '));
    assert.ok(commands.length >= 8);
    for (const words of commands) {
      const tried = await tidemark(words);
      assert.equal(tried.code, 0, `${words.join(' ')}: ${tried.stderr}`);
    }
    const second = await tidemark(['demo', '--dir', folder, '--json']);
    assert.equal(second.code, 1);
    assert.match(second.stderr, /TM5005.*still runs/);
  } finally {
    child.kill('SIGINT');
  }
  const { code, stderr } = await end;
  assert.equal(code, 0, stderr);
  const port = Number(/http:\/\/127\.0\.0\.1:(\d+)/.exec(text)?.[1]);
  assert.equal(await listens(port), false);
  assert.equal((await tidemark(['daemon', 'status', '--data', join(folder, 'daemon')])).code, 1);
  assert.ok(existsSync(join(folder, 'host')));
  assert.deepEqual(await readdir(join(folder, 'host', 'export')), []);

  const interrupted = startTidemark(['demo', '--dir', folder]);
  const ending = ended(interrupted);
  await new Promise<void>((resolve) => {
    interrupted.stdout?.on('data', (data: Buffer) => {
      if (data.toString().includes('Full backup')) resolve();
    });
  });
  interrupted.kill('SIGINT');
  assert.equal((await ending).code, 1);
  assert.ok(!existsSync(folder));
});

test('The demo does not touch a folder that holds anything else', async (t) => {
  const folder = await temporary(t);
  await writeFile(join(folder, 'thesis.txt'), 'all of it');
  const result = await tidemark(['demo', '--dir', folder]);
  assert.equal(result.code, 1);
  assert.match(result.stderr, /TM6001/);
  assert.deepEqual(await readdir(folder), ['thesis.txt']);
  assert.equal(await readFile(join(folder, 'thesis.txt'), 'utf8'), 'all of it');
});
