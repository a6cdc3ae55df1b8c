import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

import { RotatingFile } from '../../../server/base/rotating-file.ts';

function folder(context: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'tidemark-log-'));
  context.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test('a file that is full becomes the newest of the older ones, and the oldest goes', (context) => {
  const directory = folder(context);
  const path = join(directory, 'logs', 'a.log');
  using file = new RotatingFile(path, { maxBytes: 100, keep: 2 });
  for (let line = 0; line < 40; line++) file.write(`line ${String(line).padStart(4, '0')}`);
  assert.deepEqual(readdirSync(join(directory, 'logs')).toSorted(), ['a.log', 'a.log.1', 'a.log.2']);
  const text = ['.2', '.1', ''].map((end) => readFileSync(path + end, 'utf8')).join('');
  const lines = text.trimEnd().split('\n');
  assert.equal(lines.at(-1), 'line 0039');
  assert.deepEqual(lines, lines.toSorted());
  for (const end of ['', '.1', '.2']) assert.ok(statSync(path + end).size <= 100);
});

test('a file that is opened again goes on where it ended, and only its account may read it', (context) => {
  const path = join(folder(context), 'logs', 'a.log');
  for (const text of ['one', 'two']) {
    using file = new RotatingFile(path, { maxBytes: 10 });
    file.write(text);
  }
  assert.equal(readFileSync(path, 'utf8'), 'one\ntwo\n');
  if (process.platform !== 'win32') {
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(statSync(join(path, '..')).mode & 0o777, 0o700);
  }
});

test('a file that cannot be moved costs none of the older ones, and is moved when it can be', (context) => {
  const directory = folder(context);
  const path = join(directory, 'a.log');
  using file = new RotatingFile(path, { maxBytes: 10, keep: 2 });
  for (const text of ['11111111', '22222222', '33333333']) file.write(text);
  // As if somebody held the file: the place it moves to first is taken.
  mkdirSync(join(`${path}.rotating`, 'taken'), { recursive: true });
  for (const text of ['44444444', '55555555']) file.write(text);
  assert.equal(readFileSync(`${path}.1`, 'utf8'), '22222222\n');
  assert.equal(readFileSync(`${path}.2`, 'utf8'), '11111111\n');
  rmSync(`${path}.rotating`, { recursive: true });
  file.write('66666666');
  assert.equal(readFileSync(`${path}.1`, 'utf8'), '33333333\n44444444\n55555555\n');
  assert.equal(readFileSync(`${path}.2`, 'utf8'), '22222222\n');
  assert.equal(readFileSync(path, 'utf8'), '66666666\n');
});

test('a rotation that a crash interrupted is completed', (context) => {
  const path = join(folder(context), 'a.log');
  writeFileSync(`${path}.rotating`, 'aside\n');
  writeFileSync(`${path}.1`, 'older\n');
  using file = new RotatingFile(path, { keep: 2 });
  file.write('new');
  const read = ['', '.1', '.2'].map((end) => readFileSync(path + end, 'utf8'));
  assert.deepEqual(read, ['new\n', 'aside\n', 'older\n']);
});

test(
  'a disk that is full stops nobody, is told once, and what comes later is written',
  { skip: process.platform !== 'linux' },
  (context) => {
    const directory = join(folder(context), 'logs');
    const failures: unknown[] = [];
    const path = join(directory, 'a.log');
    using file = new RotatingFile(path, { maxBytes: 10, keep: 1, onFailure: (error) => failures.push(error) });
    file.write('12345678');
    // The folder goes: the next rotation cannot make a new file.
    rmSync(directory, { recursive: true });
    for (const text of ['lost 1', 'lost 2', 'lost 3']) file.write(text);
    assert.equal(failures.length, 1);
    mkdirSync(directory);
    file.write('here');
    assert.equal(readFileSync(path, 'utf8'), 'here\n');
  },
);
