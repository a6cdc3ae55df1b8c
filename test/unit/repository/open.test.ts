import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { errorCodes } from '../../../server/protocol/errors.ts';
import { createRepository, openRepository } from '../../../server/repository/index.ts';
import { encodeSelfChecked } from '../../../server/repository/self-checked.ts';
import { newRecoveryKey, parseRecoveryKey } from '../../../server/repository/recovery-key.ts';
import { assertDisk, backUp, emptyRepository, FailingBackend, password, signal, temporaryFolder } from './support.ts';

function editJson(path: string, edit: (value: Record<string, unknown>) => void): void {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by the code under test
  const value = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  edit(value);
  delete value['sum'];
  writeFileSync(path, encodeSelfChecked(value));
}

describe('creating a repository', () => {
  it('makes one that opens with its password and with its recovery key, however that is typed', async () => {
    using folder = temporaryFolder();
    const location = join(folder.path, 'new', 'r');
    const { repository, recoveryKey } = await createRepository(location, { password, signal });
    const typed = recoveryKey.toLowerCase().replaceAll('-', ' ');
    for (const secret of [password, recoveryKey, typed]) {
      const again = await openRepository(location, { password: secret, signal });
      assert.equal(again.id, repository.id);
      assert.deepEqual(again.exportKeys(), repository.exportKeys());
      assert.deepEqual(again.warnings, []);
    }
    assert.equal(
      readFileSync(join(location, 'config.json'), 'utf8'),
      readFileSync(join(location, 'config.json.bak'), 'utf8'),
    );
  });

  it('writes neither the password nor the recovery key nor a key anywhere', async () => {
    using folder = temporaryFolder();
    const { repository, recoveryKey } = await createRepository(folder.path, { password, signal });
    const { id, data, meta, sign } = repository.exportKeys();
    const secrets = [
      password,
      recoveryKey,
      parseRecoveryKey(recoveryKey) ?? '',
      ...[id, data, meta, sign].flatMap((key) => [
        Buffer.from(key).toString('base64'),
        Buffer.from(key).toString('hex'),
      ]),
    ];
    const names = readdirSync(folder.path, { recursive: true, encoding: 'utf8', withFileTypes: true });
    for (const file of names.filter((entry) => entry.isFile())) {
      const text = readFileSync(join(file.parentPath, file.name), 'latin1');
      for (const secret of secrets) assert.ok(!text.includes(secret), file.name);
    }
  });

  it('refuses a folder that holds a repository, other files, or is a file', async () => {
    using folder = temporaryFolder();
    const location = join(folder.path, 'r');
    await emptyRepository(location);
    const create = async (path: string): Promise<unknown> => createRepository(path, { password, signal });
    await assert.rejects(create(location), { code: errorCodes.repositoryExists });
    rmSync(join(location, 'config.json'));
    await assert.rejects(create(location), { code: errorCodes.repositoryExists });
    mkdirSync(join(folder.path, 'full'));
    writeFileSync(join(folder.path, 'full', 'letter.txt'), 'dear');
    await assert.rejects(create(join(folder.path, 'full')), { code: errorCodes.invalidInput });
    await assert.rejects(create(join(folder.path, 'full', 'letter.txt')), { code: errorCodes.invalidInput });
    assert.equal(readFileSync(join(folder.path, 'full', 'letter.txt'), 'utf8'), 'dear');
  });

  it('makes one repository when two are made in one place at once', async () => {
    using folder = temporaryFolder();
    const results = await Promise.allSettled(
      ['first', 'second'].map(async (secret) => createRepository(folder.path, { password: secret, signal })),
    );
    const made = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    assert.equal(made.length, 1);
    const again = await openRepository(folder.path, { password: made[0]?.recoveryKey ?? '', signal });
    assert.equal(again.id, made[0]?.repository.id);
  });
});

