import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { test } from 'node:test';

import { connectDaemon } from '../../../server/connect/index.ts';
import type { DaemonClient } from '../../../server/connect/index.ts';
import * as protocol from '../../../server/protocol/daemon.ts';
import type { AppliedPolicy, RunOutcome } from '../../../server/protocol/daemon.ts';
import { errorCodes } from '../../../server/protocol/errors.ts';
import type { RestorePointId } from '../../../server/protocol/ids.ts';
import type { RestorePointInfo } from '../../../server/protocol/model.ts';
import { death } from '../acceptance/support/crash.ts';
import { Site } from '../acceptance/support/site.ts';
import { eventually, runReaches } from '../support/daemon-fixture.ts';

const by = 'anna@laptop';
const textOf = (name: string, vms: string, more = '', host = 'hv01'): string =>
  `name: ${name}\nrepository: main\nselect:\n  - { host: ${host}, vms: ${vms} }\n${more}`;

/** A site whose host has `sql01`, `sql02` and `web`, and a client of its daemon. */
class PolicySite {
  readonly site: Site;
  client: DaemonClient;

  private constructor(site: Site, client: DaemonClient) {
    this.site = site;
    this.client = client;
  }

  static async make(t: Parameters<typeof Site.make>[0]): Promise<PolicySite> {
    const site = await Site.withVm(t);
    for (const vm of ['sql01', 'sql02'])
      await site.run(['sim', 'create-vm', site.root('hv01'), vm, '--disk', 'os=4MiB']);
    const made = new PolicySite(site, await connect(site));
    t.after(() => made.client.close());
    return made;
  }

  async restartDaemon(): Promise<void> {
    await this.client.close();
    await this.site.stopDaemon();
    await this.site.run(['daemon', 'start']);
    this.client = await connect(this.site);
  }

  async apply(text: string, expectedVersion?: number): Promise<AppliedPolicy> {
    return (await this.client.request(protocol.applyPolicy, { text, by, source: 'x.backup.yaml', expectedVersion }))
      .policy;
  }

  async policies(): Promise<readonly AppliedPolicy[]> {
    return (await this.client.request(protocol.listPolicies, {})).policies;
  }

  async history(name: string): Promise<readonly (readonly [number, string, string])[]> {
    const { versions } = await this.client.request(protocol.getPolicyHistory, { name });
    return versions.map(({ version, change, by: who }) => [version, change, who]);
  }

  /** A backup as a run of the policy makes it; without a policy by hand. */
  async backUp(vm: string, policy?: string): Promise<RestorePointId> {
    const request = {
      kind: 'backup',
      host: 'hv01',
      vm,
      repository: 'main',
      type: 'incremental',
      consistency: 'crash',
      excludeDisks: [],
      policy,
    } as const;
    const { run } = await this.client.request(protocol.startRun, { request });
    const { outcome, error } = await runReaches(this.client, run.id, 'succeeded', 'failed');
    assert(outcome?.kind === 'backup', error?.message);
    assert.equal(outcome.restorePoint.policy, policy);
    return outcome.restorePoint.id;
  }

  /** What the rules of all policies delete. */
  async prune(dryRun = false): Promise<Extract<RunOutcome, { readonly kind: 'prune' }>> {
    const request = { kind: 'prune', repository: 'main', dryRun } as const;
    const { run } = await this.client.request(protocol.startRun, { request });
    const { outcome, error } = await runReaches(this.client, run.id, 'succeeded', 'failed');
    assert(outcome?.kind === 'prune', error?.message);
    return outcome;
  }

  async points(): Promise<readonly RestorePointInfo[]> {
    return (await this.client.request(protocol.listRestorePoints, {})).restorePoints;
  }

  async ids(): Promise<readonly RestorePointId[]> {
    return (await this.points()).map(({ id }) => id);
  }
}

async function connect(site: Site): Promise<DaemonClient> {
  return connectDaemon({ dataDirectory: site.data, client: 'test' });
}

