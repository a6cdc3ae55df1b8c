import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { HostEntry, VmEntry } from '../../../../server/protocol/daemon.ts';
import { loading, outdated, ready, unread } from '../../../../client/stores/cached.ts';
import type { Cached } from '../../../../client/stores/cached.ts';
import type { PointList } from '../../../../client/stores/restore-point-store.ts';
import { HostsModel } from '../../../../client/views/hosts/hosts-model.ts';
import type { HostsNode } from '../../../../client/views/hosts/hosts-nodes.ts';
import { ShownTree } from '../../../../client/views/tree/shown-tree.ts';
import { sampleHost, sampleVm } from '../support/samples.ts';
import {
  allNodes,
  backedUpVm,
  failedAfter,
  hoursAgo,
  labels,
  noon,
  pageOf,
  pointOf,
  reachableHost,
  sampleDisk,
  unreachableHost,
  vmIdOf,
} from './support/world.ts';

interface Known {
  hosts: Cached<readonly HostEntry[]>;
  readonly vms: Map<string, Cached<readonly VmEntry[]>>;
  points: Cached<PointList>;
  connected: boolean;
  busy: string;
}

/** A model of what a test changes. */
function made(hosts: readonly HostEntry[], vms: readonly VmEntry[] = []) {
  const known: Known = {
    hosts: ready(hosts, noon),
    vms: new Map(
      hosts.map(({ name }) => [
        name,
        ready(
          vms.filter(({ host }) => host === name),
          noon,
        ),
      ]),
    ),
    points: pageOf([]),
    connected: true,
    busy: '',
  };
  const model = new HostsModel({
    get hosts() {
      return known.hosts;
    },
    vms: (host) => known.vms.get(host) ?? unread([]),
    points: () => known.points,
    isBusy: (_host, _id, name) => name === known.busy,
    isSimulated: (host) => host === 'simulated',
    get connected() {
      return known.connected;
    },
    now: noon,
    overdueAfterMs: 26 * 3_600_000,
  });
  const find = (id: string): HostsNode => {
    const node = allNodes(model).find((other) => other.id === id);
    assert.ok(node !== undefined, `no node ${id}`);
    return node;
  };
  return { known, model, find };
}

test('a host shows its system and how many VMs it has', () => {
  const { model, find } = made([reachableHost('hv01')], [backedUpVm('hv01', 'sql01', 1)]);
  const row = model.row(find('host/hv01'));
  assert.equal(row.label, 'hv01');
  assert.equal(row.description, '1 VM · Windows Server 2022');
  assert.equal(row.context, 'tidemark.host+reachable');
  assert.equal(row.accessibility, 'Host hv01, reachable, 1 VM, Windows Server 2022');
});

test('a warning of a host is counted in its line, told by its icon and spelled out for a screen reader', () => {
  const warnings = ['Plain http.'];
  const { model, find } = made([
    { ...reachableHost('hv01'), warnings },
    { ...reachableHost('simulated', 'simulated'), warnings },
  ]);
  const row = model.row(find('host/hv01'));
  assert.equal(row.description, '0 VMs · Windows Server 2022 · 1 warning');
  assert.equal(row.icon?.name, 'warning');
  assert.match(row.accessibility ?? '', /Plain http\./);
  assert.equal(model.row(find('host/simulated')).icon?.name, 'server');
});

test('a host that is away says since when, and keeps its VMs marked as cached', () => {
  const { known, model, find } = made([unreachableHost('hv01', 2)], [backedUpVm('hv01', 'sql01', 1)]);
  known.vms.set('hv01', failedAfter([backedUpVm('hv01', 'sql01', 1)], 'Host hv01 did not answer.'));
  const row = model.row(find('host/hv01'));
  assert.equal(row.description, 'unreachable since 10:00 · 1 VM · cached 11:00');
  assert.equal(row.icon?.name, 'debug-disconnect');
  assert.equal(row.context, 'tidemark.host+unreachable+stale');
  assert.deepEqual(labels(model, find('host/hv01')), ['Host hv01 did not answer.', 'sql01']);
  assert.ok(model.row(find(`host/hv01/vm/${vmIdOf(1)}`)).context.includes('+stale'));
  assert.match(model.tooltip(find('host/hv01')) ?? '', /Host hv01 did not answer/);
});