describe('opening a repository', () => {
  it('names what is wrong: nothing there, wrong password, mistyped recovery key', async () => {
    using folder = temporaryFolder();
    const location = join(folder.path, 'r');
    const { recoveryKey } = await emptyRepository(location);
    const open = async (path: string, secret: string): Promise<unknown> =>
      openRepository(path, { password: secret, signal });
    await assert.rejects(open(join(folder.path, 'none'), password), { code: errorCodes.repositoryNotFound });
    await assert.rejects(open(folder.path, password), { code: errorCodes.repositoryNotFound });
    const wrong = { code: errorCodes.repositoryWrongPassword, message: /^(?!.*horse)/ };
    await assert.rejects(open(location, 'wrong horse'), wrong);
    const mistyped = (recoveryKey.startsWith('A') ? 'B' : 'A') + recoveryKey.slice(1);
    await assert.rejects(open(location, mistyped), wrong);
    await assert.rejects(open(location, newRecoveryKey()), wrong);
  });

  it('refuses a newer version and unknown features by code, and reads what only writers must know', async () => {
    using folder = temporaryFolder();
    const location = join(folder.path, 'r');
    const { recoveryKey } = await emptyRepository(location);
    const config = join(location, 'config.json');
    const open = async (): ReturnType<typeof openRepository> =>
      openRepository(location, { password: recoveryKey, signal });
    const tooNew = { code: errorCodes.repositoryTooNew };
    editJson(config, (value) => (value['version'] = 2));
    await assert.rejects(open(), tooNew);
    editJson(config, (value) => Object.assign(value, { version: 1, features: { read: ['x'], write: [], gc: [] } }));
    await assert.rejects(open(), tooNew);
    editJson(config, (value) => Object.assign(value, { features: { read: [], write: ['x'], gc: ['y'] } }));
    const repository = await open();
    assert.deepEqual((await repository.listRestorePoints(signal)).points, []);
    await assert.rejects(repository.beginWrite({ signal, note: 'test' }), tooNew);
    await assert.rejects(repository.collectGarbage({ dryRun: true, now: false, signal }), tooNew);
  });

  it('uses and restores the copy when config.json is damaged, empty or gone, and the other way round', async () => {
    using folder = temporaryFolder();
    const location = join(folder.path, 'r');
    const { recoveryKey } = await emptyRepository(location);
    const good = readFileSync(join(location, 'config.json'), 'utf8');
    for (const name of ['config.json', 'config.json.bak']) {
      for (const bad of [undefined, '', '{', good.replace('zstd', 'lzma'), 'x'.repeat(200_000)]) {
        if (bad === undefined) rmSync(join(location, name));
        else writeFileSync(join(location, name), bad);
        const repository = await openRepository(location, { password: recoveryKey, signal });
        assert.equal(repository.warnings.length, 1);
        assert.match(repository.warnings[0] ?? '', new RegExp(name));
        assert.equal(readFileSync(join(location, name), 'utf8'), good);
      }
    }
  });

  it('says so when both copies are damaged, or no key slot is left', async () => {
    using folder = temporaryFolder();
    const location = join(folder.path, 'r');
    const { recoveryKey } = await emptyRepository(location);
    const open = async (): Promise<unknown> => openRepository(location, { password: recoveryKey, signal });
    const keys = join(location, 'keys');
    const slots = readdirSync(keys);
    assert.equal(slots.length, 2);
    for (const slot of slots) writeFileSync(join(keys, slot), '');
    await assert.rejects(open(), { code: errorCodes.repositoryCorrupt });
    for (const name of ['config.json', 'config.json.bak']) writeFileSync(join(location, name), 'nothing');
    await assert.rejects(open(), { code: errorCodes.repositoryCorrupt });
  });

  it('opens with the password when the recovery slot is damaged, and says so', async () => {
    using folder = temporaryFolder();
    const location = join(folder.path, 'r');
    const { recoveryKey } = await emptyRepository(location);
    const keys = join(location, 'keys');
    const isRecovery = (slot: string): boolean => readFileSync(join(keys, slot), 'utf8').includes('recovery');
    const recovery = readdirSync(keys).find(isRecovery) ?? assert.fail();
    writeFileSync(join(keys, recovery), readFileSync(join(keys, recovery)).subarray(0, 100));
    const repository = await openRepository(location, { password, signal });
    assert.equal(repository.warnings.length, 1);
    await assert.rejects(openRepository(location, { password: recoveryKey, signal }), {
      code: errorCodes.repositoryWrongPassword,
    });
  });

  it('does not do what a hostile key slot asks for', async () => {
    using folder = temporaryFolder();
    const location = join(folder.path, 'r');
    await emptyRepository(location);
    const keys = join(location, 'keys');
    for (const name of readdirSync(keys)) {
      if (readFileSync(join(keys, name), 'utf8').includes('recovery')) rmSync(join(keys, name));
    }
    const slot = join(keys, readdirSync(keys)[0] ?? '');
    for (const kdf of [
      { n: 1 << 22, r: 64, p: 1 },
      { n: 1 << 16, r: 32, p: 64 },
      { n: 65_535, r: 8, p: 1 },
      { n: 1 << 40, r: 8, p: 1 },
    ]) {
      editJson(slot, (value) => (value['kdf'] = { name: 'scrypt', ...kdf, salt: 'AAAA' }));
      await assert.rejects(openRepository(location, { password, signal }), { code: errorCodes.repositoryCorrupt });
    }
  });

  it('reads a repository on a storage that cannot be written, and refuses to write with TM4007', async () => {
    using folder = temporaryFolder();
    const location = join(folder.path, 'r');
    const { recoveryKey } = await emptyRepository(location);
    const disk = [1, 0, 2];
    const point = await backUp(await openRepository(location, { password: recoveryKey, signal }), disk);
    const backend = new FailingBackend(location, { call: 1, mode: 'refuse', code: errorCodes.repositoryReadOnly });
    const repository = await openRepository(location, { password: recoveryKey, signal, backend });
    await assertDisk(repository, point, disk);
    assert.equal((await repository.listRestorePoints(signal)).points.length, 1);
    const readOnly = { code: errorCodes.repositoryReadOnly };
    await assert.rejects(repository.beginWrite({ signal, note: 'test' }), readOnly);
    await assert.rejects(repository.deleteRestorePoint(point.id, signal), readOnly);
    assert.ok(existsSync(join(location, 'points')));
  });
});
