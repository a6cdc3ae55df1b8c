import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { RepositoryEntry, RepositoryStatus } from '../../../../server/protocol/daemon.ts';
import { ready, unread } from '../../../../client/stores/cached.ts';
import type { Cached } from '../../../../client/stores/cached.ts';
import type { PointSummary } from '../../../../client/stores/restore-point-store.ts';
import { RepositoriesModel } from '../../../../client/views/repositories/repositories-model.ts';
import type { RepositoriesNode } from '../../../../client/views/repositories/repositories-nodes.ts';
import { savedText } from '../../../../client/views/repositories/repository-rows.ts';
import { dayText } from '../../../../client/views/tree/texts.ts';
import {
  allNodes,
  failedAfter,
  gib,
  labels,
  noon,
  pageOf,
  pointOf,
  sampleRepository,
  statusOf,
  summaryOf,
  vmIdOf,
} from './support/world.ts';

interface Known {
  repositories: Cached<readonly RepositoryEntry[]>;
  status: Cached<RepositoryStatus | undefined>;
  summary: Cached<PointSummary | undefined>;
  connected: boolean;
}

const points = [pointOf(4, 1, 1), pointOf(3, 2, 2), pointOf(2, 1, 26)];

/** A model with one repository, of which a test changes what is known. */
function made() {
  const known: Known = {
    repositories: ready([sampleRepository('main', '/srv/backup')], noon),
    status: ready(statusOf('main', '/srv/backup'), noon),
    summary: ready(summaryOf(points), noon),
    connected: true,
  };
  const model = new RepositoriesModel({
    get repositories() {
      return known.repositories;
    },
    status: () => known.status,
    summary: () => known.summary,
    points: ({ vmId, day }) =>
      pageOf(points.filter((point) => point.vmId === vmId || dayText(point.createdAt) === day)),
    get connected() {
      return known.connected;
    },
    now: noon,
  });
  const find = (id: string): RepositoriesNode => {
    const node = allNodes(model).find((other) => other.id === id);
    assert.ok(node !== undefined, `no node ${id}`);
    return node;
  };
  return { known, model, find };
}

const error = { code: 'TM4003', message: 'The record is damaged.' };

test('a repository shows its size and location; its tooltip what deduplication and compression saved', () => {
  const { model, find } = made();
  const row = model.row(find('repository/main'));
  assert.equal(row.description, '30 GiB · /srv/backup');
  assert.equal(row.context, 'tidemark.repository+healthy');
  assert.equal(row.accessibility, 'Repository main, healthy, 30 GiB, /srv/backup');
  const tooltip = model.tooltip(find('repository/main')) ?? '';
  assert.match(tooltip, /\| Saved by deduplication \| 300 GiB \\\(75 %\\\) \|/);
  assert.match(tooltip, /\| Saved by compression \| 75 GiB \\\(75 %\\\) \|/);
  assert.match(tooltip, /\| Free space \| unknown \|/);
});

test('nothing saved is not shown as a saving', () => {
  assert.equal(savedText(gib, gib), undefined);
  assert.equal(savedText(gib, 2 * gib), undefined);
  assert.equal(savedText(0, 0), undefined);
});

test('restore points are below their VMs, or below their days', () => {
  const { model, find } = made();
  assert.deepEqual(labels(model, find('repository/main')), ['vm1', 'vm2']);
  assert.deepEqual(labels(model, find(`repository/main/vm/${vmIdOf(1)}`)), ['2026-01-31 11:00', '2026-01-30 10:00']);
  model.groupBy = 'day';
  assert.deepEqual(labels(model, find('repository/main')), ['Today', 'Yesterday']);
  const today = find(`repository/main/day/${dayText(noon)}`);
  assert.deepEqual(labels(model, today), ['vm1', 'vm2']);
  const [first] = model.children(today);
  assert.ok(first !== undefined);
  assert.match(model.row(first).description ?? '', /^11:00 · full · 2 GiB read/);
});