test('a host that was not asked yet has one line that says that it is asked', () => {
  const { known, model, find } = made([sampleHost('hv01')]);
  known.vms.set('hv01', loading(unread([])));
  assert.deepEqual(labels(model, find('host/hv01')), ['Asking hv01…']);
  assert.equal(model.row(find('host/hv01')).icon?.name, 'loading~spin');
});

test('a host without VMs says so', () => {
  const { model, find } = made([reachableHost('hv01')]);
  assert.deepEqual(labels(model, find('host/hv01')), ['This host has no VMs']);
});

test('a VM shows its last backup, and is told from one that has none', () => {
  const { model, find } = made([reachableHost('hv01')], [backedUpVm('hv01', 'sql01', 1), sampleVm('hv01', 'web', 2)]);
  const row = model.row(find(`host/hv01/vm/${vmIdOf(1)}`));
  assert.equal(row.description, 'last backup 2 h ago');
  assert.equal(row.context, 'tidemark.vm+running+rct+protected');
  assert.equal(row.accessibility, 'Virtual machine sql01, running, last backup 2 h ago');
  const other = model.row(find(`host/hv01/vm/${vmIdOf(2)}`));
  assert.equal(other.description, 'never backed up');
  assert.equal(other.context, 'tidemark.vm+running+rct');
});

test('a VM whose last backup is too old is overdue in words and colour', () => {
  const entry = backedUpVm('hv01', 'sql01', 1);
  const last = { id: pointOf(1, 1, 0).id, createdAt: hoursAgo(27), repository: 'main' };
  const { model, find } = made([reachableHost('hv01')], [{ ...entry, lastRestorePoint: last }]);
  const row = model.row(find(`host/hv01/vm/${vmIdOf(1)}`));
  assert.equal(row.description, 'last backup 27 h ago · overdue');
  assert.notEqual(row.icon?.color, undefined);
});

test('a VM that is being backed up says so while it lasts', () => {
  const { known, model, find } = made([reachableHost('simulated')], [backedUpVm('simulated', 'sql01', 1)]);
  known.busy = 'sql01';
  const row = model.row(find(`host/simulated/vm/${vmIdOf(1)}`));
  assert.equal(row.description, 'backing up');
  assert.equal(row.icon?.name, 'sync~spin');
  assert.equal(row.context, 'tidemark.vm+running+rct+protected+simulated+busy');
});

test('a VM whose changes cannot be tracked says so, and its tooltip why', () => {
  const entry = sampleVm('hv01', 'old', 1);
  const blocked: VmEntry = {
    ...entry,
    vm: { ...entry.vm, state: 'off', configVersion: '5.0', rctBlockers: ['Configuration version 5.0 is too old.'] },
  };
  const { model, find } = made([reachableHost('hv01')], [blocked]);
  const node = find(`host/hv01/vm/${vmIdOf(1)}`);
  assert.equal(model.row(node).description, 'off · never backed up · cannot be backed up');
  assert.equal(model.row(node).context, 'tidemark.vm+off+norct');
  const tooltip = model.tooltip(node) ?? '';
  assert.match(tooltip, /Configuration version 5\\\.0 is too old/);
  assert.match(tooltip, /\| Generation \| 2 \|/);
});

test("a VM's tooltip has its disks, its last backup and the chain since the last full", () => {
  const { model, find } = made([reachableHost('hv01')], [backedUpVm('hv01', 'sql01', 1)]);
  const tooltip = model.tooltip(find(`host/hv01/vm/${vmIdOf(1)}`)) ?? '';
  assert.match(tooltip, /\| Restore points \| 4 \|/);
  assert.match(tooltip, /\| Chain \| full 3 days ago, then 3 incremental \|/);
  assert.match(tooltip, /\| os \| 64 GiB \| 20 GiB \| vhdx \| yes \|/);
});

