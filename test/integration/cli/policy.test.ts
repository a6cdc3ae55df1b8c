import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

import {
  appliedPolicy,
  policyPlan,
  policyVersion,
  retentionDecision,
  runInfo,
} from '../../../server/protocol/daemon.ts';
import { restorePointInfo } from '../../../server/protocol/model.ts';
import { array, boolean, json, object } from '../../../server/protocol/parse.ts';
import { tidemark } from '../acceptance/support/command.ts';
import { Site } from '../acceptance/support/site.ts';

const applied = object({ plan: policyPlan, policy: appliedPolicy, unchanged: boolean });

interface PolicyText {
  readonly vms?: string;
  readonly keepLast?: number;
  readonly host?: string;
}

/** A policy that only a person starts. */
function policyText({ vms = 'sql*', keepLast = 2, host = 'hv01' }: PolicyText = {}): string {
  return `name: nightly
repository: main
select:
  - host: ${host}
    vms: ["${vms}"]
retention: { keepLast: ${keepLast} }
retry: { attempts: 0 }
`;
}

/** A host with VMs, and a repository. */
async function siteWith(t: TestContext, vms: readonly string[]): Promise<Site> {
  const site = await Site.make(t);
  await site.run(['sim', 'init', site.root('hv01'), '--name', 'hv01']);
  for (const vm of vms) await site.run(['sim', 'create-vm', site.root('hv01'), vm, '--disk', 'os=4MiB']);
  await site.startAgent('hv01');
  await site.connectHost('hv01');
  await site.initRepository();
  return site;
}

async function backUp(site: Site): Promise<void> {
  const { code, stderr } = await tidemark(['backup', 'run', 'nightly', '--wait', '--data', site.data]);
  assert.equal(code, 0, stderr);
}

async function policyFile(site: Site, text: string): Promise<string> {
  const file = site.newFile('backup.yaml');
  await writeFile(file, text);
  return file;
}

