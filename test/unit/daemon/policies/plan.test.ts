import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { ulid } from '../../../../server/base/ulid.ts';
import { checkText } from '../../../../server/daemon/policies/check.ts';
import { makePlan } from '../../../../server/daemon/policies/plan.ts';
import type { PlanBase, PlanInput } from '../../../../server/daemon/policies/plan.ts';
import { policyPoints, policyPointsOrWarning } from '../../../../server/daemon/policies/policy-points.ts';
import { RestorePointListing } from '../../../../server/daemon/restore-point-index.ts';
import { parsePolicy } from '../../../../server/policy/index.ts';
import { policyPlan } from '../../../../server/protocol/daemon.ts';
import type { PolicyPlan } from '../../../../server/protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../../../server/protocol/errors.ts';
import { ownerId } from '../../../../server/protocol/ids.ts';
import { restorePointInfo } from '../../../../server/protocol/model.ts';
import type { RestorePointInfo } from '../../../../server/protocol/model.ts';
import { policyInventory } from '../../../../server/protocol/policy-inventory.ts';
import type { PolicyInventory } from '../../../../server/protocol/policy-inventory.ts';
import type { Repository } from '../../../../server/repository/index.ts';

const { signal } = new AbortController();
const owner = ownerId('0'.repeat(32), '');
const other = ownerId('1'.repeat(32), '');
const now = Date.UTC(2026, 2, 10, 12);
const dayMs = 86_400_000;
const vmId = (number: number): string => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;

function inventoryOf(
  names: readonly string[],
  hosts: readonly object[] = [{ name: 'hv01', known: true }],
): PolicyInventory {
  const vm = { host: 'hv01', state: 'running', configVersion: '9.0', rctBlockers: [], disks: [] };
  return policyInventory(
    {
      hosts,
      vms: names.map((name, number) => ({ ...vm, id: vmId(number), name })),
      repositories: [{ name: 'main', location: '/backup' }],
    },
    'inventory',
  );
}

const textOf = (vms: string, more = ''): string =>
  `name: nightly\nrepository: main\nselect:\n  - { host: 'hv*', vms: ${vms} }\n${more}`;

function baseOf(text: string): PlanBase {
  const { policy } = parsePolicy(text);
  const version = {
    version: 3,
    sha256: 'a'.repeat(64),
    at: '2026-01-01T00:00:00Z',
    by: 'x',
    change: 'applied',
  } as const;
  return { version, policy };
}

function pointsOf(days: readonly number[], more: object = {}): readonly RestorePointInfo[] {
  return days.map((daysAgo) => {
    const createdAt = new Date(now - daysAgo * dayMs).toISOString();
    const point = {
      id: ulid(),
      repository: 'main',
      vmId: vmId(0),
      vmName: 'sql01',
      host: 'hv01',
      createdAt,
      finishedAt: createdAt,
      type: 'full',
      consistency: 'crash',
      disks: [],
      warnings: [],
      policy: 'nightly',
      ...more,
    };
    return restorePointInfo(point, 'point');
  });
}

function planOf(text: string, more: Partial<PlanInput> = {}): PolicyPlan {
  const { inventory = inventoryOf(['sql01', 'sql02', 'web01']) } = more;
  const plan = makePlan({
    checked: checkText(text, { now, inventory, applied: [] }),
    base: undefined,
    inventory,
    made: { points: [], damaged: new Set(), warnings: [] },
    now,
    ...more,
  });
  // What clients parse.
  return policyPlan(JSON.parse(JSON.stringify(plan)), 'plan');
}

