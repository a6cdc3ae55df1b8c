import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

import { installDaemon, removeOldCopies } from '../../../client/daemon/install.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';

async function site(t: TestContext): Promise<{ source: string; dataDirectory: string; version: string }> {
  const root = await mkdtemp(join(tmpdir(), 'tidemark-install-'));
  t.after(async () => rm(root, { recursive: true, force: true }));
  const source = join(root, 'bundle');
  await mkdir(source);
  await writeFile(join(source, 'tidemark.js'), 'export {};');
  await writeFile(join(source, 'chunk.js'), 'export const a = 1;');
  await writeFile(join(source, 'chunk.js.map'), '{}');
  return { source, dataDirectory: join(root, 'data'), version: '0.1.0' };
}

test('the copy is whole, lies under the data directory, and its scripts are modules there', async (t) => {
  const options = await site(t);
  const copy = await installDaemon(options);
  assert.ok(copy.startsWith(join(options.dataDirectory, 'daemon', '0.1.0-')));
  assert.deepEqual((await readdir(copy)).sort(), ['chunk.js', 'package.json', 'tidemark.js']);
  assert.match(await readFile(join(copy, 'package.json'), 'utf8'), /"module"/);
});

test('a second installation finds the copy and leaves it alone', async (t) => {
  const options = await site(t);
  const copy = await installDaemon(options);
  await utimes(copy, 1000, 1000);
  assert.equal(await installDaemon(options), copy);
  assert.deepEqual(await readdir(join(options.dataDirectory, 'daemon')), [basename(copy)]);
});

test('other content under the same version is another copy', async (t) => {
  const options = await site(t);
  const copy = await installDaemon(options);
  await writeFile(join(options.source, 'chunk.js'), 'export const a = 2;');
  assert.notEqual(await installDaemon(options), copy);
});

test('a damaged copy is replaced', async (t) => {
  const options = await site(t);
  const copy = await installDaemon(options);
  await writeFile(join(copy, 'chunk.js'), '');
  assert.equal(await installDaemon(options), copy);
  assert.equal(await readFile(join(copy, 'chunk.js'), 'utf8'), 'export const a = 1;');
  await rm(join(copy, 'tidemark.js'));
  await installDaemon(options);
  assert.equal(await readFile(join(copy, 'tidemark.js'), 'utf8'), 'export {};');
  assert.deepEqual(await readdir(join(options.dataDirectory, 'daemon')), [basename(copy)]);
});

test('a folder of the bundle is copied and looked after too', async (t) => {
  const options = await site(t);
  await mkdir(join(options.source, 'Module'));
  await writeFile(join(options.source, 'Module', 'Main.psm1'), 'function A {}');
  const copy = await installDaemon(options);
  assert.equal(await readFile(join(copy, 'Module', 'Main.psm1'), 'utf8'), 'function A {}');
  await writeFile(join(copy, 'Module', 'Main.psm1'), '');
  assert.equal(await installDaemon(options), copy);
  assert.equal(await readFile(join(copy, 'Module', 'Main.psm1'), 'utf8'), 'function A {}');
});

test('windows that install at once end up with one whole copy and nothing beside it', async (t) => {
  const options = await site(t);
  const copies = await Promise.all(Array.from({ length: 8 }, async () => installDaemon(options)));
  assert.equal(new Set(copies).size, 1);
  assert.deepEqual(await readdir(join(options.dataDirectory, 'daemon')), [basename(copies[0] ?? '')]);
});

test('where nothing can be written the error says so and what to do', async (t) => {
  const options = await site(t);
  await writeFile(options.dataDirectory, 'a file where the folder should be');
  await assert.rejects(installDaemon(options), (error) => {
    assert.ok(TidemarkError.is(error, errorCodes.daemonStartFailed));
    assert.match(error.hint ?? '', /dataDirectory/);
    return true;
  });
});

test('old copies go, but the current one and ones just made by another window stay', async (t) => {
  const options = await site(t);
  const old = await installDaemon(options);
  await writeFile(join(options.source, 'chunk.js'), 'export const a = 2;');
  const young = await installDaemon(options);
  await writeFile(join(options.source, 'chunk.js'), 'export const a = 3;');
  const current = await installDaemon(options);
  await utimes(old, 1000, 1000);
  await utimes(current, 1000, 1000);
  assert.deepEqual(await removeOldCopies(current), [old]);
  assert.deepEqual(
    (await readdir(join(options.dataDirectory, 'daemon'))).sort(),
    [young, current].map((path) => basename(path)).sort(),
  );
});
