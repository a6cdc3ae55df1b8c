import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { AppliedPolicy, PlannedVm, PolicyVersion, VmEntry } from '../../../../server/protocol/daemon.ts';
import { policyTarget, policyVersionTarget, vmTarget } from '../../../../client/targets.ts';
import { joinPolicies } from '../../../../client/policy/policy-entries.ts';
import type { PolicyFile } from '../../../../client/policy/policy-file.ts';
import { ready, unread } from '../../../../client/stores/cached.ts';
import type { Cached } from '../../../../client/stores/cached.ts';
import { PoliciesModel } from '../../../../client/views/policies/policies-model.ts';
import type { PoliciesData, PoliciesNode } from '../../../../client/views/policies/policies-nodes.ts';
import { appliedPolicy, policyFile, policyVersion } from '../support/policies.ts';
import { sampleRun } from '../support/samples.ts';
import { allNodes, backedUpVm, hoursAgo, labels, noon, vmIdOf } from './support/world.ts';

interface World extends Partial<PoliciesData> {
  readonly files?: readonly PolicyFile[];
  readonly applied?: readonly AppliedPolicy[] | undefined;
  readonly planned?: Cached<readonly PlannedVm[]>;
  readonly history?: Cached<readonly PolicyVersion[]>;
  readonly known?: VmEntry;
}

function made({ files = [], applied, planned = unread([]), history = unread([]), known, ...more }: World) {
  const model = new PoliciesModel({
    entries: joinPolicies(files, applied, '.backup.yaml'),
    folders: new Map(files.map(({ folderUri, folderName }) => [folderUri, folderName])),
    failure: undefined,
    appliedFailure: undefined,
    readAt: applied === undefined ? undefined : noon,
    trusted: true,
    connected: true,
    errors: () => 0,
    vms: () => planned,
    versions: () => history,
    vm: () => known,
    now: noon,
    ...more,
  });
  const at = (label: string): PoliciesNode => {
    const node = allNodes(model).find((other) => model.row(other).label === label);
    assert.ok(node !== undefined, `no ${label} among ${labels(model).join(', ')}`);
    return node;
  };
  return { model, at, row: (label: string) => model.row(at(label)) };
}

const lastRun = (state: 'running' | 'succeeded' | 'failed', succeeded = 14): AppliedPolicy['lastRun'] => ({
  id: sampleRun(1, state).id,
  state,
  startedAt: hoursAgo(4),
  ...(state === 'running' ? {} : { finishedAt: hoursAgo(3) }),
  succeeded,
  total: 14,
});

test('files and applied policies are joined by the name in the file, and each says how they stand', () => {
  const files = [
    policyFile('same.backup.yaml'),
    policyFile('sql/edited.backup.yaml', 'name: edited\nrepository: other\n'),
    policyFile('fresh.backup.yaml'),
    policyFile('mist.backup.yaml', 'repository: main\n'),
  ];
  const applied = [appliedPolicy('same'), appliedPolicy('edited'), appliedPolicy('lonely')];
  const { model, row } = made({ files, applied });
  assert.deepEqual(labels(model), ['edited', 'fresh', 'lonely', 'mist', 'same']);
  const looks = (label: string) => [row(label).icon?.name, row(label).description];
  assert.deepEqual(looks('same'), ['pass', '14 VMs']);
  assert.deepEqual(looks('edited'), ['diff-modified', 'changed on disk · 14 VMs · sql']);
  assert.deepEqual(looks('fresh'), ['circle-outline', 'not applied']);
  assert.deepEqual(looks('lonely'), ['cloud', 'no file here · 14 VMs']);
  assert.deepEqual(looks('mist'), ['warning', 'no name']);
  assert.equal(row('same').accessibility, 'Policy same, applied, 14 VMs');
});

test('two files with one name are both marked', () => {
  const files = [policyFile('a/x.backup.yaml', 'name: twin'), policyFile('b/x.backup.yaml', "name: 'twin' # mine")];
  const { model } = made({ files, applied: [] });
  for (const node of model.children(undefined)) {
    assert.match(model.row(node).description ?? '', /another file has this name/);
    assert.equal(model.row(node).icon?.name, 'warning');
  }
});

