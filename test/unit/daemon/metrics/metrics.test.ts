import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it, test } from 'node:test';

import { silentLogger } from '../../../../server/base/log.ts';
import { Counter } from '../../../../server/daemon/metrics/counters.ts';
import { exposition } from '../../../../server/daemon/metrics/exposition.ts';
import { forgottenAfterMs, Metrics } from '../../../../server/daemon/metrics/metrics.ts';
import { PolicyRegistry } from '../../../../server/daemon/policies/registry.ts';
import { openSqliteStore } from '../../../../server/daemon/store/sqlite.ts';
import type { Store } from '../../../../server/daemon/store/store.ts';
import { parsePolicy } from '../../../../server/policy/index.ts';
import type { RunInfo } from '../../../../server/protocol/daemon.ts';
import { array, json, number, object, record, string } from '../../../../server/protocol/parse.ts';
import type { Parsed } from '../../../../server/protocol/parse.ts';
import { backupRun, failedVm, policyRun, vmResult } from '../notifications/sample.ts';

const judged = array(
  object({
    name: string(),
    type: string(),
    help: string(),
    samples: array(object({ name: string(), labels: record(string({ allowEmpty: true })), value: number })),
  }),
);
type Families = Parsed<typeof judged>;

const debianPython = '/usr/bin/python3';

/** What the parser of Prometheus' own Python client makes of a document; undefined where it is not installed. */
function judgedByPython(document: string): Families | undefined {
  const program = `
import sys, json
try:
    from prometheus_client.parser import text_string_to_metric_families as parse
except ImportError:
    sys.exit(42)
text = sys.stdin.buffer.read().decode('utf-8')
print(json.dumps([{'name': f.name, 'type': f.type, 'help': f.documentation,
  'samples': [{'name': s.name, 'labels': s.labels, 'value': s.value} for s in f.samples]} for f in parse(text)]))`;
  const python = existsSync(debianPython) ? debianPython : 'python3';
  const { status, stdout, stderr, error } = spawnSync(python, ['-c', program], { input: document });
  if (error !== undefined || status === 42) return undefined;
  assert.equal(status, 0, stderr.toString());
  return json(stdout.toString(), judged, 'families');
}

const skipped = 'python3-prometheus-client is not installed: its parser did not judge';

test('labels may hold anything; the parser of Prometheus reads back what was written', (t) => {
  const values = [
    'plain',
    'q"uote',
    'back\\slash',
    'line\nfeed',
    '\\n',
    'Zażółć 💾',
    '{a="b"} 1',
    '# HELP x',
    '\r',
    '',
    'comma,',
    '\u2028',
  ];
  const samples = values.map((vm, value) => ({ labels: { vm, other: undefined }, value }));
  const text = exposition([
    { name: 'x_total', help: 'Line\none \\ and "two".', type: 'counter', samples },
    { name: 'y', help: 'Y.', type: 'gauge', samples: [{ value: 1e21 }] },
    { name: 'without_series', help: 'None.', type: 'gauge', samples: [] },
  ]);
  assert.ok(!text.includes('without_series'));
  assert.ok(text.endsWith('\n'));
  assert.equal(
    exposition([{ name: 'z', help: 'Z.', type: 'gauge', samples: [{ labels: { vm: 'a\uD800' }, value: 1 }] }]).includes(
      'a\uFFFD',
    ),
    true,
  );
  const families = judgedByPython(text);
  if (families === undefined) {
    t.diagnostic(skipped);
    return;
  }
  assert.deepEqual(
    families[0]?.samples.map(({ labels, value }) => [labels['vm'], value]),
    values.map((vm, value) => [vm, value]),
  );
  assert.equal(families[1]?.samples[0]?.value, 1e21);
});

test('a counter has a bounded number of series', () => {
  const counter = new Counter('x_total', 'X.', 3);
  for (let index = 0; index < 10; index++) counter.add({ vm: `vm${index}` }, 1);
  counter.add({ vm: 'vm0' }, 5);
  assert.deepEqual(
    counter.metric().samples.map(({ value }) => value),
    [6, 1, 1],
  );
});

