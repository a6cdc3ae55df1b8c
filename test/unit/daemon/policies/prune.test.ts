import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';

import * as fc from 'fast-check';

import { ulid } from '../../../../server/base/ulid.ts';
import type { ActivePolicy } from '../../../../server/daemon/policies/api.ts';
import { FailedWithOutcome } from '../../../../server/daemon/runs/context.ts';
import { executePrune } from '../../../../server/daemon/runs/prune.ts';
import { parsePolicy } from '../../../../server/policy/index.ts';
import type { PruneRequest, RunOutcome } from '../../../../server/protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../../../server/protocol/errors.ts';
import { ownerId, restorePointId } from '../../../../server/protocol/ids.ts';
import type { OwnerId, RestorePointId } from '../../../../server/protocol/ids.ts';
import type { Repository } from '../../../../server/repository/index.ts';
import { FakeBackup, owner } from '../support/fake-backup.ts';

const dayMs = 86_400_000;
const begin = Date.UTC(2026, 0, 1, 2);

/** Ids come in the order in which restore points are made here. */
interface Point {
  readonly id: RestorePointId;
  readonly vmId: string;
  readonly policy?: string;
  readonly createdAt: string;
  readonly owner: OwnerId;
  /** Names of disks besides the first one. */
  readonly more?: readonly string[];
}

function point(day: number, vmId: string, policy?: string, createdMs = begin + day * dayMs): Point {
  const id = restorePointId(ulid(begin + day * dayMs), 'id');
  return { id, vmId, owner, createdAt: new Date(createdMs).toISOString(), ...(policy === undefined ? {} : { policy }) };
}

function applied(name: string, retention: string, repository = 'main'): ActivePolicy {
  const text = `name: ${name}\nrepository: ${repository}\nselect:\n  - { host: hv01, vms: ['*'] }\n${retention}`;
  const { policy } = parsePolicy(text);
  assert(policy, 'the text is a policy');
  const version = {
    version: 1,
    sha256: 'a'.repeat(64),
    at: '2026-01-01T00:00:00Z',
    by: 'x',
    change: 'applied',
  } as const;
  return { name, version, text, policy, paused: undefined };
}

