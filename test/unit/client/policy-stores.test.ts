import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as daemon from '../../../server/protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { createStores } from '../../../client/stores/index.ts';
import { InventoryFeed } from '../../../client/stores/inventory-feed.ts';
import { topLevel, trimmed } from '../../../client/stores/run-order.ts';
import { Answers, FakeClient } from './support/fake-daemon.ts';
import { FakeLink } from './support/fake-link.ts';
import { appliedPolicy, policyPlan, policyVersion } from './support/policies.ts';
import { sampleRun, settle, until } from './support/samples.ts';
import { vmIdOf } from './views/support/world.ts';

function made() {
  const link = new FakeLink();
  const stores = createStores(link, { hostTimeoutMs: () => 1000, freshMs: () => 60_000, recentRuns: () => 100 });
  const answers = new Answers()
    .on(daemon.listPolicies, () => ({ policies: [appliedPolicy('sql10'), appliedPolicy('sql2')] }))
    .on(daemon.subscribeInventory, () => ({ sequence: 1, hosts: [], repositories: [] }))
    .on(daemon.subscribeRuns, () => ({ runs: [] }))
    .on(daemon.listRuns, () => ({ runs: [] }));
  return { link, stores, answers };
}

const change = { sequence: 2, hosts: false, repositories: false, vmsOf: [], restorePointsOf: [], policies: true };

test('applied policies are read once for everybody, by name, and again when the daemon says that they changed', async () => {
  const { link, stores, answers } = made();
  const client = new FakeClient(answers.map);
  const feed = new InventoryFeed(link, stores, (error) => assert.fail(String(error)));
  link.connect(client);
  await settle();
  const reads = (): number => client.asked.filter((method) => method === daemon.listPolicies.method).length;
  client.send(daemon.inventoryDidChange, change);
  await settle();
  assert.equal(reads(), 0, 'what nobody looked at is not read');
  await Promise.all([stores.policies.load(), stores.policies.load()]);
  assert.deepEqual(
    stores.policies.policies.value.map(({ name }) => name),
    ['sql2', 'sql10'],
  );
  assert.equal(reads(), 1);
  answers.on(daemon.listPolicies, () => ({ policies: [] }));
  client.send(daemon.inventoryDidChange, change);
  await until(() => stores.policies.policies.value.length === 0);
  feed.dispose();
});

test('when the daemon is away applied policies stay, marked stale, and are read again with the next connection', async () => {
  const { link, stores, answers } = made();
  link.connect(new FakeClient(answers.map));
  await stores.policies.load();
  link.lose();
  assert.deepEqual([stores.policies.policies.stale, stores.policies.policies.value.length], [true, 2]);
  link.connect(new FakeClient(answers.map, 'two'));
  await until(() => !stores.policies.policies.stale);
});

test('what a command learned of a policy shows at once', async () => {
  const { link, stores, answers } = made();
  link.connect(new FakeClient(answers.map));
  await stores.policies.load();
  stores.policies.apply(appliedPolicy('sql2', { vms: 99 }));
  assert.equal(stores.policies.policy('sql2')?.vms, 99);
  stores.policies.forget('sql2');
  assert.equal(stores.policies.policy('sql2'), undefined);
});

test('VMs are those of the text that is asked about; a text that is no policy says why', async () => {
  const { link, stores, answers } = made();
  const texts: string[] = [];
  const vm = { host: 'hv01', vmId: vmIdOf(1), vm: 'sql01', change: 'new' } as const;
  answers
    .on(daemon.getPolicy, () => ({ version: policyVersion(1, 'applied'), text: 'applied' }))
    .on(daemon.planPolicy, ({ text }) => {
      texts.push(text);
      if (text === 'broken') throw new TidemarkError(errorCodes.policyInvalid, 'no name');
      return { plan: policyPlan({ vms: [vm] }) };
    });
  link.connect(new FakeClient(answers.map));
  const { policyDetails } = stores;
  const sources = [
    { name: 'a', sha256: '1', text: 'of the file' },
    { name: 'a', sha256: '2' },
    { name: 'a', sha256: '3', text: 'broken' },
  ] as const;
  for (const source of sources) await policyDetails.loadVms(source);
  assert.deepEqual(texts, ['of the file', 'applied', 'broken']);
  assert.deepEqual(policyDetails.vms(sources[1]).value, [vm]);
  assert.equal(policyDetails.vms(sources[2]).error?.code, errorCodes.policyInvalid);
  policyDetails.expire();
  assert.equal(policyDetails.vms(sources[0]).stale, true);
});

test('a history that was being read while another version was applied is read again', async () => {
  const { link, stores, answers } = made();
  const { policyDetails } = stores;
  let versions = [policyVersion(1, 'x')];
  let reads = 0;
  answers.on(daemon.getPolicyHistory, () => {
    reads++;
    const answer = { versions };
    if (versions.length === 1) {
      versions = [policyVersion(2, 'y'), ...versions];
      policyDetails.expire();
    }
    return answer;
  });
  link.connect(new FakeClient(answers.map));
  await policyDetails.loadVersions('a');
  assert.equal(policyDetails.versions('a').stale, true);
  await policyDetails.loadVersions('a');
  assert.deepEqual([policyDetails.versions('a').value.length, policyDetails.versions('a').stale], [2, false]);
  await policyDetails.loadVersions('a');
  assert.equal(reads, 2, 'what is fresh is not read again');
});

test('a run of a policy that is started here is known as that, and one request starts one run', async () => {
  const { link, stores, answers } = made();
  const keys = new Set<string | undefined>();
  answers.on(daemon.runPolicy, ({ key, type, name }) => {
    keys.add(key);
    assert.deepEqual([name, type], ['nightly', 'full']);
    return { run: sampleRun(5, 'queued') };
  });
  link.connect(new FakeClient(answers.map));
  const run = await stores.runs.startPolicy('nightly', 'full');
  assert.ok(stores.runs.startedHere(run.id));
  assert.equal(keys.size, 1);
});

test('parts of a run do not push others out of the list, and go with it', () => {
  const whole = sampleRun(10, 'succeeded');
  const parts = Array.from({ length: 50 }, (_, n) => ({ ...sampleRun(11 + n, 'succeeded'), parent: whole.id }));
  const older = sampleRun(1, 'succeeded');
  const kept = trimmed([older, whole, ...parts], 2);
  assert.equal(kept.length, 52);
  assert.deepEqual(
    topLevel(kept).map(({ id }) => id),
    [whole.id, older.id],
  );
  assert.deepEqual(
    trimmed([sampleRun(99, 'succeeded'), whole, ...parts], 1).map(({ id }) => id),
    [sampleRun(99, 'succeeded').id],
  );
});
