import assert from 'node:assert/strict';
import { beforeEach, afterEach, describe, it } from 'node:test';

import { FailedWithOutcome } from '../../../../server/daemon/runs/context.ts';
import type { RunContext } from '../../../../server/daemon/runs/context.ts';
import type { BackupRequest, RunInfo } from '../../../../server/protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../../../server/protocol/errors.ts';
import type { ErrorCode } from '../../../../server/protocol/errors.ts';
import { restorePointId } from '../../../../server/protocol/ids.ts';
import { untilAborted } from '../../../integration/support/fake-parts.ts';
import { PolicySite } from '../support/policy-site.ts';
import { settled } from '../support/virtual-clock.ts';

const minute = 60_000;
const fails = (code: ErrorCode) => async (): Promise<never> => {
  throw new TidemarkError(code, `It failed with ${code}.`);
};
const hangs = (_request: BackupRequest, context: RunContext): Promise<never> => untilAborted(context.signal);

describe('the run of a policy', () => {
  let site: PolicySite;
  beforeEach(() => {
    site = new PolicySite('2026-03-02T12:00:00Z');
  });
  afterEach(async () => site[Symbol.asyncDispose]());

  it('backs up every VM that it takes in, as the policy says', async () => {
    site.addVm('hv01', 'sql01', 'web01');
    site.addVm('hv02', 'dc01');
    site.apply('disks: {exclude: [scratch*]}\nconsistency: crash\nexport: {threads: 4, bandwidth: 1MiB/s}');
    const run = await site.ended(site.start());
    assert.equal(run.state, 'succeeded');
    assert.deepEqual(
      run.outcome.vms.map(({ vm, host, result, attempts }) => [host, vm, result, attempts]),
      [
        ['hv01', 'sql01', 'succeeded', 1],
        ['hv01', 'web01', 'succeeded', 1],
        ['hv02', 'dc01', 'succeeded', 1],
      ],
    );
    assert.deepEqual(site.requests[0], {
      kind: 'backup',
      host: 'hv01',
      vm: site.idOfVm('sql01'),
      vmName: 'sql01',
      repository: 'main',
      type: 'incremental',
      consistency: 'crash',
      excludeDisks: ['scratch*'],
      policy: 'nightly',
      threads: 4,
      bandwidth: 1024 * 1024,
    });
    const children = site.store.childrenOf(run.id, 100);
    assert.deepEqual(new Set(children.map(({ parent }) => parent)), new Set([run.id]));
    assert.deepEqual(children.map(({ id }) => id).toSorted(), run.outcome.vms.flatMap((vm) => vm.run ?? []).toSorted());
  });

  it('goes on with the other VMs when one fails, and says how many did', async () => {
    site.addVm('hv01', 'sql01', 'web01', 'web02');
    site.backups.set('sql01', fails(errorCodes.agentAuthenticationFailed));
    site.apply();
    const run = await site.ended(site.start());
    assert.equal(run.state, 'failed');
    assert.equal(run.error?.code, errorCodes.policyRunFailed);
    assert.match(run.error?.message ?? '', /^1 of 3 VMs failed\.$/);
    const [sql, ...others] = run.outcome.vms;
    assert.equal(sql?.error?.code, errorCodes.agentAuthenticationFailed);
    assert.equal(sql?.attempts, 1, 'a password that is wrong is not tried again');
    assert.deepEqual(
      others.map(({ result }) => result),
      ['succeeded', 'succeeded'],
    );
  });

  it('tries again what may pass, waiting twice as long each time', async () => {
    site.addVm('hv01', 'sql01');
    const began: number[] = [];
    site.backups.set('sql01', async () => {
      began.push(site.clock.now());
      if (began.length < 4) await fails(errorCodes.hostUnreachable)();
    });
    site.apply('retry: {attempts: 3, delay: 10m}');
    const id = site.start();
    await settled();
    await site.clock.pass(70 * minute);
    const run = await site.ended(id);
    assert.deepEqual(
      began.map((at) => (at - (began[0] ?? 0)) / minute),
      [0, 10, 30, 70],
    );
    assert.equal(run.state, 'succeeded');
    assert.equal(run.outcome.vms[0]?.attempts, 4);
    assert.equal(site.store.childrenOf(id, 100).length, 4, 'each attempt is a run of its own');
  });

  it('gives up after the attempts that the policy allows', async () => {
    site.addVm('hv01', 'sql01');
    site.backups.set('sql01', fails(errorCodes.vmBusy));
    site.apply('retry: {attempts: 1, delay: 1m}');
    const id = site.start();
    await settled();
    await site.clock.pass(minute);
    const run = await site.ended(id);
    assert.equal(run.outcome.vms[0]?.attempts, 2);
    assert.equal(run.outcome.vms[0]?.error?.code, errorCodes.vmBusy);
  });

  it('does not try again when the window would be closed by then, unless somebody started the run', async () => {
    site.addVm('hv01', 'sql01');
    site.backups.set('sql01', fails(errorCodes.vmBusy));
    site.apply('window: {from: "11:00", to: "12:05"}');
    const scheduled = site.runs.start({ kind: 'policy', policy: 'nightly', trigger: 'schedule' }, undefined).id;
    const run = await site.ended(scheduled);
    assert.equal(run.outcome.vms[0]?.attempts, 1);
    const manual = site.start();
    await settled();
    await site.clock.pass(70 * minute);
    assert.equal((await site.ended(manual)).outcome.vms[0]?.attempts, 4);
  });

  it('tries nothing again after the next run of the policy is due: it would keep all other VMs waiting', async () => {
    site.addVm('hv01', 'sql01', 'web01');
    site.backups.set('sql01', fails(errorCodes.hostUnreachable));
    site.apply('schedule: [{cron: "0 * * * *"}]\nretry: {attempts: 3, delay: 10m}');
    site.scheduler.start();
    await site.clock.pass(3.25 * 60 * minute);
    const runs = site.policyRuns().map(({ request }) => request.kind === 'policy' && request.scheduledFor);
    assert.deepEqual(
      runs,
      ['13', '14', '15'].map((hour) => `2026-03-02T${hour}:00:00.000Z`),
    );
    const run = await site.ended(site.policyRuns()[0]?.id ?? assert.fail());
    assert.equal(run.outcome.vms[0]?.attempts, 3);
  });

  it('backs up no more VMs at a time than the policy says, in all and on one host', async () => {
    site.addVm('hv01', 'a1', 'a2', 'a3');
    site.addVm('hv02', 'b1', 'b2');
    const waiting = new Map<string, () => void>();
    for (const name of ['a1', 'a2', 'a3', 'b1', 'b2']) {
      site.backups.set(name, () => new Promise((resolve) => waiting.set(name, resolve)));
    }
    site.apply('concurrency: {total: 2, perHost: 1}');
    const id = site.start();
    const end = async (name: string): Promise<void> => {
      waiting.get(name)?.();
      await settled();
    };
    await settled();
    assert.deepEqual(site.begun, ['a1', 'b1']);
    await end('b1');
    assert.deepEqual(site.begun, ['a1', 'b1', 'b2'], 'who waits for a full host holds up nobody else');
    await end('b2');
    assert.deepEqual(site.begun, ['a1', 'b1', 'b2'], 'the host is full');
    await end('a1');
    await end('a2');
    await end('a3');
    assert.deepEqual(site.begun, ['a1', 'b1', 'b2', 'a2', 'a3']);
    assert.equal((await site.ended(id)).state, 'succeeded');
  });

  it('waits for another run of a VM, and then makes its own', async () => {
    site.addVm('hv01', 'sql01', 'web01');
    let release = (): void => undefined;
    site.backups.set('sql01', () => new Promise((resolve) => (release = resolve)));
    site.apply('concurrency: {total: 1}');
    const other = site.runs.start(
      {
        kind: 'backup',
        host: 'hv01',
        vm: 'sql01',
        repository: 'main',
        type: 'full',
        consistency: 'crash',
        excludeDisks: [],
      },
      undefined,
    );
    const id = site.start();
    await settled();
    assert.deepEqual(site.begun, ['sql01', 'web01'], 'a VM that waits takes no place');
    release();
    await settled();
    assert.deepEqual(site.begun, ['sql01', 'web01', 'sql01']);
    release();
    const run = await site.ended(id);
    assert.equal(run.state, 'succeeded');
    assert.notEqual(run.outcome.vms[0]?.run, other.id);
  });

  it('leaves out a VM that is in another run when the policy says so, and says why', async () => {
    site.addVm('hv01', 'sql01', 'web01');
    site.backups.set('sql01', hangs);
    site.apply('overlap: skip');
    const other = site.runs.start(
      {
        kind: 'backup',
        host: 'hv01',
        vm: 'sql01',
        repository: 'main',
        type: 'full',
        consistency: 'crash',
        excludeDisks: [],
      },
      undefined,
    );
    const run = await site.ended(site.start());
    assert.equal(run.state, 'succeeded');
    const [sql, web] = run.outcome.vms;
    assert.equal(sql?.result, 'skipped');
    assert.ok(sql?.reason?.includes(other.id));
    assert.equal(sql?.run, undefined);
    assert.equal(web?.result, 'succeeded');
    assert.match(run.warnings.join(), /sql01 was skipped/);
  });

  it('cancels its backups when it is cancelled, and says which were', async () => {
    site.addVm('hv01', 'sql01', 'web01', 'web02');
    site.backups.set('web01', hangs);
    site.apply('retention: {keepLast: 1}\nverify: after-backup\nconcurrency: {total: 2}');
    site.backups.set('web02', fails(errorCodes.vmBusy));
    const id = site.start();
    await settled();
    site.runs.cancel(id);
    const run = await site.ended(id);
    assert.equal(run.state, 'cancelled');
    assert.deepEqual(
      run.outcome.vms.map(({ vm, result }) => [vm, result]),
      [
        ['sql01', 'succeeded'],
        ['web01', 'cancelled'],
        ['web02', 'cancelled'],
      ],
      'one was at work, one waited to be tried again',
    );
    assert.deepEqual(site.runs.active(), []);
    assert.ok(
      site.requests.every(({ kind }) => kind === 'backup'),
      'nothing is deleted after a run that was cancelled',
    );
  });

  it('counts a VM whose backup somebody cancelled as cancelled, and does not try it again', async () => {
    site.addVm('hv01', 'sql01', 'web01');
    site.backups.set('sql01', hangs);
    site.apply();
    const id = site.start();
    await settled();
    const child = site.runs.active().find(({ parent }) => parent === id);
    assert(child);
    site.runs.cancel(child.id);
    const run = await site.ended(id);
    assert.equal(run.state, 'failed');
    assert.match(run.error?.message ?? '', /1 of 2 VMs was cancelled/);
  });

  it('deletes only what belongs to VMs that were backed up, and only after that', async () => {
    site.addVm('hv01', 'sql01', 'web01');
    site.backups.set('sql01', fails(errorCodes.agentAuthenticationFailed));
    site.apply('retention: {keepLast: 1}');
    const run = await site.ended(site.start());
    const prune = site.requests.at(-1);
    assert.deepEqual(prune, {
      kind: 'prune',
      repository: 'main',
      policy: 'nightly',
      vms: [site.idOfVm('web01')],
      dryRun: false,
    });
    assert.deepEqual(run.outcome.retention, { removed: [], kept: 0 });
  });

  it('deletes nothing when no backup succeeded, or when the policy has no retention', async () => {
    site.addVm('hv01', 'sql01');
    site.apply('retention: {keepLast: 1}');
    site.backups.set('sql01', fails(errorCodes.agentAuthenticationFailed));
    await site.ended(site.start());
    site.backups.clear();
    site.apply();
    await site.ended(site.start());
    assert.deepEqual(
      site.requests.map(({ kind }) => kind),
      ['backup', 'backup'],
    );
  });

  it('goes on when its policy is deleted meanwhile, and deletes nothing then', async () => {
    site.addVm('hv01', 'sql01');
    let release = (): void => undefined;
    site.backups.set('sql01', () => new Promise((resolve) => (release = resolve)));
    site.apply('retention: {keepLast: 1}');
    const id = site.start();
    await settled();
    site.policies.delete('nightly', 'test');
    release();
    const run = await site.ended(id);
    assert.equal(run.state, 'succeeded');
    assert.equal(run.outcome.retention, undefined);
    assert.deepEqual(
      site.requests.map(({ kind }) => kind),
      ['backup'],
    );
  });

  it('verifies before it deletes, and deletes nothing of a VM of which damage was found', async () => {
    site.addVm('hv01', 'dc01', 'sql01', 'web01');
    site.apply('retention: {keepLast: 1}\nverify: after-backup');
    await site.ended(site.start());
    const kinds = site.requests.map(({ kind }) => kind);
    assert.deepEqual(kinds, ['backup', 'backup', 'backup', 'verify', 'prune']);
    site.problems = 1;
    const old = restorePointId('01ARZ3NDEKTSV4RRFFQ69G5FAV', '');
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is looked at
    site.points = [{ id: old, vmId: site.idOfVm('web01') }] as unknown as typeof site.points;
    // A new one of dc01, and an old one of web01 that shares the damaged data.
    site.damagedPoints = ({ restorePoints = [] }) => [...restorePoints.slice(0, 1), old];
    const run = await site.ended(site.start());
    assert.equal(run.state, 'failed');
    const prune = site.requests.at(-1);
    assert(prune?.kind === 'prune');
    assert.deepEqual(prune.vms, [site.idOfVm('sql01')]);
    assert.match(run.warnings.join(), /nothing of dc01 is deleted.*nothing of web01 is deleted/);
  });

  it('deletes nothing when it cannot be told whose restore points are damaged', async () => {
    site.addVm('hv01', 'sql01', 'web01');
    site.apply('retention: {keepLast: 1}\nverify: after-backup');
    site.problems = 1;
    site.damagedPoints = () => [restorePointId('01ARZ3NDEKTSV4RRFFQ69G5FAV', '')];
    const run = await site.ended(site.start());
    assert.equal(run.outcome.retention, undefined);
    assert.equal(site.requests.at(-1)?.kind, 'verify');
  });

  it('deletes as always when damage hits no restore point', async () => {
    site.addVm('hv01', 'sql01');
    site.apply('retention: {keepLast: 1}\nverify: after-backup');
    site.problems = 1;
    await site.ended(site.start());
    assert.equal(site.requests.at(-1)?.kind, 'prune');
  });

  it('deletes nothing when the verification could not be carried out, and says so', async () => {
    site.addVm('hv01', 'sql01');
    site.apply('retention: {keepLast: 1}\nverify: after-backup');
    site.verify = fails(errorCodes.repositoryLocked);
    const run = await site.ended(site.start());
    assert.equal(run.state, 'succeeded');
    assert.equal(run.outcome.verification?.error?.code, errorCodes.repositoryLocked);
    assert.equal(run.outcome.retention, undefined);
    assert.equal(site.requests.at(-1)?.kind, 'verify');
    assert.match(run.warnings.join(), /nothing is deleted, since the verification was not carried out/);
  });

  it('deletes nothing in its repository when its policy stores in another one meanwhile', async () => {
    site.addVm('hv01', 'sql01');
    let release = (): void => undefined;
    site.backups.set('sql01', () => new Promise((resolve) => (release = resolve)));
    site.apply('retention: {keepLast: 9}');
    const id = site.start();
    await settled();
    site.apply('retention: {keepLast: 1}', 'nightly', 'second');
    release();
    const run = await site.ended(id);
    assert.equal(run.state, 'succeeded');
    assert.equal(run.outcome.retention, undefined);
    assert.equal(site.requests.at(-1)?.kind, 'backup');
  });

  it('says what a retention deleted that failed on its way', async () => {
    site.addVm('hv01', 'sql01');
    site.apply('retention: {keepLast: 1}');
    const removed = [restorePointId('01ARZ3NDEKTSV4RRFFQ69G5FAV', '')];
    const failure = new TidemarkError(errorCodes.repositoryUnavailable, 'The disk is gone.');
    site.prune = async () => {
      throw new FailedWithOutcome(failure, { kind: 'prune', kept: [], removed, dryRun: false });
    };
    const run = await site.ended(site.start());
    assert.deepEqual(run.outcome.retention, { removed, kept: 0, error: failure.report() });
    assert.match(run.warnings.join(), /not carried out to its end; 1 restore points are deleted/);
  });

  it('says what failed of the retention without calling the backups failed', async () => {
    site.addVm('hv01', 'sql01');
    site.apply('retention: {keepLast: 1}');
    site.prune = fails(errorCodes.repositoryUnavailable);
    const run = await site.ended(site.start());
    assert.equal(run.state, 'succeeded');
    assert.equal(run.outcome.retention?.error?.code, errorCodes.repositoryUnavailable);
    assert.match(run.warnings.join(), /retention was not carried out/);
  });

  it('verifies what is new after a backup, and fails when that is damaged', async () => {
    site.addVm('hv01', 'sql01', 'web01');
    site.apply('verify: after-backup');
    site.problems = 2;
    const run = await site.ended(site.start());
    const points = run.outcome.vms.map(({ restorePoint }) => restorePoint);
    const verify = site.requests.at(-1);
    assert.deepEqual(verify, {
      kind: 'verify',
      repository: 'main',
      readData: true,
      restorePoints: points,
      newOnly: true,
    });
    assert.equal(run.outcome.verification?.problems, 2);
    assert.equal(run.state, 'failed');
    assert.match(run.error?.message ?? '', /damage in 2 places/);
  });

  it('verifies every byte of the newest restore points with the first run of a week, in the zone of the policy', async () => {
    site.addVm('hv01', 'sql01', 'web01');
    site.apply('verify: weekly\ntimezone: Asia/Kathmandu');
    site.backups.set('web01', fails(errorCodes.agentAuthenticationFailed));
    const idOf = (letter: string): string => `01ARZ3NDEKTSV4RRFFQ69G5FA${letter}`;
    const pointOf = (vm: string, id: string): object => ({ policy: 'nightly', vmId: site.idOfVm(vm), id: idOf(id) });
    const points = [
      pointOf('web01', 'A'),
      pointOf('sql01', 'B'),
      pointOf('sql01', 'C'),
      { ...pointOf('sql01', 'D'), policy: 'other' },
    ];
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what choosing restore points looks at
    site.points = points as unknown as typeof site.points;
    const verified = async (): Promise<readonly unknown[]> => {
      site.requests.length = 0;
      await site.ended(site.start());
      return site.requests.filter(({ kind }) => kind === 'verify');
    };
    const all = { kind: 'verify', repository: 'main', readData: true, restorePoints: [idOf('C'), idOf('A')] };
    assert.deepEqual(await verified(), [all], 'also those of a VM whose backup failed');
    assert.deepEqual(await verified(), []);
    await site.clock.passUntil('2026-03-08T18:14:00Z');
    assert.deepEqual(await verified(), [], 'still Sunday in Kathmandu');
    await site.clock.passUntil('2026-03-08T18:16:00Z');
    assert.deepEqual(await verified(), [all], 'Monday');
    site.apply('verify: weekly\ntimezone: Asia/Kathmandu', 'nightly', 'second');
    assert.deepEqual(await verified(), [{ ...all, repository: 'second' }], 'another repository');
    assert.deepEqual(await verified(), []);
    site.scheduler.start();
    site.policies.delete('nightly', 'test');
    site.apply('verify: weekly\ntimezone: Asia/Kathmandu', 'nightly', 'second');
    assert.equal((await verified()).length, 1, 'another policy of the same name');
  });

  it('adds up the progress of its backups', async () => {
    site.addVm('hv01', 'sql01', 'web01');
    const release = Promise.withResolvers<void>();
    for (const name of ['sql01', 'web01']) {
      site.backups.set(name, async (_request, context) => {
        context.setDisks([{ name: 'os', totalBytes: 1000 }]);
        context.advance('os', 250);
        await release.promise;
      });
    }
    site.apply();
    const id = site.start();
    const shown = new Promise<RunInfo>((resolve) => {
      site.runs.onChange((run) => {
        if (run.id === id && run.progress.doneBytes === 500) resolve(run);
      });
    });
    const { disks, totalBytes } = (await shown).progress;
    assert.equal(totalBytes, 2000);
    assert.deepEqual(disks, [
      { name: 'hv01/sql01', doneBytes: 250, totalBytes: 1000 },
      { name: 'hv01/web01', doneBytes: 250, totalBytes: 1000 },
    ]);
    release.resolve();
    await site.ended(id);
  });

  it('names the VMs of a host that does not answer, as far as they are known from restore points', async () => {
    site.addVm('hv01', 'web01');
    site.vms.set('hv02', []);
    site.silent.add('hv02');
    site.apply('retry: {attempts: 0}');
    const point = { policy: 'nightly', vmId: site.idOfVm('web01'), vmName: 'gone', host: 'hv02' };
    const other = { ...point, vmId: 'AAAAAAAA-0000-0000-0000-000000000000' };
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what finding VMs looks at
    site.points = [point, other] as unknown as typeof site.points;
    site.backups.set(other.vmId, fails(errorCodes.hostUnreachable));
    const run = await site.ended(site.start());
    assert.deepEqual(
      run.outcome.vms.map(({ host, vm, result }) => [host, vm, result]),
      [
        ['hv01', 'web01', 'succeeded'],
        ['hv02', 'gone', 'failed'],
      ],
      'a VM that another host has is there, not here',
    );
  });

  it('warns of a VM that two hosts have at once, as a replica: one of them is not backed up', async () => {
    site.addVm('hv01', 'sql01');
    site.vms.set('hv02', ['sql01']);
    site.apply();
    const run = await site.ended(site.start());
    assert.deepEqual(
      run.outcome.vms.map(({ host }) => host),
      ['hv01'],
    );
    assert.deepEqual(run.warnings, ['VM sql01 on hv02 has the same id as sql01 on hv01, and was not backed up.']);
  });

  it('backs up a VM that two hosts have where it runs, also when that host does not answer now', async () => {
    site.addVm('hv01', 'sql01');
    site.vms.set('hv02', ['sql01']);
    site.states.set('hv01/sql01', 'off');
    site.apply('retry: {attempts: 0}');
    const hostsOf = async (): Promise<readonly unknown[]> => {
      const { outcome, warnings } = await site.ended(site.start());
      return [
        ...outcome.vms.map(({ host }) => host),
        ...warnings.map((text) => / on (.*) has the same id/.exec(text)?.[1]),
      ];
    };
    assert.deepEqual(await hostsOf(), ['hv02', 'hv01']);
    site.silent.add('hv02');
    assert.deepEqual(await hostsOf(), ['hv02', 'hv01'], 'a replica does not stand in for it');
    site.states.set('hv01/sql01', 'running');
    assert.deepEqual(await hostsOf(), ['hv01'], 'it moved, or its replica was started');
  });

  it('does not back up a replica when it is not known what the host does that the VM was on', async () => {
    site.addVm('hv01', 'sql01');
    site.states.set('hv01/sql01', 'off');
    site.vms.set('hv02', []);
    site.silent.add('hv02');
    site.apply('retry: {attempts: 0}');
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what finding VMs looks at
    site.points = [
      { policy: 'nightly', vmId: site.idOfVm('sql01'), vmName: 'sql01', host: 'hv02' },
    ] as unknown as typeof site.points;
    const { outcome } = await site.ended(site.start());
    assert.deepEqual(
      outcome.vms.map(({ host }) => host),
      ['hv02'],
    );
  });

  it('fails when a host that it takes VMs from does not answer and none of them is known', async () => {
    site.addVm('hv01', 'web01');
    site.vms.set('hv02', []);
    site.silent.add('hv02');
    site.apply();
    const run = await site.ended(site.start());
    assert.equal(run.state, 'failed');
    assert.match(run.error?.message ?? '', /Host hv02 does not answer, and its VMs are not known/);
  });

  it('fails when it takes in no VM', async () => {
    site.vms.set('hv01', []);
    site.apply();
    const run = await site.ended(site.start());
    assert.match(run.error?.message ?? '', /takes in no VM/);
  });
});
