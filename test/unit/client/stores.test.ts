import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createStores } from '../../../client/stores/index.ts';
import type { Stores } from '../../../client/stores/index.ts';
import { InventoryFeed } from '../../../client/stores/inventory-feed.ts';
import * as daemon from '../../../server/protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import type { RestorePointInfo } from '../../../server/protocol/model.ts';
import { Answers, FakeClient } from './support/fake-daemon.ts';
import { FakeLink } from './support/fake-link.ts';
import { sampleHost, samplePoint, sampleVm, settle, until } from './support/samples.ts';

const unreachable = { code: errorCodes.hostUnreachable, message: 'nobody there' };
const id = '0'.repeat(32);

function made(hostTimeoutMs = 1000): { readonly link: FakeLink; readonly stores: Stores; readonly answers: Answers } {
  const link = new FakeLink();
  const stores = createStores(link, {
    hostTimeoutMs: () => hostTimeoutMs,
    freshMs: () => 60_000,
    recentRuns: () => 100,
  });
  const answers = new Answers()
    .on(daemon.listHosts, () => ({ hosts: [sampleHost('hv10'), sampleHost('hv2')] }))
    .on(daemon.subscribeRuns, () => ({ runs: [] }))
    .on(daemon.listRuns, () => ({ runs: [] }));
  return { link, stores, answers };
}

test('hosts are read once for everybody who asks, in the order people expect, and again only when asked to', async () => {
  const { link, stores, answers } = made();
  const client = new FakeClient(answers.map);
  link.connect(client);
  assert.equal(stores.hosts.hosts.state, 'unread');
  await Promise.all([stores.hosts.load(), stores.hosts.load()]);
  await stores.hosts.load();
  assert.deepEqual(
    stores.hosts.hosts.value.map(({ name }) => name),
    ['hv2', 'hv10'],
  );
  const reads = (): number => client.asked.filter((method) => method === daemon.listHosts.method).length;
  assert.equal(reads(), 1);
  await stores.hosts.load({ force: true });
  assert.equal(reads(), 2);
});

test('a failed read keeps what was known, marked stale, with the reason', async () => {
  const { link, stores, answers } = made();
  link.connect(new FakeClient(answers.map));
  await stores.hosts.load();
  answers.on(daemon.listHosts, () => {
    throw new TidemarkError(errorCodes.daemonBusy, 'busy');
  });
  await stores.hosts.load({ force: true });
  const { state, stale, value, error } = stores.hosts.hosts;
  assert.deepEqual([state, stale, value.length, error?.code], ['failed', true, 2, errorCodes.daemonBusy]);
});

test('a host that never answers delays no other one, and gets an error in time', async () => {
  const { link, stores, answers } = made(30);
  answers.on(daemon.listVms, async ({ host = '' }) => {
    if (host === 'dead') return new Promise(() => undefined);
    return { vms: [sampleVm(host, 'b', 2), sampleVm(host, 'a', 1)], unreachable: [] };
  });
  link.connect(new FakeClient(answers.map));
  const dead = stores.vms.load('dead');
  await stores.vms.load('hv01');
  assert.deepEqual(
    stores.vms.vms('hv01').value.map(({ vm }) => vm.name),
    ['a', 'b'],
  );
  assert.equal(stores.vms.vms('dead').state, 'loading');
  await dead;
  const { state, error, stale } = stores.vms.vms('dead');
  assert.deepEqual([state, error?.code, stale], ['failed', errorCodes.hostUnreachable, false]);
  assert.match(error?.message ?? '', /dead/);
});

test('VMs of a host that stopped answering stay, with the time they are from', async () => {
  const { link, stores, answers } = made();
  const readAt = '2026-01-31T02:00:00Z';
  answers.on(daemon.listVms, ({ host = '' }) => ({
    vms: [sampleVm(host, 'sql01')],
    unreachable: [{ host, error: unreachable }],
    hosts: [{ host, readAt, unreachableSince: readAt, error: unreachable }],
  }));
  link.connect(new FakeClient(answers.map));
  await stores.vms.load('hv01');
  const vms = stores.vms.vms('hv01');
  assert.deepEqual([vms.state, vms.stale, vms.value.length, vms.readAt], ['failed', true, 1, Date.parse(readAt)]);
});

test('a lost connection marks everything stale; events name what changed', async () => {
  const { link, stores, answers } = made();
  answers.on(daemon.listVms, ({ host = '' }) => ({ vms: [sampleVm(host, 'sql01')], unreachable: [] }));
  link.connect(new FakeClient(answers.map));
  await stores.hosts.load();
  await stores.vms.load('hv2');
  const changed: string[] = [];
  stores.vms.onDidChange(({ host }) => changed.push(host));
  link.lose();
  assert.deepEqual([stores.hosts.hosts.stale, stores.vms.vms('hv2').stale], [true, true]);
  assert.equal(stores.vms.vms('hv2').value.length, 1);
  assert.equal(stores.vms.vms('never asked').state, 'unread');
  assert.deepEqual(changed, ['hv2']);
});

