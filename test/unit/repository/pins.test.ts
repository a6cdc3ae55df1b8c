import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, it } from 'node:test';

import { errorCodes } from '../../../server/protocol/errors.ts';
import { restorePointId } from '../../../server/protocol/ids.ts';
import type { StoredRestorePoint } from '../../../server/repository/index.ts';
import { IndependentReader } from '../../support/independent-reader.ts';
import { backup, diskOf, password, signal, SmallRepository } from './small-repository.ts';
import { Died } from './test-storage.ts';

const pin = { by: 'anna@laptop', at: '2026-01-31T12:00:00Z', note: 'before the upgrade' };

describe('pins of a repository', () => {
  let small: SmallRepository;
  let point: StoredRestorePoint;
  let other: StoredRestorePoint;

  const pinned = async (): Promise<readonly string[]> => [...(await small.repository.pins(signal)).keys()];
  const file = (): string => `pins/${point.id}.pin`;

  beforeEach(async () => {
    small = await SmallRepository.create();
    point = await backup(small, { vm: 1, disks: [diskOf([1, 2])] });
    other = await backup(small, { vm: 1, disks: [diskOf([1, 2, 3])] });
  });

  it('survive, and are seen by another program at once', async () => {
    const second = await small.second();
    assert.deepEqual([...(await second.repository.pins(signal))], []);
    await small.repository.setPin(point.id, pin, signal);
    assert.deepEqual([...(await second.repository.pins(signal))], [[point.id, pin]]);
    await small.reopen();
    assert.deepEqual([...(await small.repository.pins(signal))], [[point.id, pin]]);
  });

  it('keep a restore point from being deleted until it is unpinned', async () => {
    await small.repository.setPin(point.id, pin, signal);
    const second = await small.second();
    await assert.rejects(second.repository.deleteRestorePoint(point.id, signal), {
      code: errorCodes.restorePointProtected,
      hint: /Unpin/,
    });
    assert.equal((await small.repository.listRestorePoints(signal)).points.length, 2);
    await second.repository.setPin(point.id, undefined, signal);
    await small.repository.deleteRestorePoint(point.id, signal);
    assert.deepEqual(await pinned(), []);
    const { points } = await small.repository.listRestorePoints(signal);
    assert.deepEqual(
      points.map(({ id }) => id),
      [other.id],
    );
  });

  it('count although they cannot be read, wherever they are damaged', async () => {
    await small.repository.setPin(point.id, { by: pin.by, at: pin.at }, signal);
    const bytes = small.storage.bytes(file());
    for (const damaged of [
      Buffer.alloc(0),
      bytes.subarray(0, 50),
      Buffer.concat([bytes, bytes]),
      Buffer.alloc(2 ** 20),
    ]) {
      small.storage.set(file(), damaged);
      await small.reopen();
      const found = (await small.repository.pins(signal)).get(point.id);
      assert.equal(found?.by, 'unknown');
      assert.match(small.repository.warnings.join(), /cannot be read. Its restore point counts as pinned/);
      await assert.rejects(small.repository.deleteRestorePoint(point.id, signal), {
        code: errorCodes.restorePointProtected,
      });
    }
    await small.repository.setPin(point.id, pin, signal);
    assert.deepEqual((await small.repository.pins(signal)).get(point.id), pin);
  });

  it('can be taken from one restore point to another only by pinning that one', async () => {
    await small.repository.setPin(point.id, pin, signal);
    small.storage.set(`pins/${other.id}.pin`, small.storage.bytes(file()));
    assert.equal((await small.repository.pins(signal)).get(other.id)?.by, 'unknown');
  });

  it('are refused for a restore point that is not there', async () => {
    await assert.rejects(small.repository.setPin(restorePointId('0'.repeat(26), ''), pin, signal), {
      code: errorCodes.restorePointNotFound,
    });
    assert.deepEqual(await pinned(), []);
  });

  it('are not promised of a restore point that another program deletes in that moment', async () => {
    const second = await small.second();
    const { storage } = small;
    storage.onChange = async (what) => {
      if (!what.startsWith('put pins/')) return;
      storage.onChange = undefined;
      await second.repository.deleteRestorePoint(point.id, signal);
    };
    await assert.rejects(small.repository.setPin(point.id, pin, signal), { code: errorCodes.restorePointNotFound });
    assert.deepEqual(await pinned(), []);
  });

  it('are not taken for foreign files by a verification, which finds each flipped bit in them', async () => {
    await small.repository.setPin(point.id, pin, signal);
    assert.deepEqual((await small.repository.verify({ readData: true, signal })).problems, []);
    const { length } = small.storage.bytes(file());
    for (let position = 0; position < length; position += 7) {
      small.storage.flip(file(), position, position % 8);
      const { problems } = await small.repository.verify({ readData: false, signal });
      assert.deepEqual(
        problems.map(({ what, restorePoints }) => [what, restorePoints]),
        [[file(), []]],
      );
      small.storage.flip(file(), position, position % 8);
    }
  });

  it('of a restore point that was deleted behind our back are no problem', async () => {
    await small.repository.setPin(point.id, pin, signal);
    small.storage.set(`points/${point.vmId}/${point.id}.rp`, undefined);
    assert.deepEqual((await small.repository.verify({ readData: false, signal })).problems, []);
    await small.repository.setPin(point.id, undefined, signal);
    assert.deepEqual(await pinned(), []);
  });

  it('let a damaged restore point be pinned, and then not be deleted', async () => {
    small.storage.set(`points/${point.vmId}/${point.id}.rp`, Buffer.from('torn'));
    await small.repository.setPin(point.id, pin, signal);
    await assert.rejects(small.repository.deleteRestorePoint(point.id, signal), {
      code: errorCodes.restorePointProtected,
    });
  });

  it('are there or not, and nothing else, whenever the storage dies', async () => {
    for (const afterwards of [false, true]) {
      const { storage } = small;
      storage.dieAt = storage.changes + 1;
      storage.dieAfterwards = afterwards;
      await assert.rejects(small.repository.setPin(point.id, pin, signal), Died);
      await small.reopen();
      assert.deepEqual(await pinned(), afterwards ? [point.id] : []);
      assert.deepEqual((await small.repository.verify({ readData: false, signal })).problems, []);
    }
  });

  it('are read by a program that knows only the documentation of the format', async () => {
    await small.repository.setPin(point.id, pin, signal);
    const location = mkdtempSync(join(tmpdir(), 'tidemark-pins-'));
    try {
      small.writeTo(location);
      const reader = new IndependentReader(location, password);
      assert.deepEqual(reader.readPins(), new Map([[point.id, pin]]));
    } finally {
      rmSync(location, { recursive: true, force: true });
    }
  });
});