test('below a VM are its disks and its restore points, newest first', () => {
  const { known, model, find } = made([reachableHost('hv01')], [backedUpVm('hv01', 'sql01', 1)]);
  known.points = pageOf([pointOf(5, 1, 1), pointOf(4, 1, 3)]);
  const vm = `host/hv01/vm/${vmIdOf(1)}`;
  assert.deepEqual(labels(model, find(vm)), ['Disks', 'Restore points']);
  assert.equal(model.row(find(`${vm}/disks`)).description, '2 · 128 GiB');
  assert.equal(model.row(find(`${vm}/points`)).description, '4 · newest 2 h ago');
  assert.deepEqual(labels(model, find(`${vm}/disks`)), ['os', 'data']);
  assert.deepEqual(labels(model, find(`${vm}/points`)), ['2026-01-31 11:00', '2026-01-31 09:00']);
  const point = model.row(find(`${vm}/points/point/main/${pointOf(4, 1, 3).id}`));
  assert.equal(point.description, 'full · 3 h ago · 2 GiB read, 512 MiB stored');
  assert.equal(point.context, 'tidemark.restorePoint+full+loose');
});

test('a disk that cannot be tracked is told from the others', () => {
  const entry = backedUpVm('hv01', 'sql01', 1);
  const disks = [sampleDisk(7, 'pass', false)];
  const { model, find } = made([reachableHost('hv01')], [{ ...entry, vm: { ...entry.vm, disks } }]);
  const row = model.row(find(`host/hv01/vm/${vmIdOf(1)}/disks/${disks[0]?.id ?? ''}`));
  assert.equal(row.description, '64 GiB · 20 GiB on the host · changes cannot be tracked');
  assert.equal(row.context, 'tidemark.disk+norct');
});

test('a list that goes on ends in Load more, which names its list', () => {
  const { known, model, find } = made([reachableHost('hv01')], [backedUpVm('hv01', 'sql01', 1)]);
  known.points = pageOf([pointOf(5, 1, 1)], 250);
  const list = `host/hv01/vm/${vmIdOf(1)}/points`;
  const row = model.row(find(`${list}/more`));
  assert.equal(row.description, '1 of 250 shown');
  assert.deepEqual(row.command, {
    id: 'tidemark.tree.loadMore',
    title: 'Load more',
    target: { view: 'tidemark.hosts', list },
  });
  known.points = loading(known.points);
  assert.equal(model.row(find(`${list}/more`)).command, undefined, 'one page at a time');
});

test('restore points that cannot be read come first, with the reason', () => {
  const { known, model, find } = made([reachableHost('hv01')], [backedUpVm('hv01', 'sql01', 1)]);
  const error = { code: 'TM4003', message: 'The record is damaged.' };
  const { value } = pageOf([pointOf(5, 1, 1)]);
  known.points = ready({ ...value, damaged: [{ repository: 'main', file: 'restore-points/x', error }] }, noon);
  const points = find(`host/hv01/vm/${vmIdOf(1)}/points`);
  assert.deepEqual(labels(model, points), ['x', '2026-01-31 11:00']);
  const [damaged] = model.children(points);
  assert.ok(damaged !== undefined);
  assert.equal(model.row(damaged).description, 'The record is damaged.');
});

test('more VMs than a page come a page at a time', () => {
  const vms = Array.from({ length: 230 }, (_, n) => backedUpVm('hv01', `vm${n}`, n));
  const { model, find } = made([reachableHost('hv01')], vms);
  const host = find('host/hv01');
  assert.equal(model.children(host).length, 101);
  model.limits.grow('host/hv01');
  assert.equal(model.children(host).length, 201);
  model.limits.grow('host/hv01');
  assert.equal(model.children(host).length, 230);
});