test('A policy is planned, applied, carried out, changed, rolled back and deleted', async (t) => {
  const site = await siteWith(t, ['sql01', 'sql02', 'web']);
  const first = await policyFile(site, policyText());
  const planned = await tidemark(['policy', 'plan', first, '--data', site.data]);
  assert.equal(planned.code, 0, planned.stderr);
  assert.match(
    planned.stdout,
    /^Policy nightly is new\.\n[^]*\n {2}\+ hv01\/sql01 {2}new\n {2}\+ hv01\/sql02 {2}new\n/,
  );
  assert.match(planned.stdout, /\nPlan: 2 VMs new, 0 dropped, 0 unchanged; no restore point would be removed\.\n$/);
  assert.deepEqual(await site.ask(['policy', 'list'], array(appliedPolicy)), []);

  const refused = await tidemark(['policy', 'apply', first, '--data', site.data]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /Give --yes/);
  const { policy, unchanged } = await site.ask(['policy', 'apply', first, '--yes'], applied);
  assert.deepEqual([policy.current.version, policy.vms, unchanged], [1, 2, false]);
  assert.equal(policy.current.source, first);
  assert.match(policy.current.by, /^.+@.+$/);
  const again = await tidemark(['policy', 'apply', first, '--yes', '--data', site.data]);
  assert.deepEqual([again.code, /\nNothing to do: version 1 of nightly/.test(again.stdout)], [0, true], again.stdout);

  const ran = await tidemark(['backup', 'run', 'nightly', '--wait', '--data', site.data]);
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(
    ran.stdout,
    /\nhv01\/sql01 +succeeded [^]*\nhv01\/sql02 +succeeded [^]*\nRetention removed 0 restore points/,
  );
  assert.match(ran.stderr, /^hv01\/sql0\d → main: succeeded in .*$/m);
  const runs = await site.ask(['run', 'list'], array(runInfo));
  const parent = runs.find(({ request }) => request.kind === 'policy');
  assert.equal(runs.filter((run) => run.parent === parent?.id && run.request.kind === 'backup').length, 2);
  const listed = await tidemark(['run', 'list', '--data', site.data]);
  assert.match(listed.stdout, /Policy nightly\n\S+ +succeeded .* {3}hv01\/sql0/);
  const shown = await tidemark(['run', 'show', parent?.id ?? '', '--data', site.data]);
  assert.match(shown.stdout, /\n\nVM .*\n[^]*\nhv01\/sql02 +succeeded/);
  const watched = await tidemark(['run', 'watch', parent?.id ?? '', '--data', site.data]);
  assert.match(watched.stderr, /^hv01\/sql0\d [^]*\nRetention of nightly in main: succeeded.*\n$/);
  // The newest run is a part of the policy's, which is not in this list.
  const short = await tidemark(['run', 'list', '--limit', '1', '--data', site.data]);
  assert.match(short.stdout, /succeeded .* s {2}Retention of nightly in main\n$/);

  const second = await policyFile(site, policyText({ vms: '*1', keepLast: 1 }));
  const change = await tidemark(['policy', 'plan', second, '--data', site.data]);
  assert.match(change.stdout, /\n {2}~ retention\.keepLast +2 → 1\n[^]*\n {2}- hv01\/sql02 {2}dropped/);
  await site.run(['policy', 'apply', second, '--yes']);
  const back = await site.ask(['policy', 'rollback', 'nightly', '1', '--yes'], applied);
  assert.deepEqual([back.policy.current.version, back.policy.current.restored, back.policy.vms], [3, 1, 2]);
  const text = await tidemark(['policy', 'show', 'nightly', '2', '--data', site.data]);
  assert.equal(text.stdout, policyText({ vms: '*1', keepLast: 1 }));

  await site.run(['policy', 'delete', 'nightly', '--yes']);
  await site.fails(['backup', 'run', 'nightly'], 'policyNotFound');
  await site.fails(['policy', 'show', 'nightly', '9'], 'policyNotFound');
  const history = await site.ask(['policy', 'history', 'nightly'], array(policyVersion));
  assert.deepEqual(
    history.map(({ change: what }) => what),
    ['deleted', 'rolled-back', 'applied', 'applied'],
  );
  assert.equal((await site.restorePoints()).length, 2);
  const names = await tidemark(['policy', 'history', 'nightly', '--data', site.data]);
  assert.match(names.stdout, /^VERSION[^]*rolled back to 1/);
});

test('A text with errors is not applied, and all of them are shown', async (t) => {
  const site = await siteWith(t, ['sql01']);
  const file = await policyFile(site, `${policyText().replace('repository', 'repositry')}verify: sometimes\n`);
  for (const command of ['plan', 'apply']) {
    const result = await tidemark([
      'policy',
      command,
      file,
      '--data',
      site.data,
      ...(command === 'apply' ? ['--yes'] : []),
    ]);
    assert.equal(result.code, 1);
    assert.match(result.stderr, /:1:1: error TM7108[^]*:2:1: error TM7107[^]*:8:9: error TM71\d\d[^]*\(TM7001\)/);
  }
  await site.fails(['policy', 'plan', file], 'policyInvalid');
  assert.deepEqual(await site.ask(['policy', 'list'], array(appliedPolicy)), []);
});

test('validate checks names with the daemon that runs, and never starts one', async (t) => {
  const site = await siteWith(t, ['sql01']);
  const file = await policyFile(site, policyText({ host: 'hv02' }));
  const checked = await tidemark(['policy', 'validate', file, '--strict', '--data', site.data]);
  assert.equal(checked.code, 1);
  assert.match(checked.stdout, /:4:11: \w+ TM7301 .*"hv02"/);
  const offline = await tidemark(['policy', 'validate', file, '--offline', '--data', site.data]);
  assert.deepEqual([offline.code, offline.stderr], [0, '']);

  await site.stopDaemon();
  const alone = await tidemark(['policy', 'validate', file, '--format', 'github', '--data', site.data]);
  assert.equal(alone.code, 0);
  assert.match(alone.stderr, /^note: names of hosts, VMs and repositories were not checked\. No daemon serves/);
  await site.fails(['daemon', 'status'], 'daemonNotRunning');
});