test('the line has the next run, the last one and how many VMs; the tooltip has who applied what', () => {
  const at = new Date(noon + 14 * 3_600_000).toISOString();
  const applied = [appliedPolicy('nightly', { nextRun: { at, type: 'incremental' }, lastRun: lastRun('succeeded') })];
  const { model, at: node, row } = made({ files: [policyFile('nightly.backup.yaml')], applied });
  assert.equal(row('nightly').description, 'next 2026-02-01 02:00 · last run succeeded 3 h ago · 14 VMs');
  assert.match(model.tooltip(node('nightly')) ?? '', /3, applied .* by anna\\@laptop/);
});

test('a policy in trouble is told from one that is well, and counted', () => {
  const world = (more: Partial<AppliedPolicy>) =>
    made({ files: [policyFile('nightly.backup.yaml')], applied: [appliedPolicy('nightly', more)] });
  const failed = world({ lastRun: lastRun('failed', 12) });
  assert.equal(failed.row('nightly').icon?.name, 'error');
  assert.equal(failed.row('nightly').description, 'last run failed 3 h ago, 12 of 14 VMs · 14 VMs');
  assert.equal(failed.model.inTrouble().length, 1);
  const nextRun = { at: hoursAgo(-2), type: 'incremental' } as const;
  const [first, second] =
    world({ lastRun: lastRun('failed'), nextRun })
      .row('nightly')
      .description?.split(' · ') ?? [];
  assert.match(first ?? '', /^last run failed/, 'where a narrow view does not cut it off');
  assert.match(second ?? '', /^next /);
  const orphan = world({ problems: ['Repository main is gone.'] });
  assert.match(orphan.row('nightly').description ?? '', /Repository main is gone/);
  assert.equal(orphan.row('Repository main is gone.').icon?.name, 'error');
  assert.equal(orphan.model.inTrouble().length, 1);
  const running = world({ lastRun: lastRun('running') });
  assert.equal(running.row('nightly').icon?.name, 'sync~spin');
  assert.equal(running.model.inTrouble().length, 0);
  const paused = world({ paused: { since: hoursAgo(1), by: 'anna@laptop', until: hoursAgo(-2) } });
  assert.equal(paused.row('nightly').description, 'paused until 14:00 · 14 VMs');
  assert.equal(paused.row('nightly').icon?.name, 'debug-pause');
});

test('what can be done with a policy follows from its state', () => {
  const files = [
    policyFile('same.backup.yaml'),
    policyFile('edited.backup.yaml', 'name: edited\nx: 1\n'),
    policyFile('fresh.backup.yaml'),
  ];
  const paused = { since: hoursAgo(1), by: 'anna@laptop' };
  const applied = [appliedPolicy('same'), appliedPolicy('edited'), appliedPolicy('lonely', { paused })];
  const { row } = made({ files, applied });
  assert.equal(row('same').context, 'tidemark.policy+file+applied+runnable+carried+trusted');
  assert.equal(row('edited').context, 'tidemark.policy+file+applied+changed+runnable+appliable+carried+trusted');
  assert.equal(row('fresh').context, 'tidemark.policy+file+appliable+trusted');
  assert.equal(row('lonely').context, 'tidemark.policy+applied+runnable+paused+trusted');
});

test('in a workspace that is not trusted policies are shown, and neither applied nor run', () => {
  const files = [policyFile('a.backup.yaml'), policyFile('b.backup.yaml')];
  const { model, row } = made({ files, applied: [appliedPolicy('a')], trusted: false });
  assert.equal(row('a').context, 'tidemark.policy+file+applied+carried');
  assert.equal(row('b').context, 'tidemark.policy+file');
  assert.match(model.head().message ?? '', /not trusted/);
});

test('while the daemon is away files are there without a state, and what was known is said to be old', () => {
  const files = [policyFile('a.backup.yaml')];
  const never = made({ files, applied: undefined, connected: false });
  assert.equal(never.row('a').description, undefined);
  assert.equal(never.row('a').expand, 'never');
  assert.deepEqual(never.model.head(), {});
  const stale = made({ files, applied: [appliedPolicy('a')], connected: false });
  assert.match(stale.model.head().message ?? '', /Showing applied policies as of 12:00/);
});