test('A policy is planned, applied, listed, changed and rolled back, and all of it outlives the daemon', async (t) => {
  const site = await PolicySite.make(t);
  const first = textOf('nightly', "['sql*']", 'schedule: [{ cron: "0 2 * * *" }]\n');
  const { plan: before } = await site.client.request(protocol.planPolicy, { text: first });
  assert.equal(before.base, undefined);
  assert.deepEqual(
    before.vms.map(({ vm, change }) => [vm, change]),
    [
      ['sql01', 'new'],
      ['sql02', 'new'],
    ],
  );
  assert.equal(before.nextRuns.length, 10);
  assert.deepEqual(await site.policies(), []);

  const applied = await site.apply(first, 0);
  assert.deepEqual([applied.current.version, applied.current.by, applied.vms], [1, by, 2]);
  assert.deepEqual(applied.problems, []);
  const again = await site.client.request(protocol.applyPolicy, { text: first, by });
  assert.deepEqual([again.unchanged, again.policy.current.version], [true, 1]);
  await assert.rejects(site.apply(`${first}verify: weekly\n`, 0), { code: errorCodes.policyChanged });

  const second = textOf('nightly', '[sql02, web]', 'verify: weekly\n');
  const { plan } = await site.client.request(protocol.planPolicy, { text: second });
  assert.deepEqual(
    plan.vms.map(({ vm, change }) => [vm, change]),
    [
      ['sql02', 'kept'],
      ['web', 'new'],
      ['sql01', 'dropped'],
    ],
  );
  assert.ok(plan.changes.some(({ path, after }) => path === 'verify' && after === 'weekly'));
  await site.apply(second, 1);
  const { policy } = await site.client.request(protocol.rollBackPolicy, {
    name: 'nightly',
    version: 1,
    by: 'bob@desk',
  });
  assert.deepEqual([policy.current.version, policy.current.restored], [3, 1]);
  await site.client.request(protocol.pausePolicy, { name: 'nightly', by });

  const versions = [
    [3, 'rolled-back', 'bob@desk'],
    [2, 'applied', by],
    [1, 'applied', by],
  ];
  assert.deepEqual(await site.history('nightly'), versions);
  await site.restartDaemon();
  assert.deepEqual(await site.history('nightly'), versions);
  const [kept] = await site.policies();
  assert.deepEqual([kept?.current.version, kept?.paused?.by], [3, by]);
  assert.equal((await site.client.request(protocol.getPolicy, { name: 'nightly' })).text, first);
  assert.equal((await site.client.request(protocol.getPolicy, { name: 'nightly', version: 2 })).text, second);

  await site.client.request(protocol.deletePolicy, { name: 'nightly', by });
  assert.deepEqual(await site.policies(), []);
  await assert.rejects(site.client.request(protocol.runPolicy, { name: 'nightly' }), {
    code: errorCodes.policyNotFound,
  });
  assert.equal((await site.apply(second)).current.version, 5);
  assert.deepEqual((await site.history('nightly'))[1], [4, 'deleted', by]);
});

