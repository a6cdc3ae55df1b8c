/**
 * `npm run bench:editor`: what the views cost with 50 hosts of 100 VMs and 20,000 restore points. The daemon is one in memory; parsing its
 * answers, the stores, the models and what is refreshed are the extension's own. VS Code's part (drawing) is not in it.
 */
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';

import { createStores } from '../../client/stores/index.ts';
import type { Stores } from '../../client/stores/index.ts';
import { StoredHostsData } from '../../client/views/hosts/hosts-data.ts';
import { HostsModel } from '../../client/views/hosts/hosts-model.ts';
import type { HostsNode } from '../../client/views/hosts/hosts-nodes.ts';
import { RepositoriesModel } from '../../client/views/repositories/repositories-model.ts';
import type { RepositoriesNode } from '../../client/views/repositories/repositories-nodes.ts';
import { queryOf } from '../../client/views/repositories/repositories-nodes.ts';
import { ShownTree } from '../../client/views/tree/shown-tree.ts';
import type { TreeNode } from '../../client/views/tree/row.ts';
import { FakeClient } from '../unit/client/support/fake-daemon.ts';
import { FakeLink } from '../unit/client/support/fake-link.ts';
import { bigDaemon, hostName } from '../unit/client/views/support/big-daemon.ts';

const { values } = parseArgs({
  options: {
    hosts: { type: 'string', default: '50' },
    vms: { type: 'string', default: '100' },
    points: { type: 'string', default: '20000' },
  },
});
const world = { hosts: Number(values.hosts), vmsPerHost: Number(values.vms), restorePoints: Number(values.points) };

interface Line {
  readonly what: string;
  readonly ms: number;
  readonly lines: number;
}
const report: Line[] = [];

/** Measures one step; it says how many lines of the tree it made. */
async function measure(what: string, step: () => number | Promise<number>): Promise<void> {
  const started = performance.now();
  const lines = await step();
  report.push({ what, ms: performance.now() - started, lines });
}

/** What VS Code asks when it opens a node. */
function open<N extends TreeNode>(tree: ShownTree<N>, parent?: N): readonly N[] {
  const nodes = tree.children(parent);
  for (const node of nodes) tree.row(node);
  return nodes;
}

function heapMiB(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed / 1024 ** 2;
}

async function benchHosts(stores: Stores, link: FakeLink): Promise<ShownTree<HostsNode>> {
  const data = new StoredHostsData({ stores, daemon: link, overdueAfterMs: () => 0 });
  const model = new HostsModel(data);
  const tree = new ShownTree(model);
  await measure('Hosts: first paint', async () => {
    await stores.hosts.load();
    return open(tree).length;
  });
  const [first] = tree.children(undefined);
  if (first === undefined) return tree;
  await measure('Hosts: expand a host', async () => {
    await stores.vms.load(hostName(0));
    return open(tree, first).length;
  });
  const [vm] = tree.children(first);
  await measure('Hosts: expand a VM with its restore points', async () => {
    if (vm?.kind !== 'vm') return 0;
    await stores.restorePoints.load({ vmId: vm.vmId });
    return open(tree, vm).reduce((lines, group) => lines + 1 + open(tree, group).length, 0);
  });
  await measure('Hosts: expand every host', async () => {
    await stores.vms.loadAll(tree.children(undefined).flatMap((node) => (node.kind === 'host' ? [node.host] : [])));
    return tree.children(undefined).reduce((lines, host) => lines + open(tree, host).length, 0);
  });
  await measure('Hosts: look what changed, everything expanded', () => tree.changed().length);
  await measure('Hosts: look again', () => tree.changed().length);
  await measure('Hosts: filter all VMs', () => {
    model.filter = 'vm*7';
    const lines = tree.changed().length + tree.size;
    model.filter = '';
    return lines;
  });
  // What memory is measured with: everything open.
  for (const host of open(tree)) open(tree, host);
  return tree;
}

async function benchRepositories(stores: Stores): Promise<ShownTree<RepositoriesNode>> {
  const model = new RepositoriesModel({
    get repositories() {
      return stores.repositories.repositories;
    },
    status: (name) => stores.repositories.status(name),
    summary: (name) => stores.restorePoints.summary(name),
    points: (query) => stores.restorePoints.list(query),
    connected: true,
    get now() {
      return Date.now();
    },
  });
  const tree = new ShownTree(model);
  await measure('Repositories: first paint', async () => {
    await stores.repositories.load();
    return open(tree).length;
  });
  const [repository] = tree.children(undefined);
  for (const groupBy of ['vm', 'day'] as const) {
    model.groupBy = groupBy;
    await measure(`Repositories: expand a repository by ${groupBy}`, async () => {
      await stores.restorePoints.loadSummary('main');
      return open(tree, repository).length;
    });
    const [group] = tree.children(repository);
    if (group?.kind !== 'repositoryVm' && group?.kind !== 'repositoryDay') continue;
    const query = queryOf(group);
    await measure(`Repositories: expand a ${groupBy}`, async () => {
      await stores.restorePoints.load(query);
      return open(tree, group).length;
    });
    await measure(`Repositories: load more of a ${groupBy}`, async () => {
      await stores.restorePoints.loadMore(query);
      return open(tree, group).length;
    });
  }
  return tree;
}

const link = new FakeLink();
link.connect(new FakeClient(bigDaemon(world).map));
const stores = createStores(link, { hostTimeoutMs: () => 30_000, freshMs: () => 300_000, recentRuns: () => 100 });
const before = heapMiB();
const trees = [await benchHosts(stores, link), await benchRepositories(stores)];
const after = heapMiB();

console.log(`${world.hosts} hosts, ${world.hosts * world.vmsPerHost} VMs, ${world.restorePoints} restore points\n`);
console.log('| what | ms | lines |\n| :-- | --: | --: |');
for (const { what, ms, lines } of report) console.log(`| ${what} | ${ms.toFixed(1)} | ${lines} |`);
console.log(
  `\nHeap: ${(after - before).toFixed(1)} MiB more, with ${trees.reduce((sum, { size }) => sum + size, 0)} nodes kept`,
);
