import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';

import { executePrune } from '../../../server/daemon/runs/prune.ts';
import type { PruneRequest, RunOutcome } from '../../../server/protocol/daemon.ts';
import { cancelledError, errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import type { Repository } from '../../../server/repository/index.ts';
import { FakeBackup } from './support/fake-backup.ts';

const id = (number: number): string => `01ARZ3NDEKTSV4RRFFQ6${String(number).padStart(6, '0')}`;

describe('a prune run', () => {
  let fake: FakeBackup;
  let points: { readonly id: string; readonly vmId: string }[];
  let deleted: string[];
  let damaged: Set<string>;
  let rotten: Set<string>;
  let pinned: Set<string>;
  /** Pinned after the prune looked. */
  let latePin: Set<string>;

  beforeEach(() => {
    fake = new FakeBackup();
    // Five of VM a, two of VM b, in no order.
    points = [3, 1, 5, 2, 4].map((number) => ({ id: id(number), vmId: 'a' }));
    points.push({ id: id(7), vmId: 'b' }, { id: id(6), vmId: 'b' });
    deleted = [];
    damaged = new Set();
    rotten = new Set();
    pinned = new Set();
    latePin = new Set();
  });

  const prune = async (more: Partial<PruneRequest> = {}): Promise<Extract<RunOutcome, { readonly kind: 'prune' }>> => {
    const repository = {
      refresh: async () => undefined,
      listRestorePoints: async () => ({
        points: points.map((point) => ({
          ...point,
          vmName: point.vmId,
          configuration: point.id,
          disks: [{ of: point.id }],
        })),
        damaged: [{ file: 'points/torn', error: new TidemarkError(errorCodes.restorePointCorrupt, 'torn') }],
      }),
      pins: async () => new Map([...pinned].map((point) => [point, { by: 'anna', at: '2026-01-01T00:00:00Z' }])),
      readBlob: async () => new Uint8Array(),
      openMap: ({ of }: { readonly of: string }) => ({
        lostChunks: async function* lostChunks() {
          if (rotten.has(of)) yield 7;
        },
        async *locatedChunks() {
          yield [];
          if (damaged.has(of)) throw new TidemarkError(errorCodes.blobMissing, `a chunk of ${of} is missing`);
        },
      }),
      deleteRestorePoint: async (point: string) => {
        if (latePin.has(point)) throw new TidemarkError(errorCodes.restorePointProtected, 'pinned');
        deleted.push(point);
        fake.onCall('delete');
      },
    };
    const services = {
      ...fake.services,
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a stand-in with what a prune uses
      repositories: { open: async () => repository as unknown as Repository, names: () => ['main'] },
    };
    const asked: PruneRequest = { kind: 'prune', repository: 'main', keepLast: 2, dryRun: false, ...more };
    const outcome = await executePrune(asked, fake.context, services);
    assert(outcome.kind === 'prune');
    return outcome;
  };

  it('keeps the newest of each VM and deletes the others, oldest first', async () => {
    const outcome = await prune();
    assert.deepEqual(deleted, [1, 2, 3].map(id));
    assert.deepEqual(outcome.removed, deleted);
    assert.deepEqual(outcome.kept.toSorted(), [4, 5, 6, 7].map(id));
  });

  it('names what would go in a dry run, and deletes nothing', async () => {
    const outcome = await prune({ keepLast: 1, dryRun: true });
    assert.deepEqual(outcome.removed.toSorted(), [1, 2, 3, 4, 6].map(id));
    assert.deepEqual(deleted, []);
  });

  it('says of each restore point which VM it is of, and why it stays or goes', async () => {
    pinned = new Set([id(2)]);
    damaged = new Set([id(5)]);
    const { decisions = [] } = await prune({ keepLast: 1, dryRun: true });
    assert.deepEqual(
      decisions
        .toSorted((a, b) => (a.restorePoint < b.restorePoint ? -1 : 1))
        .map(({ restorePoint, vm, keep, reasons }) => [restorePoint, vm, keep, reasons.join()]),
      [
        [id(1), 'a', false, 'older than the last 1'],
        [id(2), 'a', true, 'pinned'],
        [id(3), 'a', false, 'older than the last 1'],
        [id(4), 'a', true, 'the newest good one'],
        [id(5), 'a', true, 'last 1 of 1'],
        [id(6), 'b', false, 'older than the last 1'],
        [id(7), 'b', true, 'last 1 of 1'],
      ],
    );
  });

  it('also keeps the newest restore point that is whole when newer ones are damaged', async () => {
    damaged = new Set([5, 3].map(id));
    rotten = new Set([4].map(id));
    const outcome = await prune();
    assert.deepEqual(outcome.removed, [1, 3].map(id));
    assert.deepEqual(outcome.kept.filter((kept) => kept < id(6)).toSorted(), [2, 4, 5].map(id));
    assert.match(fake.warnings.join(), /not whole/);
  });

  it('leaves other VMs alone when some are named', async () => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- short names instead of GUIDs
    const outcome = await prune({ keepLast: 1, vms: ['b'] as unknown as PruneRequest['vms'] });
    assert.deepEqual(outcome.removed, [id(6)]);
    assert.deepEqual(outcome.kept, [id(7)]);
  });

  it('refuses a number together with a policy, and deletes nothing', async () => {
    await assert.rejects(prune({ keepLast: 1, policy: 'nightly' }), { code: errorCodes.invalidInput });
    assert.deepEqual(deleted, []);
  });

  it('never deletes what is pinned, also when that happens while it works', async () => {
    pinned = new Set([1, 6].map(id));
    latePin = new Set([id(3)]);
    const outcome = await prune({ keepLast: 1 });
    assert.deepEqual(outcome.removed, [2, 4].map(id));
    assert.deepEqual(deleted, outcome.removed);
    assert.deepEqual(outcome.kept.toSorted(), [1, 3, 5, 6, 7].map(id));
  });

  it('deletes nothing of a VM that has no restore point that is whole', async () => {
    damaged = new Set([1, 2, 3, 4, 5].map(id));
    const outcome = await prune();
    assert.deepEqual(outcome.removed, []);
    assert.match(fake.warnings.join(), /No restore point of a is whole/);
  });

  it('says which files it could not read, and leaves them alone', async () => {
    await prune();
    assert.match(fake.warnings.join(), /points\/torn cannot be read and was left alone/);
  });

  it('stops between two deletions when it is cancelled', async () => {
    fake.onCall = () => fake.controller.abort(cancelledError());
    await assert.rejects(prune(), { code: errorCodes.cancelled });
    assert.deepEqual(deleted, [id(1)]);
  });
});