test('validate goes by what is known of a host that is away, and says that it is away; it names a pair of policies once', async (t) => {
  const site = await Site.make(t);
  await site.run(['sim', 'init', site.root('hv01'), '--name', 'hv01', '--build', '14393']);
  await site.run(['sim', 'create-vm', site.root('hv01'), 'sql01', '--disk', 'os=4MiB']);
  await site.startAgent('hv01');
  await site.connectHost('hv01');
  await site.initRepository();
  const schedule = 'timezone: UTC\nschedule: [{ cron: "0 2 * * *" }]\n';
  const first = await policyFile(site, `${policyText()}disks: { exclude: [os] }\n${schedule}`);
  const second = site.newFile('second.yaml');
  await writeFile(second, `${policyText().replace('nightly', 'second')}${schedule}`);
  const validate = async (): ReturnType<typeof tidemark> =>
    tidemark(['policy', 'validate', first, second, '--data', site.data]);
  const before = await validate();
  assert.match(before.stdout, /warning TM7307 /);
  assert.equal(before.stderr, '');
  const pairs = before.stdout.split('\n').filter((line) => line.includes(' TM7306 '));
  assert.equal(pairs.length, 1, before.stdout);
  assert.match(pairs[0] ?? '', /second.*"nightly"/);
  await site.stopAgent('hv01', 'SIGKILL');
  await tidemark(['host', 'list', '--data', site.data]);
  await tidemark(['vm', 'list', '--data', site.data]);
  const away = await validate();
  assert.equal(away.stdout, before.stdout);
  assert.equal(away.stderr, 'note: Host hv01 does not answer, so its VMs are those that it had before.\n');
});

test('VMs that cannot be backed up are named with the reason, and the command fails', async (t) => {
  const site = await siteWith(t, ['sql01', 'sql02']);
  await site.run(['policy', 'apply', await policyFile(site, policyText()), '--yes']);
  await backUp(site);
  await site.stopAgent('hv01', 'SIGKILL');
  const failed = await tidemark(['backup', 'run', 'nightly', '--wait', '--data', site.data]);
  assert.equal(failed.code, 1);
  assert.match(failed.stdout, /\nhv01\/sql01 +(failed|skipped)[^]*\n {2}hv01\/sql01: /);
  assert.match(failed.stderr, /\(TM7004\)/);
});

test('What is not there is told before a yes is asked for, and whoever deletes a policy hears of its run that goes on', async (t) => {
  const site = await siteWith(t, ['sql01']);
  const text = policyText().replace('attempts: 0', 'attempts: 3');
  await site.run(['policy', 'apply', await policyFile(site, text), '--yes']);
  await site.fails(['policy', 'rollback', 'nightly', '7'], 'policyNotFound');
  await site.fails(['policy', 'rollback', 'nightly', '1'], 'invalidUsage');
  await site.fails(['policy', 'delete', 'nigthly'], 'policyNotFound');
  await site.fails(['policy', 'delete', 'nightly'], 'invalidUsage');
  // A run that waits for its next attempt.
  await site.stopAgent('hv01', 'SIGKILL');
  // With --json it would wait for the end.
  await tidemark(['backup', 'run', 'nightly', '--data', site.data]);
  const runs = await site.ask(['run', 'list'], array(runInfo));
  const active = runs.find(({ request }) => request.kind === 'policy')?.id ?? '';
  const deleted = await tidemark(['policy', 'delete', 'nightly', '--yes', '--data', site.data]);
  assert.equal(
    deleted.stdout.replaceAll(/\s+/g, ' ').trim(),
    `Deleted the policy nightly. Its restore points stay. Run ${active} of it goes on; stop it with: tidemark run cancel ${active}`,
  );
  await site.run(['run', 'cancel', active]);
});