test('a filter shows the VMs that match and the hosts that have any, and says how many', () => {
  const vms = [backedUpVm('hv01', 'sql01', 1), backedUpVm('hv01', 'web01', 2), backedUpVm('hv02', 'web02', 3)];
  const { model, find } = made([reachableHost('hv01'), reachableHost('hv02')], vms);
  assert.deepEqual(model.head(), {});
  model.filter = 'sql';
  assert.deepEqual(labels(model), ['hv01']);
  assert.equal(model.row(find('host/hv01')).expand, 'expanded');
  assert.deepEqual(labels(model, find('host/hv01')), ['sql01']);
  assert.deepEqual(model.head(), { description: '“sql”', message: 'Showing 1 of 3 VMs.' });
  model.filter = '';
  assert.deepEqual(labels(model), ['hv01', 'hv02']);
});

test('a filter names how many hosts could not be searched, and keeps those that are still asked', () => {
  const { known, model } = made([reachableHost('hv01'), sampleHost('hv02'), sampleHost('hv03')]);
  known.vms.set('hv02', unread([])).set('hv03', loading(unread([])));
  model.filter = 'sql';
  assert.deepEqual(labels(model), ['hv03']);
  assert.equal(model.head().message, 'Showing 0 of 0 VMs. Hosts that could not be searched: 1.');
});

test('without a daemon what is shown is marked as cached', () => {
  const { known, model } = made([reachableHost('hv01')]);
  known.connected = false;
  known.hosts = outdated(known.hosts);
  assert.equal(model.head().message, 'Not connected to the daemon. Showing cached data from 12:00.');
  assert.deepEqual(labels(model), ['hv01']);
});

test('before the list of hosts is there, nothing claims that there are none', () => {
  const { known, model } = made([]);
  assert.deepEqual(labels(model), [], 'the welcome text says what to do');
  known.hosts = loading(unread([]));
  assert.deepEqual(labels(model), ['Reading hosts…']);
  known.connected = false;
  assert.deepEqual(labels(model), [], 'the welcome text of a daemon that is away');
});

test('ids are unique and do not change when something is renamed or moves', () => {
  const vms = [backedUpVm('hv01', 'sql01', 1), backedUpVm('hv02', 'sql01', 1), backedUpVm('hv01', 'b', 2)];
  const { known, model } = made([reachableHost('hv01'), reachableHost('hv02')], vms);
  known.points = pageOf([pointOf(5, 1, 1), pointOf(4, 1, 3), pointOf(4, 1, 3, 'other')], 9);
  const before = allNodes(model).map(({ id }) => id);
  assert.equal(new Set(before).size, before.length);
  known.vms.set('hv01', ready([backedUpVm('hv01', 'a', 2), backedUpVm('hv01', 'renamed', 1)], noon));
  const after = allNodes(model).map(({ id }) => id);
  assert.deepEqual(after.toSorted(), before.toSorted());
});

test('a VM that changed refreshes its line alone, not its host', () => {
  const { known, model } = made([reachableHost('hv01')], [backedUpVm('hv01', 'a', 1), backedUpVm('hv01', 'b', 2)]);
  const tree = new ShownTree(model);
  for (const host of tree.children(undefined)) {
    tree.row(host);
    for (const vm of tree.children(host)) tree.row(vm);
  }
  known.busy = 'b';
  assert.deepEqual(
    tree.changed().map((node) => node?.id),
    [`host/hv01/vm/${vmIdOf(2)}`],
  );
});

test('VMs are by name, or what needs a backup most comes first', () => {
  const late = backedUpVm('hv01', 'b', 2);
  const older = { ...(late.lastRestorePoint ?? assert.fail()), createdAt: hoursAgo(30) };
  const vms = [backedUpVm('hv01', 'a', 1), { ...late, lastRestorePoint: older }, sampleVm('hv01', 'c', 3)];
  const { model, find } = made([reachableHost('hv01')], vms);
  const shown = (): readonly string[] => model.children(find('host/hv01')).map((node) => model.row(node).label);
  assert.deepEqual(shown(), ['a', 'b', 'c']);
  model.order.by = 'lastBackup';
  assert.deepEqual(shown(), ['c', 'b', 'a']);
  model.filter = 'b';
  assert.deepEqual(shown(), ['b']);
});