describe('the metrics of a daemon', () => {
  let directory: string;
  let store: Store;
  let policies: PolicyRegistry;
  let metrics: Metrics;
  let active: RunInfo[];
  const now = Date.parse('2026-03-01T03:00:00Z');

  const newMetrics = (): Metrics =>
    new Metrics({
      store: store.metrics,
      lastEnded: (policy) => store.lastEndedRunOf(policy),
      policies,
      schedule: {
        nextRun: (name) => (name === 'nightly-sql' ? { at: '2026-03-02T02:00:00Z', type: 'incremental' } : undefined),
      },
      activeRuns: () => active,
      waitingNotifications: () => 3,
      hosts: () => 1,
      repositories: () => 2,
      version: '0.1.0',
      startedAt: '2026-03-01T01:00:00.000Z',
      now: () => now,
      log: silentLogger,
    });

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'tidemark-metrics-'));
    store = openSqliteStore(join(directory, 'test.db'), silentLogger);
    policies = new PolicyRegistry(store.policies, silentLogger);
    for (const name of ['nightly-sql', 'weekly']) {
      const text = `name: ${name}\nrepository: main\nselect: [{ host: hv01, vms: ['*'] }]\n`;
      const { policy } = parsePolicy(text);
      assert(policy);
      policies.apply({ text, policy, by: 'anna@laptop' });
    }
    active = [];
    metrics = newMetrics();
  });

  afterEach(() => {
    store[Symbol.dispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  it('are what happened, as the parser of Prometheus reads them', (t) => {
    const nightly = policyRun([vmResult('a'), failedVm]);
    store.insertRun(nightly, undefined);
    active = [
      policyRun([], { state: 'queued' }),
      policyRun([], { state: 'running' }),
      policyRun([], { state: 'running' }),
    ];
    metrics.runEnded(backupRun('sql"01', 1));
    metrics.runEnded(backupRun('sql"01', 1, {}, '2026-03-01T02:30:00Z'));
    metrics.runEnded(backupRun('sql02', 2, { state: 'failed', outcome: undefined }));
    metrics.runEnded(nightly);
    const families = judgedByPython(metrics.text());
    if (families === undefined) {
      t.diagnostic(skipped);
      return;
    }
    const values = new Map(
      families.flatMap(({ samples }) =>
        samples.map(({ name, labels, value }) => [`${name} ${Object.values(labels).join(' ')}`.trim(), value] as const),
      ),
    );
    const expected: Readonly<Record<string, number>> = {
      [`tidemark_build_info 0.1.0 ${process.versions.node}`]: 1,
      tidemark_start_time_seconds: Date.parse('2026-03-01T01:00:00Z') / 1000,
      tidemark_runs_queued: 1,
      tidemark_runs_active: 2,
      tidemark_notifications_waiting: 3,
      tidemark_hosts: 1,
      tidemark_repositories: 2,
      'tidemark_vm_last_success_timestamp_seconds sql"01 hv01 nightly-sql main 00000000-0000-4000-8000-000000000001':
        Date.parse('2026-03-01T02:30:00Z') / 1000,
      'tidemark_policy_next_run_timestamp_seconds nightly-sql': Date.parse('2026-03-02T02:00:00Z') / 1000,
      'tidemark_policy_last_run_timestamp_seconds nightly-sql': Date.parse('2026-03-01T02:10:02Z') / 1000,
      'tidemark_policy_last_run_duration_seconds nightly-sql': 600,
      'tidemark_policy_last_run_result nightly-sql success': 0,
      'tidemark_policy_last_run_result nightly-sql warning': 0,
      'tidemark_policy_last_run_result nightly-sql failure': 1,
      'tidemark_policy_last_run_vms nightly-sql succeeded': 1,
      'tidemark_policy_last_run_vms nightly-sql failed': 1,
      'tidemark_policy_runs_total nightly-sql failure': 1,
      'tidemark_runs_total backup succeeded': 2,
      'tidemark_runs_total backup failed': 1,
      'tidemark_runs_total policy succeeded': 1,
      'tidemark_backup_failures_total nightly-sql main': 1,
      'tidemark_backup_read_bytes_total nightly-sql main': 4000,
      'tidemark_backup_stored_bytes_total nightly-sql main': 1200,
      'tidemark_run_duration_seconds_bucket backup 300': 0,
      'tidemark_run_duration_seconds_bucket backup 900': 3,
      'tidemark_run_duration_seconds_bucket backup +Inf': 3,
      'tidemark_run_duration_seconds_sum backup': 1800,
      'tidemark_run_duration_seconds_count backup': 3,
    };
    for (const [name, value] of Object.entries(expected))
      assert.equal(values.get(name), value, `${name}\n${metrics.text()}`);
    assert.equal([...values.keys()].filter((name) => name.includes('weekly')).length, 0, 'it has not run yet');
  });

  it('know the last success of each VM, and the last run of each policy, after a restart', () => {
    metrics.runEnded(backupRun('sql01', 1));
    store.insertRun(policyRun([failedVm]), undefined);
    store[Symbol.dispose]();
    store = openSqliteStore(join(directory, 'test.db'), silentLogger);
    const text = newMetrics().text();
    assert.match(text, /^tidemark_vm_last_success_timestamp_seconds\{vm="sql01",.*\} 1772330405$/m);
    assert.match(text, /^tidemark_policy_last_run_result\{policy="nightly-sql",result="failure"\} 1$/m);
    assert.doesNotMatch(text, /_total\{/);
  });

  it('forget VMs that were not backed up for long, and tell a VM that was renamed or moved once', () => {
    metrics.runEnded(backupRun('ancient', 1, {}, new Date(now - forgottenAfterMs - 1000).toISOString()));
    metrics.runEnded(backupRun('old-name', 2));
    metrics.runEnded(backupRun('new-name', 2));
    const lines = metrics
      .text()
      .split('\n')
      .filter((line) => line.startsWith('tidemark_vm_last_success'));
    assert.equal(lines.length, 1);
    assert.match(lines[0] ?? '', /vm="new-name"/);
  });

  it('do not tell of backups whose policy was deleted', () => {
    metrics.runEnded(backupRun('sql01', 1));
    policies.delete('nightly-sql', 'anna@laptop');
    assert.doesNotMatch(metrics.text(), /tidemark_vm_last_success|nightly-sql.*last_run/);
  });

  it('do not fail a run when the database does', () => {
    store.metrics.putSuccess = () => {
      throw new Error('disk full');
    };
    metrics.runEnded(backupRun('sql01', 1));
    assert.match(metrics.text(), /tidemark_runs_total\{kind="backup",state="succeeded"\} 1/);
  });
});