test('Pausing holds the schedule and shows until when', async (t) => {
  const site = await siteWith(t, ['sql01']);
  const text = `${policyText()}schedule: [{ cron: "0 4 * * *", timezone: Asia/Kathmandu }]\n`;
  const { policy } = await site.ask(['policy', 'apply', await policyFile(site, text), '--yes'], applied);
  assert.ok(policy.nextRun);
  const paused = await site.ask(['policy', 'pause', 'nightly', '--until', '2h'], appliedPolicy);
  assert.ok(paused.paused?.until !== undefined);
  const list = await tidemark(['policy', 'list', '--data', site.data]);
  assert.match(list.stdout, /\nnightly +paused until \w{3} \d{4}-[\d-]+ [\d:]+ \(Asia\/Kathmandu\) /);
  const other = await policyFile(site, `${text}description: other\n`);
  const applying = await tidemark(['policy', 'apply', other, '--yes', '--data', site.data]);
  assert.match(
    applying.stdout,
    /\n {4}paused until [^]* It stays paused; it goes on with: tidemark policy resume nightly\n$/,
  );
  const resumed = await tidemark(['policy', 'resume', 'nightly', '--data', site.data]);
  assert.match(resumed.stdout, /^Resumed nightly\. Next run: \w{3} \d{4}-[\d-]+ 04:00 \(Asia\/Kathmandu\)\.\n$/);
  const again = await tidemark(['policy', 'resume', 'nightly', '--data', site.data]);
  assert.match(again.stdout, /^Nothing to do: nightly is not paused\. Next run: /);
});

test('Prune follows the policies: each restore point with the reason, and what is pinned stays', async (t) => {
  const site = await siteWith(t, ['sql01']);
  await site.run(['policy', 'apply', await policyFile(site, policyText({ keepLast: 3 })), '--yes']);
  for (let round = 0; round < 3; round++) await backUp(site);
  const [oldest, , newest] = (await site.restorePoints()).toSorted((a, b) => (a.id < b.id ? -1 : 1));
  assert.ok(oldest && newest);
  const pinned = await site.ask(['restore-point', 'pin', oldest.id, '--note', 'before the move'], restorePointInfo);
  assert.equal(pinned.pinned?.note, 'before the move');
  await site.fails(['restore-point', 'delete', oldest.id, '--yes'], 'restorePointProtected');
  const list = await tidemark(['restore-point', 'list', '--data', site.data]);
  assert.match(list.stdout, /PIN +POLICY\n/);
  assert.match(list.stdout, new RegExp(`\\n${oldest.id} .* pinned +nightly\\n`));

  await site.run(['policy', 'apply', await policyFile(site, policyText({ keepLast: 1 })), '--yes']);
  const dry = await tidemark(['repo', 'prune', 'main', '--dry-run', '--json', '--data', site.data]);
  const { decisions } = json(dry.stdout, object({ decisions: array(retentionDecision) }), 'prune');
  const kept = decisions.filter(({ keep }) => keep).map(({ restorePoint }) => restorePoint);
  assert.deepEqual(kept.toSorted(), [oldest.id, newest.id]);
  const text = await tidemark(['repo', 'prune', 'main', '--dry-run', '--data', site.data]);
  assert.match(
    text.stdout,
    new RegExp(`\\n${oldest.id} .* stays: .*pinned[^]*\\nWould delete 1 restore point, would keep 2\\.\\n`),
  );
  await site.run(['repo', 'prune', 'main']);
  assert.equal((await site.restorePoints()).length, 2);

  const unpinned = await tidemark(['restore-point', 'unpin', oldest.id, '--data', site.data]);
  assert.match(unpinned.stdout, /^Unpinned restore point/);
  await site.run(['restore-point', 'delete', oldest.id, '--yes']);
});