test('Retention keeps exactly what the rules name, what is pinned, and what somebody made by hand', async (t) => {
  const site = await PolicySite.make(t);
  await site.apply(textOf('nightly', "['sql*']", 'retention: { keepLast: 2 }\n'));
  const made: RestorePointId[] = [];
  for (let count = 0; count < 4; count++) made.push(await site.backUp('sql01', 'nightly'));
  const byHand = await site.backUp('sql01');
  const other = await site.backUp('sql02', 'nightly');
  const [oldest, second] = made;
  assert(oldest && second);

  const pinning = { id: oldest, pinned: true, by, note: 'before the upgrade' };
  const { restorePoint } = await site.client.request(protocol.pinRestorePoint, pinning);
  assert.deepEqual([restorePoint.pinned?.by, restorePoint.pinned?.note], [by, 'before the upgrade']);
  await assert.rejects(site.client.request(protocol.deleteRestorePoint, { id: oldest }), {
    code: errorCodes.restorePointProtected,
    hint: /Unpin/,
  });

  const { decisions, warnings } = await site.client.request(protocol.previewRetention, { name: 'nightly' });
  assert.deepEqual(warnings, []);
  assert.deepEqual(
    decisions.map(({ restorePoint: id, keep }) => [id, keep]),
    [
      [other, true],
      [made[3], true],
      [made[2], true],
      [second, false],
      [oldest, true],
    ],
  );
  assert.deepEqual((await site.prune(true)).removed, [second]);
  assert.equal((await site.ids()).length, 6);
  const outcome = await site.prune();
  assert.deepEqual(outcome.removed, [second]);
  assert.deepEqual(outcome.decisions?.find(({ restorePoint: id }) => id === oldest)?.reasons, ['pinned']);

  await site.restartDaemon();
  assert.deepEqual(await site.ids(), [oldest, made[2], made[3], byHand, other]);
  assert.equal((await site.points())[0]?.pinned?.by, by);
  assert.deepEqual((await site.prune()).removed, []);
  await site.client.request(protocol.pinRestorePoint, { id: oldest, pinned: false, by });
  assert.deepEqual((await site.prune()).removed, [oldest]);

  // What a policy made stays when it is deleted: nobody knows any more how long it is wanted.
  await site.client.request(protocol.deletePolicy, { name: 'nightly', by });
  assert.deepEqual((await site.prune()).removed, []);
  assert.deepEqual(await site.ids(), [made[2], made[3], byHand, other]);
  await site.site.run(['repo', 'verify', 'main', '--read-data']);
});

test('A policy whose host or repository is gone says so, and the others go on', async (t) => {
  const site = await PolicySite.make(t);
  await site.site.addHost('hv02');
  await site.apply(textOf('far', '[x]', '', 'hv02'));
  await site.apply(textOf('near', "['sql*']", 'retention: { keepLast: 1 }\n'));
  await site.backUp('sql01', 'near');
  const changes: boolean[] = [];
  site.client.onNotification(protocol.inventoryDidChange, (change) => changes.push(change.policies === true));
  await site.client.request(protocol.subscribeInventory, {});
  await site.site.run(['host', 'remove', 'hv02']);
  await eventually('the problem is shown', async () => {
    const [far, near] = await site.policies();
    assert.deepEqual(near?.problems, []);
    return far?.problems.some((text) => text.startsWith('There is no host hv02.')) === true ? true : undefined;
  });
  await site.client.request(protocol.pausePolicy, { name: 'near', by });
  await eventually('clients are told', () => (changes.includes(true) ? true : undefined));

  const [moved, text] = [`${site.site.repository}-moved`, textOf('near', '[sql01]', 'retention: { keepLast: 2 }\n')];
  await rename(site.site.repository, moved);
  await site.restartDaemon();
  const { plan } = await site.client.request(protocol.planPolicy, { text });
  assert.match(plan.warnings.join(), /restore points cannot be read/);
  await assert.rejects(site.client.request(protocol.previewRetention, { name: 'near' }), {
    code: errorCodes.repositoryNotFound,
  });
  assert.equal((await site.apply(text)).current.version, 2);
  await rename(moved, site.site.repository);
  const { decisions } = await site.client.request(protocol.previewRetention, { name: 'near' });
  assert.equal(decisions.length, 1);
});

test('A policy that is edited or deleted while its run is active changes the next run, not this one', async (t) => {
  const site = await PolicySite.make(t);
  const rules = 'consistency: crash\nretention: { keepLast: 1 }\n';
  await site.apply(textOf('nightly', "['sql*']", rules));
  await site.backUp('sql01', 'nightly');

  const edited = await site.client.request(protocol.runPolicy, { name: 'nightly' });
  await site.apply(textOf('nightly', '[web]', 'consistency: crash\nretention: { keepLast: 9 }\n'));
  const first = (await runReaches(site.client, edited.run.id, 'succeeded', 'failed')).outcome;
  assert(first?.kind === 'policy');
  assert.equal(first.version, 1);
  assert.deepEqual(
    first.vms.map(({ vm, result }) => [vm, result]),
    [
      ['sql01', 'succeeded'],
      ['sql02', 'succeeded'],
    ],
  );
  // What is deleted follows the rules that are applied now.
  assert.deepEqual(first.retention?.removed, []);

  const deleted = await site.client.request(protocol.runPolicy, { name: 'nightly' });
  await site.client.request(protocol.deletePolicy, { name: 'nightly', by });
  const second = (await runReaches(site.client, deleted.run.id, 'succeeded', 'failed')).outcome;
  assert(second?.kind === 'policy');
  assert.deepEqual(
    second.vms.map(({ vm, result }) => [vm, result]),
    [['web', 'succeeded']],
  );
  assert.equal(second.retention, undefined);
  assert.equal((await site.ids()).length, 4);
  assert.deepEqual(await site.policies(), []);
});