test('a repository that cannot be read says why and keeps what was known', () => {
  const { known, model, find } = made();
  known.status = failedAfter(statusOf('main', '/srv/backup'), 'The share is gone.');
  const row = model.row(find('repository/main'));
  assert.equal(row.description, 'cannot be read · 30 GiB · /srv/backup');
  assert.equal(row.icon?.name, 'error');
  assert.equal(row.context, 'tidemark.repository+damaged+stale');
  assert.deepEqual(labels(model, find('repository/main')), ['The share is gone.', 'vm1', 'vm2']);
});

test('a repository of which nothing could be read shows the reason alone', () => {
  const { known, model, find } = made();
  known.summary = { ...failedAfter(undefined, 'The password is wrong.') };
  assert.deepEqual(labels(model, find('repository/main')), ['The password is wrong.']);
});

test('damaged restore points are never hidden', () => {
  const { known, model, find } = made();
  known.summary = ready(summaryOf(points, [{ repository: 'main', file: 'restore-points/ab', error }]), noon);
  assert.equal(model.row(find('repository/main')).description, '1 damaged · 30 GiB · /srv/backup');
  const damage = find('repository/main/damage');
  assert.equal(model.row(damage).description, '1 restore point cannot be read');
  const [node] = model.children(damage);
  assert.ok(node !== undefined);
  assert.equal(model.row(node).accessibility, 'Damaged: restore-points/ab. The record is damaged.');
  model.filter = 'vm2';
  assert.deepEqual(labels(model, find('repository/main')), ['Damaged', 'vm2']);
});

test('warnings of a repository show below it', () => {
  const { known, model, find } = made();
  known.status = ready({ ...statusOf('main', '/srv/backup'), warnings: ['Little space.'] }, noon);
  assert.equal(model.row(find('repository/main')).icon?.name, 'warning');
  assert.deepEqual(labels(model, find('repository/main')), ['Little space.', 'vm1', 'vm2']);
});

test('an empty repository says so, and one that is not read yet does not', () => {
  const { known, model, find } = made();
  known.summary = ready(summaryOf([]), noon);
  assert.deepEqual(labels(model, find('repository/main')), ['No restore points yet']);
  known.summary = unread(undefined);
  assert.deepEqual(labels(model, find('repository/main')), ['Reading main…']);
});

test('a filter finds VMs, or days, and hides repositories without any', () => {
  const { model, find } = made();
  model.filter = 'vm2';
  assert.deepEqual(labels(model, find('repository/main')), ['vm2']);
  model.filter = 'nothing';
  assert.deepEqual(labels(model), []);
  model.groupBy = 'day';
  model.filter = 'yesterday';
  assert.deepEqual(labels(model, find('repository/main')), ['Yesterday']);
});

test('more days than a page come a page at a time', () => {
  const { known, model, find } = made();
  const many = Array.from({ length: 150 }, (_, n) => pointOf(n, 1, 24 * n));
  known.summary = ready(summaryOf(many), noon);
  model.groupBy = 'day';
  assert.equal(model.children(find('repository/main')).length, 101);
});

test('without a daemon what is shown is marked as cached', () => {
  const { known, model } = made();
  known.connected = false;
  assert.equal(model.head().message, 'Not connected to the daemon. Showing cached data from 12:00.');
});

test('ids are unique in both groupings and do not depend on names or times shown', () => {
  const { known, model } = made();
  for (const groupBy of ['vm', 'day'] as const) {
    model.groupBy = groupBy;
    const ids = allNodes(model).map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
  }
  model.groupBy = 'vm';
  const before = model.children(model.children(undefined)[0]).map(({ id }) => id);
  known.summary = ready(summaryOf(points.map((point) => ({ ...point, vmName: 'renamed' }))), noon);
  assert.deepEqual(
    model.children(model.children(undefined)[0]).map(({ id }) => id),
    before,
  );
});