describe('a prune by the retention of the policies', () => {
  let fake: FakeBackup;
  let points: Point[];
  let policies: ActivePolicy[];
  let deleted: RestorePointId[];
  let pinned: Set<RestorePointId | undefined>;
  let lost: Set<string>;
  let foundElsewhere: readonly string[];
  let missing: Set<string>;
  let mapsRead: string[];

  beforeEach(() => {
    fake = new FakeBackup();
    points = [];
    policies = [];
    deleted = [];
    pinned = new Set();
    lost = new Set();
    foundElsewhere = [];
    missing = new Set();
    mapsRead = [];
  });

  const repository = () => ({
    refresh: async () => {
      for (const id of foundElsewhere) lost.add(id);
    },
    listRestorePoints: async () => ({
      points: points
        .filter(({ id }) => !deleted.includes(id))
        .map((one) => ({
          ...one,
          vmName: one.vmId,
          configuration: one.id,
          disks: ['os', ...(one.more ?? [])].map((name) => ({ of: one.id, id: `id of ${name}`, name })),
        })),
      damaged: [],
    }),
    pins: async () => new Map([...pinned].map((id) => [id, {}])),
    readBlob: async () => new Uint8Array(),
    openMap: ({ of }: { readonly of: string }) => ({
      lostChunks: async function* lostChunks() {
        if (lost.has(of)) yield 7;
      },
      async *locatedChunks() {
        mapsRead.push(of);
        yield [];
        if (missing.has(of)) throw new TidemarkError(errorCodes.blobMissing, 'a chunk is missing');
      },
    }),
    deleteRestorePoint: async (id: RestorePointId) => {
      deleted.push(id);
      fake.onCall('delete');
    },
  });

  const prune = async (more: Partial<PruneRequest> = {}): Promise<Extract<RunOutcome, { readonly kind: 'prune' }>> => {
    const services = {
      ...fake.services,
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a stand-in with what a prune uses
      repositories: { open: async () => repository() as unknown as Repository, names: () => ['main'] },
      policies: {
        list: () => policies,
        get: (name: string) => {
          const found = policies.find((one) => one.name === name);
          if (found === undefined) throw new TidemarkError(errorCodes.policyNotFound, name);
          return found;
        },
      },
    };
    const asked: PruneRequest = { kind: 'prune', repository: 'main', dryRun: false, ...more };
    const outcome = await executePrune(asked, fake.context, services);
    assert(outcome.kind === 'prune');
    return outcome;
  };

  const daily = (count: number, vm: string, policy?: string): Point[] =>
    Array.from({ length: count }, (_, day) => point(day, vm, policy));

  it('keeps what the rules of each policy name, VM by VM, and says why', async () => {
    policies = [
      applied('a', 'retention: { keepLast: 2, keepMonthly: 2 }\n'),
      applied('b', 'retention: { keepLast: 1 }\n'),
    ];
    const ofA = daily(40, 'vm1', 'a');
    const ofB = daily(3, 'vm2', 'b');
    points = [...ofA, ...ofB];
    const outcome = await prune();
    // The last two, and the newest of January.
    const kept = [ofA[30], ofA[38], ofA[39], ofB[2]].map((one) => one?.id);
    assert.deepEqual(new Set(outcome.kept), new Set(kept));
    assert.deepEqual(new Set(outcome.removed), new Set(deleted));
    assert.equal(outcome.removed.length, 39);
    const reasons = new Map(outcome.decisions?.map((one) => [one.restorePoint, one.reasons.join(', ')]));
    const reasonOf = (one: Point | undefined): string | undefined => (one === undefined ? '' : reasons.get(one.id));
    assert.equal(reasonOf(ofA[30]), 'monthly 2 of 2');
    assert.match(reasonOf(ofA[39]) ?? '', /last 1 of 2, monthly 1 of 2, the newest good one/);
    assert.equal(reasonOf(ofA[0]), 'no rule keeps it');
    assert.equal(outcome.decisions?.length, 43);
  });

  it('deletes oldest first, and nothing in a dry run', async () => {
    policies = [applied('a', 'retention: { keepLast: 1 }\n')];
    points = daily(4, 'vm1', 'a');
    const ids = points.map(({ id }) => id);
    assert.deepEqual((await prune({ dryRun: true })).removed, ids.slice(0, 3));
    assert.deepEqual(deleted, []);
    await prune();
    assert.deepEqual(deleted, ids.slice(0, 3));
  });

  it('never touches what was made by hand, by other policies, or for other VMs than asked', async () => {
    policies = [
      applied('a', 'retention: { keepLast: 1 }\n'),
      applied('elsewhere', 'retention: { keepLast: 1 }\n', 'other'),
      applied('forever', ''),
    ];
    points = [
      ...daily(3, 'vm1'),
      ...daily(3, 'vm1', 'gone'),
      ...daily(3, 'vm1', 'elsewhere'),
      ...daily(3, 'vm1', 'forever'),
      ...daily(2, 'vm2', 'a'),
      ...daily(2, 'vm3', 'a'),
    ];
    const ofVm2 = points.filter(({ vmId }) => vmId === 'vm2').map(({ id }) => id);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- short names instead of GUIDs
    const outcome = await prune({ vms: ['vm2'] as unknown as PruneRequest['vms'] });
    assert.deepEqual(outcome.removed, ofVm2.slice(0, 1));
    // It is kept with each run of a policy, so it says only what is gone.
    assert.deepEqual(
      outcome.decisions?.map(({ restorePoint }) => restorePoint),
      outcome.removed,
    );
    assert.deepEqual(outcome.kept, ofVm2.slice(1));
    await prune();
    assert.equal(deleted.length, 2);
  });

  it('leaves alone what another daemon made under the same name, and goes on with what it began', async () => {
    const other = ownerId('1'.repeat(32), '');
    policies = [applied('a', 'retention: { keepLast: 1 }\n')];
    const foreign = [...daily(3, 'vm1', 'a'), ...daily(3, 'vm2', 'a')].map((one) => ({ ...one, owner: other }));
    points = [...foreign, point(5, 'vm1', 'a')];
    const outcome = await prune();
    assert.deepEqual(
      outcome.removed,
      foreign.slice(0, 3).map(({ id }) => id),
    );
  });

  it('does what is asked of one policy only, and refuses one that is not applied', async () => {
    policies = [applied('a', 'retention: { keepLast: 1 }\n'), applied('b', 'retention: { keepLast: 1 }\n')];
    points = [...daily(2, 'vm1', 'a'), ...daily(2, 'vm1', 'b')];
    await prune({ policy: 'b' });
    assert.deepEqual(deleted, [points[2]?.id]);
    await assert.rejects(prune({ policy: 'c' }), { code: errorCodes.policyNotFound });
  });

  it('refuses a policy that stores in another repository now: its rules are not meant for what it left here', async () => {
    policies = [applied('a', 'retention: { keepLast: 1 }\n', 'other')];
    points = daily(3, 'vm1', 'a');
    await assert.rejects(prune({ policy: 'a' }), { code: errorCodes.invalidInput });
    assert.deepEqual(deleted, []);
  });

  it('says what it deleted when it fails on its way', async () => {
    policies = [applied('a', 'retention: { keepLast: 1 }\n')];
    points = daily(4, 'vm1', 'a');
    const ids = points.map(({ id }) => id);
    fake.onCall = () => {
      if (deleted.length === 2) fake.onCall = fails;
    };
    const fails = (): void => {
      deleted.pop();
      throw new TidemarkError(errorCodes.repositoryUnavailable, 'the disk is gone');
    };
    await assert.rejects(prune(), (error: unknown) => {
      assert(error instanceof FailedWithOutcome);
      assert.equal(error.code, errorCodes.repositoryUnavailable);
      assert(error.outcome.kind === 'prune');
      assert.deepEqual(error.outcome.removed, ids.slice(0, 2));
      assert.deepEqual(error.outcome.kept, [ids[3], ids[2]]);
      return true;
    });
  });

  it('keeps what is pinned, which takes no place of the others', async () => {
    policies = [applied('a', 'retention: { keepLast: 2 }\n')];
    points = daily(5, 'vm1', 'a');
    pinned = new Set([points[4]?.id, points[0]?.id]);
    const outcome = await prune();
    assert.deepEqual(
      outcome.removed,
      [1].map((day) => points[day]?.id),
    );
  });

  it('lets damaged ones take no place, and looks at the best one before anything goes', async () => {
    policies = [applied('a', 'retention: { keepLast: 1 }\n')];
    points = daily(4, 'vm1', 'a');
    const [first, second, third, fourth] = points.map(({ id }) => id);
    assert(first !== undefined && second !== undefined && third !== undefined && fourth !== undefined);
    lost = new Set([fourth]);
    missing = new Set([third]);
    const outcome = await prune();
    assert.deepEqual(outcome.removed, [first]);
    assert.deepEqual(mapsRead, [third, second]);
    assert.match(fake.warnings.join(), /not whole/);
  });

  it('keeps the newest good one with each disk: a disk that is left out now is not lost', async () => {
    policies = [applied('a', 'retention: { keepLast: 1 }\n')];
    const made = daily(8, 'vm1', 'a');
    points = made.map((one, day) => ({ ...one, more: day < 5 ? ['data', 'log'] : day === 5 ? ['log'] : [] }));
    const ids = points.map(({ id }) => id);
    lost.add(ids[4] ?? '');
    const outcome = await prune();
    assert.deepEqual(new Set(outcome.kept), new Set([ids[7], ids[5], ids[3]]));
    const reasons = new Map(outcome.decisions?.map((one) => [one.restorePoint, one.reasons.join()]));
    assert.deepEqual(
      [5, 3].map((day) => reasons.get(points[day]?.id ?? assert.fail())),
      ['the newest good one with disk log', 'the newest good one with disk data'],
    );
    assert.equal(reasons.get(points[4]?.id ?? assert.fail()), 'no rule keeps it', 'damaged');
    deleted.length = 0;
    lost.clear();
    points = points.map((one, day) => (day === 7 ? { ...one, more: ['data', 'log'] } : one));
    await prune();
    assert.deepEqual(new Set(deleted), new Set(ids.slice(0, 7)), 'when it is back they go');
  });

  it('goes by the damage that another daemon found meanwhile', async () => {
    policies = [applied('a', 'retention: { keepLast: 1 }\n')];
    points = daily(3, 'vm1', 'a');
    const [first, second, third] = points.map(({ id }) => id);
    assert(first !== undefined && second !== undefined && third !== undefined);
    foundElsewhere = [third];
    await prune();
    assert.deepEqual(deleted, [first]);
  });

  it('deletes nothing of a VM that has no restore point that is whole', async () => {
    policies = [applied('a', 'retention: { keepLast: 1 }\n')];
    points = daily(4, 'vm1', 'a');
    missing = new Set(points.map(({ id }) => id));
    const outcome = await prune();
    assert.deepEqual(outcome.removed, []);
    assert.match(fake.warnings.join(), /not whole/);
  });

  it('reads no maps of VMs of which nothing goes', async () => {
    policies = [applied('a', 'retention: { keepLast: 9 }\n')];
    points = daily(4, 'vm1', 'a');
    await prune();
    assert.deepEqual(mapsRead, []);
  });

  it('does not delete the backup that was just made by a host whose clock is wrong', async () => {
    policies = [applied('a', 'retention: { keepLast: 2 }\n')];
    points = daily(3, 'vm1', 'a');
    const last = point(10, 'vm1', 'a', Date.UTC(2001, 0, 1));
    points.push(last);
    const outcome = await prune();
    assert.ok(outcome.kept.some((id) => id === last.id));
    assert.deepEqual(outcome.removed, [points[0]?.id]);
  });

  it('stops with a policy that is changed or deleted while it works', async () => {
    const change: readonly ActivePolicy[][] = [
      [],
      [{ ...applied('a', ''), version: { ...applied('a', '').version, version: 2 } }],
    ];
    for (const after of change) {
      policies = [applied('a', 'retention: { keepLast: 1 }\n')];
      points = daily(5, 'vm1', 'a');
      deleted = [];
      fake.onCall = () => (policies = [...after]);
      const outcome = await prune();
      assert.deepEqual(
        outcome.removed,
        points.slice(0, 1).map(({ id }) => id),
      );
      assert.equal(outcome.kept.length, 4);
      assert.match(fake.warnings.join(), /Policy a was changed meanwhile/);
    }
  });

  it('always leaves each VM its newest good restore point, everything pinned, and what no policy made', async () => {
    const anyPoint = fc.record({
      day: fc.integer({ min: 0, max: 60 }),
      vm: fc.constantFrom('vm1', 'vm2'),
      policy: fc.constantFrom('a', 'b', undefined),
      isPinned: fc.boolean(),
      isLost: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyPoint, { maxLength: 30 }),
        fc.record({ keepLast: fc.integer({ min: 0, max: 3 }), keepDaily: fc.integer({ min: 0, max: 3 }) }),
        async (made, rules) => {
          policies = [applied('a', `retention: { keepLast: ${rules.keepLast}, keepDaily: ${rules.keepDaily} }\n`)];
          deleted = [];
          points = made.map(({ day, vm, policy }) => point(day, vm, policy));
          const flagged = points.map((one, index) => ({ ...one, ...made[index] }));
          pinned = new Set(flagged.filter(({ isPinned }) => isPinned === true).map(({ id }) => id));
          lost = new Set(flagged.filter(({ isLost }) => isLost === true).map(({ id }) => id));
          await prune();
          for (const one of flagged.filter(({ id }) => deleted.includes(id))) {
            assert.equal(one.policy, 'a');
            assert.notEqual(one.isPinned, true);
          }
          for (const vm of ['vm1', 'vm2']) {
            const good = points.filter(({ vmId, id }) => vmId === vm && !lost.has(id));
            const newest = good.toSorted((a, b) => (a.id < b.id ? 1 : -1))[0];
            assert.ok(newest === undefined || !deleted.includes(newest.id));
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});
