import assert from 'node:assert/strict';
import { test } from 'node:test';

import { stateSentence, statusFacts } from '../../../../client/commands/flows/daemon-facts.ts';
import { planText } from '../../../../client/commands/flows/garbage-plan.ts';
import { LogText } from '../../../../client/commands/flows/log-text.ts';
import { deletionQuestion } from '../../../../client/commands/flows/point-deletion.ts';
import {
  policyFromTemplate,
  policyNameProblem,
  policyTemplates,
} from '../../../../client/commands/flows/policy-templates.ts';
import { parsePolicy } from '../../../../server/policy/index.ts';
import { errorCodes, TidemarkError } from '../../../../server/protocol/errors.ts';

const nothingToCollect = {
  kind: 'gc',
  dryRun: true,
  condemnedPacks: 0,
  condemnedBytes: 0,
  deletedPacks: 0,
  deletedBytes: 0,
  repackedBytes: 0,
} as const;

test('A plan with nothing in it is no question', () => {
  assert.equal(planText(nothingToCollect), undefined);
});

test('A plan says what goes now, what later, and that restore points stay', () => {
  const plan = {
    ...nothingToCollect,
    deletedPacks: 2,
    deletedBytes: 1024 ** 3,
    condemnedPacks: 1,
    condemnedBytes: 2048,
  };
  const text = planText(plan) ?? '';
  for (const part of ['1 GiB in 2 packs', '2 KiB in 1 packs', 'No restore point']) assert.ok(text.includes(part), text);
});

test('The question before a deletion names the VM and the time', () => {
  const createdAt = new Date(2026, 0, 31, 7, 5).toISOString();
  const { message, detail } = deletionQuestion([{ vmName: 'sql01', createdAt, repository: 'main' }]);
  assert.match(message, /sql01.*2026-01-31 07:05/);
  assert.match(detail, /main.*cannot be undone/);
});

test('Many deletions are named one by one up to ten, and the rest is counted', () => {
  const createdAt = '2026-01-31T00:00:00Z';
  const points = Array.from({ length: 12 }, (_, index) => ({ vmName: `vm${index}`, createdAt, repository: 'main' }));
  const { message, detail } = deletionQuestion(points);
  assert.match(message, /12/);
  assert.ok(detail.includes('vm9 ') && !detail.includes('vm10 '));
  assert.match(detail, /and 2 more/);
});

test('A log keeps its newest lines and says how many it left out', () => {
  const log = new LogText(2);
  const line = (text: string) => ({ time: '2026-01-31T02:00:00Z', level: 'info', text }) as const;
  log.append([line('one'), line('two')], 2);
  assert.ok(!log.toString().includes('left out'));
  log.append([line('three')], 3);
  assert.equal(log.nextLine, 3);
  assert.deepEqual(log.toString().split('\n'), [
    '(1 earlier lines are left out)',
    '2026-01-31T02:00:00Z info    two',
    '2026-01-31T02:00:00Z info    three',
    '',
  ]);
});

test('Each state of the connection has its sentence; a failure tells its hint', () => {
  const error = new TidemarkError(errorCodes.daemonStartFailed, 'It did not start.', { hint: 'Free some space.' });
  assert.equal(stateSentence({ kind: 'failed', error }), 'It did not start. Free some space.');
  assert.match(stateSentence({ kind: 'reconnecting', attempt: 1, nextAt: 0, error }), /It did not start/);
  const note = { kind: 'newer-daemon', daemonVersion: '9.0.0' } as const;
  assert.match(stateSentence({ kind: 'connected', daemonVersion: '9.0.0', instance: 'a', note }), /reload/);
});

test('The status tells what the daemon told, and leaves out what it did not', () => {
  const status = {
    version: '0.1.0',
    pid: 7,
    startedAt: '2026-01-31T02:00:00Z',
    dataDirectory: '/data',
    logFile: '/data/logs/daemon.log',
    activeRuns: 1,
    hosts: 2,
    repositories: 3,
    machine: 'backup01',
    platform: 'posix',
  } as const;
  const values = (given: Parameters<typeof statusFacts>[0]): readonly string[] =>
    statusFacts(given, Date.parse('2026-01-31T05:00:00Z')).map(({ value }) => value);
  assert.ok(values(status).includes('/data/logs/daemon.log'));
  assert.ok(values(status).some((value) => value.includes('3 h ago')));
  assert.equal(values({ ...status, remoteUrl: 'https://backup01:8441' }).length, values(status).length + 1);
});

test('Every template is a policy that has the names that were given, whatever YAML would read them as', () => {
  for (const names of [
    { name: 'nightly', repository: 'main', host: 'hv02' },
    { name: 'null', repository: '2026', host: 'no' },
  ])
    for (const { id } of policyTemplates()) {
      const { policy, diagnostics } = parsePolicy(policyFromTemplate(id, { ...names, timezone: 'Europe/Warsaw' }));
      assert.deepEqual(diagnostics, [], id);
      assert.equal(policy?.name, names.name);
      assert.equal(policy.repository, names.repository);
      assert.deepEqual(new Set(policy.select.map(({ host }) => host)), new Set([names.host]));
      assert.ok(policy.schedule?.every(({ timezone }) => timezone === 'Europe/Warsaw'));
      assert.ok(policy.retention !== undefined);
    }
});

test('The name of a new policy is one that the daemon takes', () => {
  assert.equal(policyNameProblem('nightly-sql'), undefined);
  for (const name of ['', 'Nightly', '-a', 'a-', 'a b', 'a'.repeat(65)]) assert.ok(policyNameProblem(name), name);
});