test('The daemon killed while retention deletes leaves every restore point whole or gone, and finishes later', async (t) => {
  const site = await PolicySite.make(t);
  await site.apply(textOf('nightly', "['sql*']", 'retention: { keepLast: 1 }\n'));
  const made: RestorePointId[] = [];
  for (let count = 0; count < 4; count++) made.push(await site.backUp('sql01', 'nightly'));
  const [oldest, pinned, , newest] = made;
  assert(oldest && pinned && newest);
  await site.client.request(protocol.pinRestorePoint, { id: pinned, pinned: true, by });

  await site.client.close();
  await site.site.stopDaemon();
  const daemon = await site.site.startDaemon({ failpoint: 'prune.deleted' });
  const dying = await connect(site.site);
  const request = { kind: 'prune', repository: 'main', dryRun: false } as const;
  // The answer may be lost with the daemon.
  await Promise.allSettled([dying.request(protocol.startRun, { request }), death(daemon)]);
  assert.equal(daemon.signalCode, 'SIGKILL');

  await site.restartDaemon();
  assert.deepEqual(await site.ids(), made.slice(1));
  await site.site.run(['repo', 'verify', 'main', '--read-data']);
  assert.deepEqual((await site.prune()).removed, [made[2]]);
  assert.deepEqual(await site.ids(), [pinned, newest]);
  await site.site.run(['repo', 'gc', 'main', '--now']);
  await site.site.run(['repo', 'verify', 'main', '--read-data']);
});

test('A text that is no policy is refused with its line, and nothing changes', async (t) => {
  const site = await PolicySite.make(t);
  const good = textOf('nightly', "['sql*']");
  await site.apply(good);
  const bad: readonly (readonly [string, RegExp])[] = [
    [`${good}\tverify: never\n`, /Line 5: .*tab/i],
    [`${good}verify: never\nverify: weekly\n`, /Line 6: /],
    [`${good}retension: { keepLast: 1 }\n`, /Line 5: .*retention/],
    [`${good}timezone: Mars/Base\n`, /Line 5: /],
    [`a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n${good}`, /Line 1: /],
    ['select: []\n', /Line 1: .*\(and \d+ more\)/],
    ['\u0000', /Line 1: /],
    ['['.repeat(100_000), /Line 1: /],
  ];
  for (const [text, message] of bad) {
    const refusal = { code: errorCodes.policyInvalid, message };
    await assert.rejects(site.client.request(protocol.applyPolicy, { text, by }), refusal);
    await assert.rejects(site.client.request(protocol.planPolicy, { text }), refusal);
    const { findings } = await site.client.request(protocol.checkPolicy, { text });
    assert.ok(findings.some(({ severity }) => severity === 'error'));
  }
  const huge = `${good}# ${'x'.repeat(300 * 1024)}\n`;
  await assert.rejects(site.client.request(protocol.applyPolicy, { text: huge, by }), {
    code: errorCodes.invalidInput,
  });
  const { findings } = await site.client.request(protocol.checkPolicy, { text: huge });
  assert.equal(findings[0]?.code, 'TM7102');
  assert.deepEqual(await site.history('nightly'), [[1, 'applied', by]]);
  assert.deepEqual(
    (await site.client.request(protocol.checkPolicy, { text: good })).findings.filter(
      ({ severity }) => severity === 'error',
    ),
    [],
  );
});
