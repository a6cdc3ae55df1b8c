import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { after, test } from 'node:test';

import {
  readJsonFile,
  readPasswordFile,
  syncDirectory,
  systemCode,
  temporaryName,
  temporarySuffix,
  writeFileDurably,
} from '../../../server/base/files.ts';
import { integer, object } from '../../../server/protocol/parse.ts';

const directory = await mkdtemp(join(tmpdir(), 'tidemark-files-'));
after(async () => rm(directory, { recursive: true, force: true }));
const parser = object({ a: integer() });

test('a file is replaced as a whole and nothing else stays in its folder', async () => {
  const folder = join(directory, 'replace');
  await mkdir(folder);
  const path = join(folder, 'file');
  await writeFileDurably(path, 'old and long');
  await writeFileDurably(path, Buffer.from('new'));
  assert.equal(await readFile(path, 'utf8'), 'new');
  assert.deepEqual(await readdir(folder), ['file']);
});

test('a write that fails leaves the old file and no temporary one', async () => {
  const folder = join(directory, 'fail');
  await mkdir(join(folder, 'file', 'inside'), { recursive: true });
  await assert.rejects(writeFileDurably(join(folder, 'file'), 'x'));
  assert.deepEqual(await readdir(folder), ['file']);
  assert.deepEqual(await readdir(join(folder, 'file')), ['inside']);
});

test('a secret file is readable by its owner only', { skip: process.platform === 'win32' }, async () => {
  const path = join(directory, 'secret');
  await writeFileDurably(path, 'x', { mode: 0o600 });
  assert.equal((await stat(path)).mode & 0o777, 0o600);
});

test('a temporary name lies beside its file and is never the same', () => {
  const path = join(directory, 'x.json');
  const names = new Set(Array.from({ length: 100 }, () => temporaryName(path)));
  assert.equal(names.size, 100);
  for (const name of names) {
    assert.equal(dirname(name), directory);
    assert.ok(basename(name).startsWith('x.json.') && name.endsWith(temporarySuffix));
  }
});

test('a JSON file is parsed, a missing one is undefined, a damaged one TM1001, a huge one TM1003', async () => {
  const path = join(directory, 'value.json');
  assert.equal(await readJsonFile(path, parser), undefined);
  await writeFile(path, '{"a":1}');
  assert.deepEqual(await readJsonFile(path, parser), { a: 1 });
  await writeFile(path, '{"a":');
  await assert.rejects(readJsonFile(path, parser), { code: 'TM1001' });
  await writeFile(path, '{"a":-1}');
  await assert.rejects(readJsonFile(path, parser), { code: 'TM1001' });
  await writeFile(path, ' '.repeat(200));
  await assert.rejects(readJsonFile(path, parser, 100), { code: 'TM1003' });
});

test('a password is the first line, without its end and without a byte order mark', async () => {
  const path = join(directory, 'password');
  const cases: readonly (readonly [string, string])[] = [
    ['pencil', 'pencil'],
    ['pencil\n', 'pencil'],
    ['pencil\r\nmore\r\n', 'pencil'],
    [' pen cil \n', ' pen cil '],
    ['\uFEFFpencil\r\n', 'pencil'],
  ];
  for (const [content, password] of cases) {
    await writeFile(path, content);
    assert.equal(await readPasswordFile(path), password);
  }
});

test('a password file in UTF-16, as Windows PowerShell writes it, is read as what was meant', async () => {
  const path = join(directory, 'password');
  await writeFile(path, Buffer.from('\uFEFFblå Bänder 鍵 🔑\r\n', 'utf16le'));
  assert.equal(await readPasswordFile(path), 'blå Bänder 鍵 🔑');
});

test('a password file that is missing or empty is TM1003, and names itself', async () => {
  const path = join(directory, 'empty');
  await assert.rejects(readPasswordFile(path), { code: 'TM1003' });
  await writeFile(path, '\nsecond\n');
  await assert.rejects(readPasswordFile(path), (error) => error instanceof Error && error.message.includes(path));
});

test('a folder can be made durable, and a missing one is an error with its code', async () => {
  await syncDirectory(directory);
  if (process.platform === 'win32') return;
  await assert.rejects(syncDirectory(join(directory, 'none')), (error) => systemCode(error) === 'ENOENT');
  assert.equal(systemCode(new Error('x')), undefined);
});