test('a node is what commands take: the policy, its VMs, its versions', () => {
  const planned = ready<readonly PlannedVm[]>(
    [
      { host: 'hv01', vmId: vmIdOf(1), vm: 'sql01', change: 'kept' },
      { host: 'hv01', vmId: vmIdOf(2), vm: 'sql02', change: 'new' },
      { host: 'hv02', vmId: vmIdOf(3), vm: 'sql03', change: 'dropped' },
    ],
    noon,
  );
  const history = ready(
    [policyVersion(3, 'name: nightly\n'), policyVersion(2, 'x', 'deleted'), policyVersion(1, 'x')],
    noon,
  );
  const known = backedUpVm('hv01', 'sql01', 1);
  const { at, row, model } = made({
    files: [policyFile('nightly.backup.yaml')],
    applied: [appliedPolicy('nightly')],
    planned,
    history,
    known,
  });
  assert.deepEqual(policyTarget(at('nightly'), ''), {
    policyUri: 'file:///w/site/nightly.backup.yaml',
    policyName: 'nightly',
  });
  assert.deepEqual(vmTarget(at('sql02'), ''), { host: 'hv01', vmId: vmIdOf(2), vmName: 'sql02' });
  assert.equal(row('VMs').description, '2');
  assert.equal(row('sql01').description, 'hv01 · last backup 2 h ago');
  assert.match(row('sql02').description ?? '', /^new · hv01/);
  assert.match(row('sql03').description ?? '', /^no longer taken in · hv02/);
  assert.deepEqual(labels(model, at('History')), ['Version 3', 'Version 2', 'Version 1']);
  assert.deepEqual(policyVersionTarget(at('Version 1'), ''), { policyName: 'nightly', version: 1 });
  assert.match(row('Version 3').description ?? '', /^applied now · /);
  assert.equal(row('Version 3').context, 'tidemark.policyVersion+current');
  assert.equal(row('Version 1').context, 'tidemark.policyVersion+earlier');
  assert.equal(row('Version 2').command, undefined, 'a deletion has no text');
});

test('a click opens the file, or the applied version of a policy without one', () => {
  const { row } = made({ files: [policyFile('a.backup.yaml')], applied: [appliedPolicy('lonely')] });
  assert.deepEqual(row('a').command?.target, { policyUri: 'file:///w/site/a.backup.yaml', policyName: 'a' });
  assert.deepEqual(row('lonely').command?.target, { policyName: 'lonely' });
});

test('several workspace folders are told apart, and what has no file comes after them', () => {
  const files = [policyFile('a.backup.yaml', undefined, 'one'), policyFile('b.backup.yaml', undefined, 'two')];
  const { model } = made({ files, applied: [appliedPolicy('lonely')] });
  assert.deepEqual(labels(model), ['one', 'two', 'lonely']);
  const ids = allNodes(model).map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
});

test('a workspace that cannot be searched says why, above what is applied', () => {
  const { model } = made({ applied: [appliedPolicy('lonely')], failure: 'no provider' });
  const [node] = model.children(undefined);
  assert.ok(node !== undefined);
  assert.equal(model.row(node).description, 'no provider');
  assert.deepEqual(labels(model).slice(1), ['lonely']);
});

test('errors in an open file show in its line', () => {
  const { row } = made({ files: [policyFile('a.backup.yaml')], applied: [], errors: () => 2 });
  assert.equal(row('a').description, 'not applied · 2 errors');
  assert.equal(row('a').icon?.name, 'warning');
  assert.equal(row('a').context, 'tidemark.policy+file+trusted', 'what would be refused is not offered');
});

test('five thousand policies are shown a page at a time', () => {
  const files = Array.from({ length: 5000 }, (_, n) => policyFile(`p${n}.backup.yaml`));
  const { model } = made({ files, applied: files.map(({ content: { name = '' } }) => appliedPolicy(name)) });
  const nodes = model.children(undefined);
  assert.equal(nodes.length, 101);
  assert.equal(nodes.at(-1)?.kind, 'more');
});
