import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as daemon from '../../../../server/protocol/daemon.ts';
import { createStores } from '../../../../client/stores/index.ts';
import { StoredHostsData } from '../../../../client/views/hosts/hosts-data.ts';
import { HostsModel } from '../../../../client/views/hosts/hosts-model.ts';
import type { HostsNode } from '../../../../client/views/hosts/hosts-nodes.ts';
import { ShownTree } from '../../../../client/views/tree/shown-tree.ts';
import { FakeClient } from '../support/fake-daemon.ts';
import { FakeLink } from '../support/fake-link.ts';
import { settle } from '../support/samples.ts';
import { bigDaemon, hostName } from './support/big-daemon.ts';

const world = { hosts: 50, vmsPerHost: 100, restorePoints: 20_000 };

/** A window on a large daemon. */
function made(answers = bigDaemon(world)) {
  const client = new FakeClient(answers.map);
  const link = new FakeLink();
  link.connect(client);
  const stores = createStores(link, { hostTimeoutMs: () => 30_000, freshMs: () => 300_000, recentRuns: () => 100 });
  const model = new HostsModel(new StoredHostsData({ stores, daemon: link, overdueAfterMs: () => 0 }));
  const tree = new ShownTree(model);
  const open = (parent?: HostsNode): readonly HostsNode[] => {
    const nodes = tree.children(parent);
    for (const node of nodes) tree.row(node);
    return nodes;
  };
  return { client, stores, model, tree, open };
}

test('50 hosts with 100 VMs each and 20,000 restore points: each level asks for itself alone', async (t) => {
  const { client, stores, tree, open } = made();
  let started = performance.now();
  const said = (what: string): void => {
    t.diagnostic(`${what}: ${(performance.now() - started).toFixed(1)} ms`);
    started = performance.now();
  };
  await stores.hosts.load();
  const hosts = open();
  said('hosts');
  assert.equal(hosts.length, 50);
  assert.deepEqual(client.asked, [daemon.listHosts.method]);

  await stores.vms.load(hostName(0));
  const [first] = hosts;
  assert.equal(open(first).length, 100);
  said('VMs of a host');
  assert.deepEqual(client.asked.slice(1), [daemon.listVms.method]);

  await stores.vms.loadAll(Array.from({ length: 50 }, (_, n) => hostName(n)));
  const vms = open().flatMap(open);
  said('VMs of all hosts');
  assert.equal(vms.length, 5000);
  assert.equal(new Set(vms.map(({ id }) => id)).size, 5000);

  tree.changed();
  started = performance.now();
  assert.deepEqual(tree.changed(), []);
  said('nothing changed');
});

test('a host that never answers keeps no other host waiting', async () => {
  const answers = bigDaemon({ hosts: 3, vmsPerHost: 2, restorePoints: 0 });
  const quick = answers.map.get(daemon.listVms.method);
  answers.on(daemon.listVms, async (query) => {
    if (query.host === hostName(1)) return new Promise<never>(() => undefined);
    return daemon.listVms.result(await quick?.(query, undefined), '');
  });
  const { stores, model, open } = made(answers);
  await stores.hosts.load();
  void stores.vms.load(hostName(1));
  await stores.vms.load(hostName(2));
  await settle();
  const labels = open().map((host) => open(host).map((node) => model.row(node).label));
  assert.deepEqual(labels[1], ['Asking hv01…']);
  assert.deepEqual(labels[2], ['vm2-0', 'vm2-1']);
});
