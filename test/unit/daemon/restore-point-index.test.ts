import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as untilTold } from 'node:timers/promises';

import * as fc from 'fast-check';

import { ulid } from '../../../server/base/ulid.ts';
import { silentLogger } from '../../../server/base/log.ts';
import { InventoryChanges } from '../../../server/daemon/changes.ts';
import { backupsByVm, RestorePointListing } from '../../../server/daemon/restore-point-index.ts';
import { RestorePoints } from '../../../server/daemon/restore-points.ts';
import type { RepositoryRegistry } from '../../../server/daemon/repositories.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { restorePointInfo } from '../../../server/protocol/model.ts';
import type { RestorePointInfo } from '../../../server/protocol/model.ts';

const { signal } = new AbortController();
const begin = Date.UTC(2026, 0, 1);
const hourMs = 3_600_000;

/** A restore point an hour after the one before. */
function point(number: number, more: object = {}, repository = 'main'): RestorePointInfo {
  const vm = number % 3;
  const createdAt = new Date(begin + number * hourMs).toISOString();
  return restorePointInfo(
    {
      id: ulid(begin + number * hourMs),
      repository,
      vmId: `00000000-0000-4000-8000-00000000000${vm}`,
      vmName: `vm${vm}`,
      host: 'hv01',
      createdAt,
      finishedAt: createdAt,
      type: number < 3 ? 'full' : 'incremental',
      consistency: 'crash',
      disks: [],
      warnings: [],
      ...more,
    },
    'point',
  );
}

/** Repositories in memory; a list that is not there cannot be opened. */
function registry(repositories: Record<string, RestorePointInfo[] | undefined>): {
  readonly points: RestorePoints;
  readonly changes: InventoryChanges;
  readonly listings: () => number;
  /** Pins of all repositories. */
  readonly pins: Map<string, object>;
} {
  let listings = 0;
  const pins = new Map<string, object>();
  const fake = {
    names: () => Object.keys(repositories),
    open: async (name: string) => {
      const points = repositories[name];
      if (points === undefined) throw new TidemarkError(errorCodes.repositoryUnavailable, 'away');
      return {
        listRestorePoints: async () => {
          listings += 1;
          return { points: [...points], damaged: [] };
        },
        pins: async () => new Map(pins),
      };
    },
  };
  const changes = new InventoryChanges();
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a stand-in with what is used
  const points = new RestorePoints(fake as unknown as RepositoryRegistry, changes, silentLogger);
  return { points, changes, listings: () => listings, pins };
}

const all = Array.from({ length: 100 }, (_, number) => point(number));

