import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { errorCodes } from '../../../server/protocol/errors.ts';
import { openLocalBackend, openRepository } from '../../../server/repository/index.ts';
import type { StorageBackend, StoredFile } from '../../../server/repository/index.ts';
import { storageError } from '../../../server/repository/storage-errors.ts';
import { assertDisk, backUp, emptyRepository, FailingBackend, signal, temporaryFolder } from './support.ts';

async function listed(files: AsyncIterable<StoredFile>): Promise<string[]> {
  const names: string[] = [];
  for await (const file of files) names.push(file.name);
  return names;
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

describe('a directory as storage', () => {
  it('gives back whole files and ranges, lists them, and forgets deleted ones', async () => {
    using folder = temporaryFolder();
    const backend = openLocalBackend(folder.path);
    await backend.put('a/b/one', [Buffer.from('he'), Buffer.alloc(0), Buffer.from('llo')]);
    await backend.put('a/two', [Buffer.from('second')]);
    await backend.put('a/two', [Buffer.from('replaced')]);
    assert.equal(text(await backend.get('a/b/one')), 'hello');
    assert.equal(text(await backend.get('a/two', { range: { offset: 2, length: 3 } })), 'pla');
    assert.deepEqual(await listed(backend.list('a')), ['a/b/one', 'a/two']);
    assert.deepEqual(await listed(backend.list('')), ['a/b/one', 'a/two']);
    assert.deepEqual(await listed(backend.list('none')), []);
    assert.equal((await backend.stat('a/two'))?.bytes, 8);
    await backend.delete('a/two');
    await backend.delete('a/two');
    assert.equal(await backend.stat('a/two'), undefined);
    await assert.rejects(backend.get('a/two'), { code: errorCodes.repositoryFileMissing });
    await assert.rejects(backend.get('a/b/one', { range: { offset: 3, length: 3 } }), {
      code: errorCodes.repositoryCorrupt,
    });
    await assert.rejects(backend.get('a/b/one', { maxBytes: 4 }), { code: errorCodes.repositoryCorrupt });
  });

  it('does not replace a file when it must be absent, and leaves nothing behind', async () => {
    using folder = temporaryFolder();
    const backend = openLocalBackend(folder.path);
    await backend.put('one', [Buffer.from('first')], { ifAbsent: true });
    await assert.rejects(backend.put('one', [Buffer.from('second')], { ifAbsent: true }), {
      code: errorCodes.repositoryExists,
    });
    assert.equal(text(await backend.get('one')), 'first');
    assert.deepEqual(readdirSync(folder.path), ['one']);
  });

  it('names nothing outside its folder', async () => {
    using folder = temporaryFolder();
    mkdirSync(join(folder.path, 'r'));
    writeFileSync(join(folder.path, 'secret'), 'secret');
    const backend = openLocalBackend(join(folder.path, 'r'));
    for (const name of [
      '../secret',
      'a/../../secret',
      '/etc/passwd',
      '',
      'a//b',
      '.',
      'a/.',
      'a\\b',
      'a\0b',
      'x'.repeat(2000),
    ]) {
      await assert.rejects(backend.get(name), { code: errorCodes.internal }, JSON.stringify(name));
      await assert.rejects(backend.put(name, []), { code: errorCodes.internal });
      await assert.rejects(backend.delete(name), { code: errorCodes.internal });
    }
  });

  it('stops when cancelled, and leaves nothing behind', async () => {
    using folder = temporaryFolder();
    const backend = openLocalBackend(folder.path);
    const abort = new AbortController();
    const parts = Array.from({ length: 40 }, () => Buffer.alloc(4 * 1024 * 1024));
    const writing = backend.put('d/large', parts, { signal: abort.signal });
    setImmediate(() => abort.abort());
    await assert.rejects(writing, { code: errorCodes.cancelled });
    assert.deepEqual(await listed(backend.list('')), []);
    assert.deepEqual(await listed(backend.listUnfinished('')), []);
  });

  it('takes a file piece by piece, and shows it only when it is finished', async () => {
    using folder = temporaryFolder();
    const backend = openLocalBackend(folder.path);
    const writer = '01JD0000000000000000000000';
    const file = await backend.create('d', writer);
    file.append([Buffer.from('he'), Buffer.alloc(0), Buffer.from('l')]);
    file.append([]);
    file.append([Buffer.from('lo')]);
    assert.deepEqual(await listed(backend.list('')), []);
    const unfinished = await listed(backend.listUnfinished('d'));
    assert.deepEqual(
      await backend.listPieces('d'),
      unfinished.map((name) => ({ name, writer })),
    );
    assert.equal(unfinished.length, 1);
    await file.finish('d/ab/abcd');
    await file.discard();
    assert.equal(text(await backend.get('d/ab/abcd')), 'hello');
    assert.deepEqual(await listed(backend.listUnfinished('')), []);
  });

  it('leaves nothing of a file that is discarded or cannot get its name', async () => {
    using folder = temporaryFolder();
    const backend = openLocalBackend(folder.path);
    const discarded = await backend.create('d', '01JD0000000000000000000000');
    discarded.append([Buffer.from('x')]);
    await discarded.discard();
    await discarded.discard();
    assert.throws(() => discarded.append([Buffer.from('x')]), { code: errorCodes.repositoryUnavailable });
    writeFileSync(join(folder.path, 'file'), '');
    const nameless = await backend.create('d', '01JD0000000000000000000000');
    await assert.rejects(nameless.finish('file/ab'), { code: errorCodes.repositoryFileMissing });
    await assert.rejects(backend.create('../d', '01JD0000000000000000000000'), { code: errorCodes.internal });
    assert.deepEqual(readdirSync(join(folder.path, 'd')), []);
  });

  it('tells unfinished files from finished ones', async () => {
    using folder = temporaryFolder();
    const backend = openLocalBackend(folder.path);
    writeFileSync(join(folder.path, 'pack.0123456789ab.tmp'), 'half');
    assert.deepEqual(await listed(backend.list('')), []);
    assert.deepEqual(await listed(backend.listUnfinished('')), ['pack.0123456789ab.tmp']);
    await backend.delete('pack.0123456789ab.tmp');
    assert.deepEqual(readdirSync(folder.path), []);
  });

  it('does not make a folder for a disk that is not mounted', async () => {
    using folder = temporaryFolder();
    const location = join(folder.path, 'gone');
    const backend = openLocalBackend(location);
    await assert.rejects(backend.put('d/one', [Buffer.from('x')]));
    assert.equal(existsSync(location), false);
    await assert.rejects(listed(backend.list('')));
  });

  it('has a clock that its files agree with', async () => {
    using folder = temporaryFolder();
    const backend = openLocalBackend(folder.path);
    const before = await backend.now();
    await backend.put('one', [Buffer.from('x')]);
    const { modifiedMs } = (await backend.stat('one')) ?? assert.fail();
    const after = await backend.now();
    assert.ok(before <= modifiedMs && modifiedMs <= after);
    assert.deepEqual(readdirSync(folder.path), ['one']);
  });

  it('turns what the system says into what the user can do', () => {
    const system = (code: string): Error => Object.assign(new Error(code), { code });
    const codes = [
      ['ENOSPC', 'write', errorCodes.repositoryFull],
      ['EDQUOT', 'write', errorCodes.repositoryFull],
      ['EROFS', 'write', errorCodes.repositoryReadOnly],
      ['EACCES', 'write', errorCodes.repositoryReadOnly],
      ['EACCES', 'read', errorCodes.repositoryUnavailable],
      ['EIO', 'read', errorCodes.repositoryUnavailable],
      ['ENOENT', 'read', errorCodes.repositoryFileMissing],
    ] as const;
    for (const [code, operation, expected] of codes) {
      const error = storageError(system(code), 'file', operation);
      assert.equal(error.code, expected);
      assert.ok(error.hint !== undefined && error.cause !== undefined);
    }
  });
});

/** Mounts a small file system; false where that is not allowed. */
function mount(path: string, bytes: number): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=700`, 'tidemark-test', path], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

describe('a storage that is full', () => {
  it('fails the run with TM4006 at whichever write, and works again when there is room', async () => {
    using folder = temporaryFolder();
    const location = join(folder.path, 'r');
    const { recoveryKey } = await emptyRepository(location);
    const open = async (backend?: StorageBackend): ReturnType<typeof openRepository> =>
      openRepository(location, { password: recoveryKey, signal, backend });
    const disk = [1, 0, 2, 3];
    const point = await backUp(await open(), disk);
    for (let call = 1; call <= 5; call++) {
      const backend = new FailingBackend(location, { call, mode: 'refuse', code: errorCodes.repositoryFull });
      const next = disk.with(1, 100 + call);
      const failed = backUp(await open(backend), next, { base: { point, disk }, backend });
      await assert.rejects(failed, (error) => {
        const first: unknown = error instanceof SuppressedError ? error.suppressed : error;
        assert.ok(first instanceof Error && 'code' in first && first.code === errorCodes.repositoryFull, String(first));
        return true;
      });
      const repository = await open();
      await assertDisk(repository, point, disk);
      assert.equal((await repository.listRestorePoints(signal)).points.length, 1);
    }
    const repository = await open();
    await assertDisk(repository, await backUp(repository, disk.with(1, 9)), disk.with(1, 9));
  });

  it('is told from other failures on a real file system, which keeps what was stored before', async (context) => {
    using folder = temporaryFolder();
    const location = join(folder.path, 'r');
    mkdirSync(location);
    if (!mount(location, 3 * 1024 * 1024)) return context.skip('small file systems cannot be mounted here');
    try {
      const { recoveryKey } = await emptyRepository(location);
      const repository = await openRepository(location, { password: recoveryKey, signal });
      const disk = [1, 0, 2, 3];
      const point = await backUp(repository, disk);
      const large = Array.from({ length: 80 }, (_, chunk) => 1001 + 2 * chunk);
      await assert.rejects(backUp(repository, large), { code: errorCodes.repositoryFull });
      const again = await openRepository(location, { password: recoveryKey, signal });
      await assertDisk(again, point, disk);
      const next = disk.with(1, 5);
      await assertDisk(again, await backUp(again, next, { base: { point, disk } }), next);
      assert.deepEqual(await listed(openLocalBackend(location).listUnfinished('')), []);
    } finally {
      execFileSync('umount', [location]);
    }
  });

  it('and one that is mounted read-only are told apart on a real file system', async (context) => {
    using folder = temporaryFolder();
    const location = join(folder.path, 'r');
    mkdirSync(location);
    if (!mount(location, 3 * 1024 * 1024)) return context.skip('small file systems cannot be mounted here');
    try {
      const { recoveryKey } = await emptyRepository(location);
      const disk = [1, 0, 2, 3];
      const point = await backUp(await openRepository(location, { password: recoveryKey, signal }), disk);
      rmSync(join(location, 'config.json.bak'));
      execFileSync('mount', ['-o', 'remount,ro', location]);
      const repository = await openRepository(location, { password: recoveryKey, signal });
      assert.equal(repository.warnings.length, 1);
      await assertDisk(repository, point, disk);
      await assert.rejects(repository.beginWrite({ signal, note: 'test' }), { code: errorCodes.repositoryReadOnly });
    } finally {
      execFileSync('umount', [location]);
    }
  });

  it('or may not be written by this user is refused with TM4007', async (context) => {
    if (process.getuid?.() === 0) return context.skip('root may write everywhere');
    using folder = temporaryFolder();
    const location = join(folder.path, 'r');
    const { recoveryKey } = await emptyRepository(location);
    chmodSync(location, 0o500);
    const repository = await openRepository(location, { password: recoveryKey, signal });
    await assert.rejects(repository.beginWrite({ signal, note: 'test' }), { code: errorCodes.repositoryReadOnly });
    chmodSync(location, 0o700);
  });
});
