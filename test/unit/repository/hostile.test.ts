import assert from 'node:assert/strict';
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';

import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { restorePointId } from '../../../server/protocol/ids.ts';
import { createRepository, openRepository } from '../../../server/repository/index.ts';
import type { Repository } from '../../../server/repository/index.ts';
import { assertDisk, backUp, changed, emptyRepository, password, signal, temporaryFolder, testVm } from './support.ts';
import type { Disk } from './support.ts';

const first: Disk = [1, 0, 2, 3];
const second = changed(first, { 1: 5 });

async function filled(path: string): Promise<{ location: string; open: () => Promise<Repository> }> {
  const location = join(path, 'r');
  const { recoveryKey } = await emptyRepository(location);
  const open = async (): Promise<Repository> => openRepository(location, { password: recoveryKey, signal });
  const repository = await open();
  const point = await backUp(repository, first);
  await backUp(repository, second, { base: { point, disk: first } });
  return { location, open };
}

function filesIn(location: string, folder: string): string[] {
  const entries = readdirSync(join(location, folder), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** Every restore point that can be listed either gives back its bytes or throws one of our errors. */
async function assertNeverWrong(repository: Repository): Promise<{ whole: number; refused: number }> {
  const { points, damaged } = await repository.listRestorePoints(signal);
  let whole = 0;
  let refused = damaged.length;
  for (const point of points) {
    try {
      await assertDisk(repository, point, point.disks[0]?.map.dataBytes === 3 * 65_536 ? first : second);
      await repository.readBlob(point.configuration, signal);
      whole += 1;
    } catch (error) {
      if (!TidemarkError.is(error)) throw error;
      refused += 1;
    }
  }
  return { whole, refused };
}

describe('files that were tampered with', () => {
  it('never give wrong bytes nor an unexpected error: one flipped bit anywhere in any file', async () => {
    using folder = temporaryFolder();
    const { location, open } = await filled(folder.path);
    for (const top of ['d', 'm', 'index', 'points', 'keys']) {
      for (const file of filesIn(location, top)) {
        const good = readFileSync(file);
        // Every damaged key slot costs a derivation of a key.
        const step = Math.max(1, Math.floor(good.length / (top === 'keys' ? 2 : 12)));
        for (let at = 0; at < good.length; at += step) {
          const bytes = Buffer.from(good);
          bytes[at] = (bytes[at] ?? 0) ^ 4;
          writeFileSync(file, bytes);
          let repository: Repository;
          try {
            repository = await open();
          } catch (error) {
            assert.ok(top === 'keys' && TidemarkError.is(error), `${file} byte ${at}: ${String(error)}`);
            continue;
          }
          const { whole, refused } = await assertNeverWrong(repository);
          assert.equal(whole + refused, 2, `${file} byte ${at}`);
        }
        writeFileSync(file, good);
      }
    }
    assert.deepEqual(await assertNeverWrong(await open()), { whole: 2, refused: 0 });
  });

  it('that are truncated or emptied are refused or worked around', async () => {
    using folder = temporaryFolder();
    const { location, open } = await filled(folder.path);
    for (const top of ['d', 'm', 'index', 'points']) {
      for (const file of filesIn(location, top)) {
        const good = readFileSync(file);
        for (const length of [0, 1, 40, 90, good.length - 1]) {
          truncateSync(file, Math.min(length, good.length - 1));
          const { whole, refused } = await assertNeverWrong(await open());
          assert.equal(whole + refused, 2);
          writeFileSync(file, good);
        }
      }
    }
  });

  it('that were swapped with others of their kind are noticed', async () => {
    using folder = temporaryFolder();
    const { location, open } = await filled(folder.path);
    for (const top of ['d', 'm', 'index', 'points']) {
      const [one, two] = filesIn(location, top);
      if (one === undefined || two === undefined) assert.fail(`fewer than two files in ${top}`);
      const swap = (): void => {
        renameSync(one, `${one}x`);
        renameSync(two, one);
        renameSync(`${one}x`, two);
      };
      swap();
      const { whole, refused } = await assertNeverWrong(await open());
      assert.equal(whole + refused, 2);
      if (top === 'points') assert.equal(refused, 2);
      swap();
    }
  });

  it('do not make a restore point one of another id or another VM', async () => {
    using folder = temporaryFolder();
    const { location, open } = await filled(folder.path);
    const [file] = filesIn(location, 'points');
    if (file === undefined) assert.fail('no restore point');
    const otherId = '01ARZ3NDEKTSV4RRFFQ69G5FAV';
    const otherVm = testVm.replaceAll('1', '9');
    copyFileSync(file, join(dirname(file), `${otherId}.rp`));
    mkdirSync(join(location, 'points', otherVm));
    copyFileSync(file, join(location, 'points', otherVm, file.slice(-29)));
    writeFileSync(join(location, 'points', 'letter.txt'), 'dear');
    const repository = await open();
    const { points, damaged } = await repository.listRestorePoints(signal);
    assert.equal(points.length, 2);
    assert.equal(damaged.length, 3);
    for (const { error } of damaged) assert.ok(TidemarkError.is(error, errorCodes.restorePointCorrupt));
    await assert.rejects(repository.readRestorePoint(restorePointId(otherId, 'id'), signal), {
      code: errorCodes.restorePointCorrupt,
    });
    await repository.deleteRestorePoint(restorePointId(otherId, 'id'), signal);
    assert.equal((await repository.listRestorePoints(signal)).damaged.length, 2);
  });

  it('of another repository are not taken in', async () => {
    using folder = temporaryFolder();
    const { location, open } = await filled(folder.path);
    const other = join(folder.path, 'other');
    const created = await createRepository(other, { password, signal });
    await backUp(created.repository, first);
    for (const top of ['index', 'points', 'keys']) {
      for (const file of filesIn(other, top)) {
        const target = join(location, file.slice(other.length));
        mkdirSync(dirname(target), { recursive: true });
        copyFileSync(file, target);
      }
    }
    const repository = await open();
    assert.ok(repository.warnings.length >= 2, repository.warnings.join('\n'));
    const { points, damaged } = await repository.listRestorePoints(signal);
    assert.equal(points.length, 2);
    assert.equal(damaged.length, 1);
    assert.deepEqual(await assertNeverWrong(repository), { whole: 2, refused: 1 });
  });

  it('or lost leave the repository open; once verify has seen it, the next full run stores the data again', async () => {
    using folder = temporaryFolder();
    const { location, open } = await filled(folder.path);
    rmSync(join(location, 'd'), { recursive: true });
    const repository = await open();
    assert.deepEqual(await assertNeverWrong(repository), { whole: 0, refused: 2 });
    const { problems } = await repository.verify({ readData: true, signal });
    assert.ok(problems.length > 0);
    await backUp(repository, first);
    await backUp(repository, second);
    assert.deepEqual(await assertNeverWrong(await open()), { whole: 4, refused: 0 });
  });
});
