import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';

import { silentLogger } from '../../../server/base/log.ts';
import { executeVerify } from '../../../server/daemon/runs/verify.ts';
import { openSqliteStore } from '../../../server/daemon/store/sqlite.ts';
import type { Store } from '../../../server/daemon/store/store.ts';
import type { RunOutcome, VerifyRequest } from '../../../server/protocol/daemon.ts';
import { restorePointId } from '../../../server/protocol/ids.ts';
import type { StoredRestorePoint } from '../../../server/repository/index.ts';
import { backup, diskOf, idsOf, SmallRepository, vm } from '../repository/small-repository.ts';
import { hitNames } from '../repository/verify-sample.ts';
import { FakeBackup } from './support/fake-backup.ts';

const disks = [diskOf([1, 2, 3]), diskOf([1, 2, 3, 50]), diskOf([1, 2, 3, 50, 60])];

describe('a verification of new data', () => {
  let directory: string;
  let store: Store;
  let small: SmallRepository;
  /** Data packs that the next restore point did not bring. */
  let seen: Set<string>;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'tidemark-verify-'));
    store = openSqliteStore(join(directory, 'db'), silentLogger);
    small = await SmallRepository.create();
    seen = new Set();
  });
  afterEach(() => {
    store[Symbol.dispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  /** The next restore point of VM 1 and the pack with what only it stored. */
  const point = async (number: number): Promise<{ readonly made: StoredRestorePoint; readonly pack: string }> => {
    const made = await backup(small, { vm: 1, disks: [disks[number] ?? assert.fail()] });
    const files = [...small.storage.files().keys()].filter((name) => name.startsWith('d/') && !seen.has(name));
    for (const name of files) seen.add(name);
    return { made, pack: files[0] ?? assert.fail() };
  };
  const verify = async (
    points: readonly StoredRestorePoint[] | undefined,
    more: Partial<VerifyRequest> = { newOnly: true },
  ): Promise<Extract<RunOutcome, { readonly kind: 'verify' }>> => {
    const fake = new FakeBackup();
    const repositories = { open: async () => small.repository, names: () => ['main'] };
    const services = { ...fake.services, verified: store.verified, repositories };
    const restorePoints = points === undefined ? undefined : idsOf(points);
    const request: VerifyRequest = { kind: 'verify', repository: 'main', readData: true, restorePoints, ...more };
    const outcome = await executeVerify(request, fake.context, services);
    assert(outcome.kind === 'verify');
    return outcome;
  };

  it('leaves out what was read before, also by another verification, and after a restart', async () => {
    const p0 = await point(0);
    await verify(undefined, {});
    store[Symbol.dispose]();
    store = openSqliteStore(join(directory, 'db'), silentLogger);
    const p1 = await point(1);
    small.storage.flip(p0.pack, 200, 3);
    assert.deepEqual((await verify([p1.made])).problems, []);
    assert.deepEqual(store.verified.of('main'), [p1.made.id]);
  });

  it('reads what a verification did not read that did not come to its end', async () => {
    const p0 = await point(0);
    await verify([p0.made]);
    const p1 = await point(1);
    const original = small.repository.verify.bind(small.repository);
    small.repository.verify = async (options) => {
      await original(options);
      throw new Error('cancelled');
    };
    await assert.rejects(verify([p1.made]), /cancelled/);
    small.repository.verify = original;
    const p2 = await point(2);
    small.storage.flip(p1.pack, 200, 3);
    assert.deepEqual(hitNames((await verify([p2.made])).problems), idsOf([p1.made, p2.made]));
  });

  it('remembers nothing of a restore point that is damaged, nor of one that was looked at without its data', async () => {
    const p0 = await point(0);
    await verify([p0.made], { readData: false });
    assert.deepEqual(store.verified.of('main'), []);
    await verify([p0.made]);
    const p1 = await point(1);
    small.storage.flip(p1.pack, 200, 3);
    await verify([p1.made]);
    assert.deepEqual(store.verified.of('main'), [p0.made.id]);
    small.storage.flip(p0.pack, 200, 3);
    await verify([p0.made], {});
    assert.deepEqual(store.verified.of('main'), [], 'what was whole is not any more');
  });

  it('does not take what is made meanwhile for read', async () => {
    const p0 = await point(0);
    const original = small.repository.verify.bind(small.repository);
    small.repository.verify = async (options) => {
      const result = await original(options);
      await point(1);
      return result;
    };
    await verify(undefined, {});
    assert.deepEqual(store.verified.of('main'), [p0.made.id]);
  });

  it('forgets what it read with the repository: one of that name may be another copy later', () => {
    const restorePoint = restorePointId('01ARZ3NDEKTSV4RRFFQ69G5FAV', '');
    store.putRepository({ name: 'main', location: '/backup', id: '1' });
    const whole = [{ vmId: vm(1), restorePoint }];
    store.verified.record('main', { whole, damaged: [] });
    store.verified.record('second', { whole, damaged: [] });
    store.deleteRepository('main');
    assert.deepEqual([store.verified.of('main'), store.verified.of('second')], [[], [restorePoint]]);
  });
});
