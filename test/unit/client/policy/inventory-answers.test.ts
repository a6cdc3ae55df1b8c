import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as daemon from '../../../../server/protocol/daemon.ts';
import { repositoryId } from '../../../../server/protocol/ids.ts';
import { getPolicyInventory } from '../../../../server/protocol/policy-language.ts';
import { InventoryAnswers } from '../../../../client/policy/inventory-answers.ts';
import { createStores } from '../../../../client/stores/index.ts';
import { Answers, FakeClient } from '../support/fake-daemon.ts';
import { FakeLink } from '../support/fake-link.ts';
import { appliedPolicy } from '../support/policies.ts';
import { backedUpVm, reachableHost, unreachableHost } from '../views/support/world.ts';

const repository = { id: repositoryId('0'.repeat(32), ''), name: 'main', location: '/backup' };

function made(vmsPerHost: number) {
  const link = new FakeLink();
  const stores = createStores(link, { hostTimeoutMs: () => 1000, freshMs: () => 60_000, recentRuns: () => 100 });
  const vms = Array.from({ length: vmsPerHost }, (_, n) => backedUpVm('hv01', `vm${n}`, n + 1));
  const answers = new Answers()
    .on(daemon.listHosts, () => ({ hosts: [reachableHost('hv01'), unreachableHost('hv02', 3)] }))
    .on(daemon.listVms, ({ host }) => ({ vms: host === 'hv01' ? vms : [], unreachable: [] }))
    .on(daemon.listRepositories, () => ({ repositories: [repository] }))
    .on(daemon.listPolicies, () => ({ policies: [appliedPolicy('nightly')] }))
    .on(daemon.subscribeRuns, () => ({ runs: [] }))
    .on(daemon.listRuns, () => ({ runs: [] }));
  const source = new InventoryAnswers({ stores, daemon: link, trusted: () => true });
  return { link, stores, answers, source };
}

test('names are what the trees show; what nobody looked at before is read first', async () => {
  const { link, answers, source } = made(2);
  const client = new FakeClient(answers.map);
  link.connect(client);
  const { inventory, applied, trusted } = getPolicyInventory.result(await source.answer(), '');
  assert.deepEqual(
    inventory?.hosts.map(({ name, build, known, unreachableSince }) => [
      name,
      build,
      known,
      unreachableSince !== undefined,
    ]),
    [
      ['hv01', 20348, true, false],
      ['hv02', undefined, true, true],
    ],
  );
  assert.deepEqual(
    inventory.vms.map(({ host, name, disks }) => [host, name, disks.map((disk) => disk.name)]),
    [
      ['hv01', 'vm0', ['os', 'data']],
      ['hv01', 'vm1', ['os', 'data']],
    ],
  );
  assert.deepEqual(inventory.repositories, [{ name: 'main', location: '/backup' }]);
  assert.deepEqual([applied.map(({ name }) => name), trusted], [['nightly'], true]);
  const asked = client.asked.length;
  await source.answer();
  assert.equal(client.asked.length, asked, 'what is known is not asked for again');
});

test('while the daemon is away names are not known, and policies that were applied still are', async () => {
  const { link, answers, source } = made(1);
  assert.deepEqual(await source.answer(), { applied: [], trusted: true });
  link.connect(new FakeClient(answers.map));
  await source.answer();
  link.lose();
  const { inventory, applied } = await source.answer();
  assert.equal(inventory, undefined);
  assert.equal(applied.length, 1);
});

test('the same list of five thousand VMs is made once', async () => {
  const { link, answers, source } = made(5000);
  link.connect(new FakeClient(answers.map));
  const first = await source.answer();
  const again = await source.answer();
  assert.equal(first.inventory?.vms.length, 5000);
  assert.equal(first.inventory.vms[4999], again.inventory?.vms[4999]);
});