describe('a plan', () => {
  it('says which VMs are new, kept and dropped against the applied version', () => {
    const plan = planOf(textOf("['sql02', 'web*']"), { base: baseOf(textOf("['sql*']")) });
    assert.deepEqual(
      plan.vms.map(({ vm, change }) => [vm, change]),
      [
        ['sql02', 'kept'],
        ['web01', 'new'],
        ['sql01', 'dropped'],
      ],
    );
    assert.equal(plan.base?.version, 3);
    assert.deepEqual(plan.changes, [
      { path: 'select[0].vms', before: 'sql*' },
      { path: 'select[0].vms', after: 'sql02' },
      { path: 'select[0].vms', after: 'web*' },
    ]);
  });

  it('of a policy that is not applied has only new VMs and nothing to compare', () => {
    const plan = planOf(textOf("['sql*']"));
    assert.deepEqual(
      plan.vms.map(({ change }) => change),
      ['new', 'new'],
    );
    assert.equal(plan.base, undefined);
    assert.deepEqual(plan.changes, []);
  });

  it('of a paused policy says so, and names the runs after the pause', () => {
    const text = textOf("['*']", 'schedule: [{ cron: "0 2 * * *", timezone: UTC }]\n');
    const since = { since: '2026-01-01T00:00:00Z', by: 'anna@laptop' };
    const until = new Date(now + 10 * dayMs).toISOString();
    const paused = planOf(text, { base: { ...baseOf(text), paused: { ...since, until } } });
    assert.equal(paused.paused?.until, until);
    assert.ok(Date.parse(paused.nextRuns[0]?.at ?? '') > Date.parse(until));
    assert.deepEqual(planOf(text, { base: { ...baseOf(text), paused: since } }).paused, since);
    const over = { ...since, until: new Date(now - 1).toISOString() };
    assert.equal(planOf(text, { base: { ...baseOf(text), paused: over } }).paused, undefined);
  });

  it('says that nobody knows what the retention would do where the restore points cannot be read', () => {
    const made = { points: [], damaged: new Set<never>(), unknown: true, warnings: ['They cannot be read.'] };
    assert.equal(planOf(textOf("['*']", 'retention: { keepLast: 1 }\n'), { made }).retentionUnknown, true);
    assert.equal(planOf(textOf("['*']"), { made }).retentionUnknown, undefined);
  });

  it('names the next ten runs', () => {
    const plan = planOf(
      textOf(
        "['*']",
        'schedule: [{ cron: "0 2 * * MON-SAT", timezone: Europe/Warsaw }, { cron: "0 2 * * SUN", type: full }]\n',
      ),
    );
    assert.equal(plan.nextRuns.length, 10);
    assert.deepEqual(plan.nextRuns[0], { at: '2026-03-11T01:00:00.000Z', type: 'incremental' });
    assert.equal(plan.nextRuns.filter(({ type }) => type === 'full').length, 1);
    assert.equal(plan.timezone, 'Europe/Warsaw');
  });

  it('says of each restore point of the policy whether its rules keep it, newest first', () => {
    const points = pointsOf([5, 4, 3, 2, 1, 0]);
    const [oldest, second] = points;
    assert(oldest && second);
    const pinned = { by: 'anna', at: '2026-03-01T00:00:00Z' };
    const made = {
      points: [{ ...oldest, pinned }, ...points.slice(1)],
      damaged: new Set<typeof oldest.id>(),
      warnings: [],
    };
    const plan = planOf(textOf("['*']", 'retention: { keepLast: 2, keepDaily: 4 }\n'), { made });
    assert.deepEqual(
      plan.retention.map(({ keep }) => keep),
      [true, true, true, true, false, true],
    );
    assert.deepEqual(plan.retention.at(-1)?.reasons, ['pinned']);
    assert.equal(plan.retention.at(-2)?.restorePoint, second.id);
    assert.deepEqual(planOf(textOf("['*']"), { made }).retention, []);
  });

  it('says nothing of the restore points of VMs that it does not take in: no run of it deletes them', () => {
    const made = { points: pointsOf([2, 1, 0]), damaged: new Set<RestorePointInfo['id']>(), warnings: [] };
    const plan = planOf(textOf("['nothing-has-this-name']", 'retention: { keepLast: 1 }\n'), { made });
    assert.deepEqual(plan.retention, []);
  });

  it('warns of hosts that it does not know enough of, and only of those that the policy names', () => {
    const inventory = inventoryOf(
      ['sql01'],
      [
        { name: 'hv01', known: true },
        { name: 'hv02', known: true, unreachableSince: '2026-03-10T11:00:00Z' },
        { name: 'hv03', known: false, unreachableSince: '2026-03-10T11:00:00Z' },
        { name: 'hv04', known: false },
        { name: 'other', known: false },
      ],
    );
    assert.deepEqual(planOf(textOf("['*']"), { inventory }).warnings, [
      'Host hv02 does not answer, so its VMs are those that it had before.',
      'Host hv03 does not answer, so its VMs are not known.',
      'Host hv04 did not answer yet, so its VMs are not known.',
    ]);
  });

  it('says what becomes of restore points when the repository changes', () => {
    const base = baseOf(textOf("['sql*']").replace('repository: main', 'repository: old'));
    assert.deepEqual(planOf(textOf("['sql*']"), { base }).warnings, [
      'The next backups go to repository main and read everything again. What nightly stored in old stays there until somebody deletes it.',
    ]);
  });

  it('of a text that is no policy names the first error, its line and how many there are', () => {
    assert.throws(() => planOf('name: nightly\nrepository: main\nselct: []\nretention: { keepLast: no }\n'), {
      code: errorCodes.policyInvalid,
      message: /Line \d+: .*\(and \d+ more\)/,
      hint: /policy validate/,
    });
  });

  it('says that an applied version cannot be read, and plans all the same', () => {
    const plan = planOf(textOf("['sql*']"), { base: baseOf('name: [') });
    assert.match(plan.warnings[0] ?? '', /Version 3, which is applied, cannot be read/);
    assert.equal(plan.vms.length, 2);
  });
});