/** Answers as a repository with `count` restore points would. */
function pointAnswers(answers: Answers, count: () => number): void {
  answers.on(daemon.listRestorePoints, ({ limit = 1, before }) => {
    const all: RestorePointInfo[] = Array.from({ length: count() }, (_, n) => samplePoint(count() - n));
    const rest = before === undefined ? all : all.filter((point) => point.id < before);
    return { restorePoints: rest.slice(0, limit), damaged: [], total: all.length, hasMore: rest.length > limit };
  });
}

test('restore points come in pages of 100, newest first, until there are no more', async () => {
  const { link, stores, answers } = made();
  pointAnswers(answers, () => 250);
  link.connect(new FakeClient(answers.map));
  const query = { repository: 'main' };
  const sizes: [number, boolean][] = [];
  await stores.restorePoints.load(query);
  for (let page = 0; page < 4; page++) {
    const { points, hasMore } = stores.restorePoints.list(query).value;
    sizes.push([points.length, hasMore]);
    await stores.restorePoints.loadMore(query);
  }
  assert.deepEqual(sizes, [
    [100, true],
    [200, true],
    [250, false],
    [250, false],
  ]);
  const ids = stores.restorePoints.list(query).value.points.map((point) => point.id);
  assert.deepEqual(ids, [...new Set(ids)].sort().toReversed());
});

test('after a change as many restore points are read again as were shown, and lists of other repositories stay', async () => {
  const { link, stores, answers } = made();
  let count = 250;
  pointAnswers(answers, () => count);
  link.connect(new FakeClient(answers.map));
  const query = { repository: 'main' };
  await stores.restorePoints.load(query);
  await stores.restorePoints.loadMore(query);
  await stores.restorePoints.load({ repository: 'other' });
  count = 251;
  stores.restorePoints.expire('main');
  assert.deepEqual(
    [stores.restorePoints.list(query).stale, stores.restorePoints.list({ repository: 'other' }).stale],
    [true, false],
  );
  await stores.restorePoints.load(query);
  const { points, total } = stores.restorePoints.list(query).value;
  assert.deepEqual([points.length, total, points[0]?.id], [200, 251, samplePoint(251).id]);
});

test('the daemon tells what changed: only what somebody looked at is read again', async () => {
  const { link, stores, answers } = made();
  const feed = new InventoryFeed(link, stores, (error) => assert.fail(String(error)));
  const listed: (string | undefined)[] = [];
  answers
    .on(daemon.subscribeInventory, () => ({
      sequence: 1,
      hosts: [sampleHost('hv01'), sampleHost('hv02')],
      repositories: [
        { name: 'main', location: '/r', id: daemon.repositoryEntry({ name: 'main', location: '/r', id }, '').id },
      ],
    }))
    .on(daemon.listVms, ({ host = '', wait }) => {
      listed.push(`${host} ${wait === false ? 'from memory' : 'asked'}`);
      return { vms: [sampleVm(host, 'sql01')], unreachable: [] };
    });
  const client = new FakeClient(answers.map);
  link.connect(client);
  await until(() => stores.repositories.repositories.state === 'ready');
  assert.equal(stores.hosts.hosts.value.length, 2);
  await stores.vms.load('hv01');
  const change = { sequence: 2, hosts: false, repositories: false, vmsOf: ['hv01', 'hv02'], restorePointsOf: [] };
  client.send(daemon.inventoryDidChange, change);
  await settle();
  assert.deepEqual(listed, ['hv01 asked', 'hv01 from memory']);
  client.send(daemon.inventoryDidChange, { ...change, sequence: 3, vmsOf: [], restorePointsOf: ['main'] });
  await settle();
  assert.deepEqual(listed.slice(2), ['hv01 from memory']);
  feed.dispose();
});

test('what changes while a list is being read is not lost', async () => {
  const { link, stores, answers } = made();
  const gate = Promise.withResolvers<undefined>();
  let reads = 0;
  answers.on(daemon.listVms, async ({ host = '' }) => {
    reads += 1;
    const name = `read ${reads}`;
    if (reads === 1) await gate.promise;
    return { vms: [sampleVm(host, name)], unreachable: [] };
  });
  answers.on(daemon.listRestorePoints, async () => {
    await settle();
    await settle();
    return { restorePoints: [samplePoint(1)], damaged: [] };
  });
  link.connect(new FakeClient(answers.map));
  const first = stores.vms.load('hv01');
  const second = stores.vms.reread('hv01');
  gate.resolve(undefined);
  await Promise.all([first, second]);
  assert.equal(stores.vms.vms('hv01').value[0]?.vm.name, 'read 2');

  const points = stores.restorePoints.load({ repository: 'main' });
  await Promise.resolve();
  assert.equal(stores.restorePoints.list({ repository: 'main' }).state, 'loading');
  stores.restorePoints.expire('main');
  await points;
  assert.ok(stores.restorePoints.list({ repository: 'main' }).stale);
});

test('a listener that loads whenever something changes ends up with one read', async () => {
  const { link, stores, answers } = made();
  const client = new FakeClient(answers.map);
  link.connect(client);
  stores.hosts.onDidChange(() => void stores.hosts.load());
  await stores.hosts.load();
  await settle();
  assert.equal(client.asked.filter((method) => method === daemon.listHosts.method).length, 1);
});