describe('restore points in memory', () => {
  it('come in pages, newest first, that together are all that fit the filter, each once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 120 }),
        fc.constantFrom(undefined, 'VM1', '00000000-0000-4000-8000-000000000002', 'nobody'),
        fc.constantFrom(undefined, '2026-01-03'),
        async (limit, vm, day) => {
          const { points } = registry({ main: all });
          const expected = all.filter(
            (one) =>
              (vm === undefined || one.vmName.toUpperCase() === vm || one.vmId === vm) &&
              (day === undefined || one.createdAt.startsWith(day)),
          );
          const seen: string[] = [];
          for (let before: RestorePointInfo['id'] | undefined; ;) {
            const page = await points.list({ repository: 'main', vm, day, limit, before }, signal);
            assert.equal(page.total, expected.length);
            seen.push(...page.restorePoints.map(({ id }) => id));
            assert.equal(page.hasMore, seen.length < expected.length);
            if (seen.length >= expected.length) break;
            before = page.restorePoints.at(-1)?.id;
          }
          assert.deepEqual(seen, expected.map(({ id }) => id).toReversed());
        },
      ),
      { numRuns: 60 },
    );
  });

  it('belong to days of the calendar where the user lives', async () => {
    const { points } = registry({ main: [point(0, { createdAt: '2026-01-01T23:30:00Z' })] });
    const days = async (timezone?: string): Promise<string | undefined> =>
      (await points.summary('main', timezone, signal)).days[0]?.day;
    assert.equal(await days(), '2026-01-01');
    assert.equal(await days('Europe/Warsaw'), '2026-01-02');
    assert.equal(await days('America/New_York'), '2026-01-01');
    await assert.rejects(days('Mars/Base'), { code: errorCodes.invalidInput });
  });

  it('are counted by VM and by day', async () => {
    const { points } = registry({ main: all });
    const { vms, days, restorePoints } = await points.summary('main', undefined, signal);
    assert.equal(restorePoints, 100);
    assert.deepEqual(
      vms.map(({ vmName, count }) => [vmName, count]),
      [
        ['vm0', 34],
        ['vm1', 33],
        ['vm2', 33],
      ],
    );
    assert.deepEqual(days[0], { day: '2026-01-05', count: 4 });
    assert.equal(days.length, 5);
  });

  it('are listed once for many pages, and again after something was written', async () => {
    const stored = [...all];
    const { points, listings, changes } = registry({ main: stored });
    const told: unknown[] = [];
    changes.onChange((event) => told.push(event));
    const page = async (): Promise<number | undefined> =>
      (await points.list({ repository: 'main', limit: 1 }, signal)).total;
    assert.deepEqual(await Promise.all([page(), page(), page()]), [100, 100, 100]);
    assert.equal(listings(), 1);
    stored.push(point(100));
    assert.equal(await page(), 100, 'nobody said that something changed');
    points.invalidate('main');
    assert.equal(await page(), 101);
    await new Promise(setImmediate);
    assert.deepEqual(told.at(-1), { kind: 'restorePoints', repository: 'main' });
    assert.equal(told.length, 2);
  });

  it('name a repository that cannot be read, and show the others', async () => {
    const { points } = registry({ main: all, away: undefined });
    const page = await points.list({ limit: 10 }, signal);
    assert.equal(page.restorePoints.length, 10);
    assert.deepEqual(
      page.damaged.map(({ repository }) => repository),
      ['away'],
    );
    await assert.rejects(points.list({ repository: 'away', limit: 10 }, signal), {
      code: errorCodes.repositoryUnavailable,
    });
    assert.equal((await points.byVm(1000, signal)).size, 3, 'a list of VMs does without it');
  });

  it('tell how often a VM was backed up, and how long ago in full, over all repositories', () => {
    const here = new RestorePointListing('main', [point(0), point(3), point(6)], [], () => undefined);
    const there = new RestorePointListing(
      'other',
      [point(9, { type: 'full' }, 'other'), point(12, {}, 'other')],
      [],
      () => undefined,
    );
    const backups = backupsByVm([here, there]).get(point(0).vmId);
    assert.equal(backups?.restorePoints, 5);
    assert.equal(backups?.last.repository, 'other');
    assert.equal(backups?.lastFull?.createdAt, point(9).createdAt);
    assert.equal(backups?.incrementalsSinceFull, 1);
    assert.equal(backups?.oldestAt, point(0).createdAt);
    const noFull = backupsByVm([new RestorePointListing('main', [point(3), point(6)], [], () => undefined)]).get(
      point(0).vmId,
    );
    assert.deepEqual([noFull?.lastFull, noFull?.incrementalsSinceFull], [undefined, 2]);
  });

  it('show who pinned them, and tell when that changes', async () => {
    const pinned = { by: 'anna@laptop', at: '2026-01-31T12:00:00Z' };
    const { points, changes, pins } = registry({ main: [point(0), point(1)] });
    const first = await points.list({}, signal);
    const shown = first.restorePoints[1];
    assert(shown);
    assert.equal(shown.pinned, undefined);
    await untilTold();
    let told = 0;
    changes.onChange(() => (told += 1));
    pins.set(shown.id, { ...pinned });
    const again = await points.list({}, signal);
    assert.deepEqual(again.restorePoints[1]?.pinned, pinned);
    assert.equal(again.restorePoints[0], first.restorePoints[0]);
    await untilTold();
    pins.set(shown.id, { ...pinned });
    await points.list({}, signal);
    await untilTold();
    assert.equal(told, 1);
  });
});
