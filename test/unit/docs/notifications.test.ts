import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { silentLogger } from '../../../server/base/log.ts';
import { Metrics } from '../../../server/daemon/metrics/metrics.ts';
import { retryDelaysMs } from '../../../server/daemon/notifications/outbox.ts';
import { runEndedBody } from '../../../server/daemon/notifications/webhook-body.ts';
import { parsePolicy } from '../../../server/policy/index.ts';
import { array, json, object, record } from '../../../server/protocol/parse.ts';
import * as ids from '../../../server/protocol/ids.ts';
import { backupRun, ended, failedVm, policyRun, runId, vmResult } from '../daemon/notifications/sample.ts';

const text = await readFile(new URL('../../../docs/notifications.md', import.meta.url), 'utf8');

const anything = (value: unknown): unknown => value;

/** Every place of a document, lists as one. */
function placesOf(value: unknown, place = ''): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((item) => placesOf(item, `${place}[]`));
  if (typeof value !== 'object' || value === null) return [place];
  return Object.entries(value).flatMap(([key, item]) => placesOf(item, `${place}.${key}`));
}

test('the example of a webhook document has the keys of the documents that are sent', () => {
  const [, example = ''] = /```json\n([^]*?)\n```/.exec(text) ?? [];
  const point = ids.restorePointId('01JNKTW000AAAAAAAAAAAAAAAA', 'id');
  const run = policyRun(
    [vmResult('sql01', { restorePoint: point, run: runId }), { ...failedVm, run: runId }],
    {
      state: 'failed',
      request: {
        kind: 'policy',
        policy: 'nightly-sql',
        type: 'incremental',
        trigger: 'schedule',
        scheduledFor: '2026-03-01T01:00:00Z',
      },
      error: { code: 'TM7004', message: 'The backup of 1 of 2 VMs failed.', hint: 'Look at the report.' },
    },
    { retention: { removed: [point], kept: 14 }, verification: { run: runId, restorePoints: 1, problems: 0 } },
  );
  const places = (document: string): readonly string[] =>
    [...new Set(placesOf(json(document, anything, 'document')))]
      .filter((place) => !place.endsWith('.warnings'))
      .toSorted((a, b) => (a < b ? -1 : 1));
  assert.deepEqual(places(example), places(runEndedBody(ended(run), 'x')));
  assert.ok(json(example, object({ vms: array(record(anything)) }), 'example').vms.length > 0);
});

test('the page tells when messages are tried again, and every metric there is', () => {
  const minutes = retryDelaysMs.map((ms) => ms / 60_000);
  assert.ok(text.includes(`after ${minutes.slice(0, -1).join(', ')} and ${minutes.at(-1)} minutes`));
  const source = 'name: nightly-sql\nrepository: main\nselect: [{ host: hv01, vms: [a] }]\n';
  const { policy } = parsePolicy(source);
  assert(policy);
  const version = {
    version: 1,
    sha256: '0'.repeat(64),
    at: '2026-03-01T01:00:00Z',
    by: 'a',
    change: 'applied',
  } as const;
  const applied = { name: 'nightly-sql', version, text: source, policy, paused: undefined };
  const metrics = new Metrics({
    store: {
      putSuccess: () => undefined,
      trim: () => undefined,
      successes: () => [{ vmId: failedVm.vmId, vm: 'a', host: 'b', policy: 'nightly-sql', repository: 'd', atMs: 0 }],
    },
    lastEnded: () => policyRun([failedVm]),
    policies: { list: () => [applied] },
    schedule: { nextRun: () => ({ at: '2026-03-02T01:00:00Z', type: 'full' }) },
    activeRuns: () => [],
    waitingNotifications: () => 0,
    hosts: () => 0,
    repositories: () => 0,
    version: '0',
    startedAt: '2026-03-01T01:00:00Z',
    now: () => 0,
    log: silentLogger,
  });
  metrics.runEnded(backupRun('sql01', 1));
  metrics.runEnded(backupRun('sql02', 2, { state: 'failed', outcome: undefined }));
  metrics.runEnded(policyRun([failedVm]));
  const offered = Array.from(metrics.text().matchAll(/^# TYPE (\w+)/gm), ([, name = '']) => name);
  const documented = new Set(
    Array.from(text.matchAll(/^\| (`tidemark_.*?) \|/gm), ([, cell = '']) => cell).flatMap((cell) =>
      Array.from(cell.matchAll(/`(\w+)`/g), ([, name = '']) => name),
    ),
  );
  assert.deepEqual(
    [...documented].toSorted((a, b) => (a < b ? -1 : 1)),
    offered.toSorted((a, b) => (a < b ? -1 : 1)),
  );
});