describe('the restore points of a policy', () => {
  const sources = (points: readonly RestorePointInfo[], repository: object) => {
    const error = new TidemarkError(errorCodes.restorePointCorrupt, 'torn').report();
    const torn = ['a', 'b', 'c', 'd'].map((file) => ({ repository: 'main', file: `points/${file}`, error }));
    return {
      restorePoints: {
        listing: async () =>
          new RestorePointListing('main', points, torn, (point) => (point.host === 'far' ? other : owner)),
      },
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a stand-in with what is used
      repositories: { open: async () => repository as unknown as Repository },
      owner,
    };
  };

  it('are those that it made itself, with what cannot be read as a warning', async () => {
    const points = [...pointsOf([1]), ...pointsOf([2], { policy: 'other' }), ...pointsOf([3], { policy: undefined })];
    const { points: own, warnings } = await policyPoints('nightly', 'main', sources(points, {}), signal);
    assert.deepEqual(
      own.map(({ policy }) => policy),
      ['nightly'],
    );
    assert.match(warnings.join(), /points\/a, points\/b, points\/c and 1 more/);
  });

  it('are left alone when another daemon made all of a VM', async () => {
    const elsewhere = { host: 'far', vmId: vmId(1), vmName: 'sql02' };
    const points = [...pointsOf([3], { host: 'far' }), ...pointsOf([2]), ...pointsOf([3, 2, 1], elsewhere)];
    const { points: own, warnings } = await policyPoints('nightly', 'main', sources(points, {}), signal);
    // This daemon goes on with what another one began.
    assert.deepEqual(
      own.map(({ id }) => id),
      points.slice(0, 2).map(({ id }) => id),
    );
    assert.match(warnings.join(), /3 restore points of another daemon's policy nightly/);
  });

  it('are looked at one by one only when damage is known', async () => {
    const points = pointsOf([2, 1]);
    const looked: string[] = [];
    const repository = {
      hasKnownDamage: true,
      listRestorePoints: async () => ({ points: points.map(({ id }) => ({ id, disks: [{ of: id }] })), damaged: [] }),
      openMap: ({ of }: { readonly of: string }) => ({
        lostChunks: async function* lostChunks() {
          looked.push(of);
          if (of === points[0]?.id) yield 1;
        },
      }),
    };
    const { damaged } = await policyPoints('nightly', 'main', sources(points, repository), signal);
    assert.deepEqual([...damaged], [points[0]?.id]);
    assert.equal(looked.length, 2);
    const sound = await policyPoints(
      'nightly',
      'main',
      sources(points, { ...repository, hasKnownDamage: false }),
      signal,
    );
    assert.equal(sound.damaged.size, 0);
    assert.equal(looked.length, 2);
  });

  it('of a repository that is gone are a warning of the plan', async () => {
    const gone = {
      ...sources([], {}),
      restorePoints: {
        listing: async () => {
          throw new TidemarkError(errorCodes.repositoryUnknown, 'There is no repository named main.');
        },
      },
    };
    const made = await policyPointsOrWarning('nightly', 'main', gone, signal);
    assert.match(made.warnings.join(), /cannot be read: There is no repository named main/);
    await assert.rejects(policyPoints('nightly', 'main', gone, signal), { code: errorCodes.repositoryUnknown });
  });
});
