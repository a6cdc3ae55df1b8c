import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';

import { escaped } from '../../../../server/daemon/reports/markdown.ts';
import { reportText } from '../../../../server/daemon/reports/report-text.ts';
import { reportOf } from '../../../../server/daemon/reports/report.ts';
import { titleOf } from '../../../../server/daemon/runs/conflicts.ts';
import { runInfo, runReport } from '../../../../server/protocol/daemon.ts';
import type {
  NotificationInfo,
  RunInfo,
  RunOutcome,
  RunReport,
  RunRequest,
} from '../../../../server/protocol/daemon.ts';
import * as ids from '../../../../server/protocol/ids.ts';
import { failedVm, policyRun, runId, vmResult } from '../notifications/sample.ts';

const point = ids.restorePointId('01JNKTW000AAAAAAAAAAAAAAAA', 'id');
const old = ids.restorePointId('01JM0000000AAAAAAAAAAAAAAA', 'id');
const vmId = failedVm.vmId;

/** A run of another kind that is part of the policy's run, or is not. */
function other(request: RunRequest, outcome: RunOutcome | undefined, more: Partial<RunInfo> = {}): RunInfo {
  const run = { ...policyRun([]), request, outcome, title: request.kind, ...more };
  return runInfo(JSON.parse(JSON.stringify(run)), 'run');
}

function report(
  run: RunInfo,
  children: readonly RunInfo[] = [],
  notifications: readonly NotificationInfo[] = [],
): RunReport {
  return { schema: 1, run, children, omittedChildren: 0, notifications };
}

const prune = other(
  { kind: 'prune', repository: 'main', policy: 'nightly-sql', dryRun: false },
  {
    kind: 'prune',
    kept: [point],
    removed: [old],
    dryRun: false,
    decisions: [
      {
        restorePoint: point,
        vmId,
        vm: 'sql01',
        createdAt: '2026-03-01T02:00:05Z',
        keep: true,
        reasons: ['last 1 of 3'],
      },
      {
        restorePoint: old,
        vmId,
        vm: 'sql01',
        createdAt: '2026-01-15T02:00:05Z',
        keep: false,
        reasons: ['no rule keeps it'],
      },
    ],
  },
  { title: 'Retention of nightly-sql in main', id: ids.runId('01JNKTVZ00AAAAAAAAAAAAAAAD', 'id'), parent: runId },
);
const verify = other(
  { kind: 'verify', repository: 'main', readData: true, restorePoints: [point], newOnly: true },
  {
    kind: 'verify',
    restorePoints: 1,
    blobs: 12,
    readBytes: 5 * 1024 ** 2,
    problems: [
      {
        what: 'blob 77ab in d/77/77ab',
        error: { code: 'TM4010', message: 'The blob is damaged.', hint: 'Back up again.' },
        restorePoints: [point],
      },
    ],
  },
  {
    title: 'Verify a restore point in main, new data',
    id: ids.runId('01JNKTVZ00AAAAAAAAAAAAAAAC', 'id'),
    parent: runId,
  },
);
const notifications: readonly NotificationInfo[] = [
  {
    channel: 'webhook',
    target: 'https://ops.example/hook',
    state: 'delivered',
    attempts: 1,
    deliveredAt: '2026-03-01T02:10:03.000Z',
  },
  {
    channel: 'email',
    target: 'ops@example.com',
    state: 'waiting',
    attempts: 2,
    nextAttemptAt: '2026-03-01T02:16:00.000Z',
    error: { code: 'TM7006', message: 'The mail server does not answer.' },
  },
];

const nightly = policyRun(
  [vmResult('sql01', { restorePoint: point, warnings: ['The guest was not quiesced.'] }), failedVm],
  { warnings: ['A run at 02:00 was missed.'] },
  { retention: { removed: [old], kept: 1 }, verification: { restorePoints: 1, problems: 1 } },
);

test('the page of the run of a policy is the golden one', () => {
  const golden = new URL('policy-run.golden.md', import.meta.url);
  const text = reportText(report(nightly, [verify, prune], notifications));
  if (process.env['TIDEMARK_UPDATE_GOLDEN'] !== undefined) writeFileSync(golden, text);
  assert.equal(text, readFileSync(golden, 'utf8'));
});

test('a run of any kind has a page: ended or active, with an outcome, an error, or neither', () => {
  const disk = {
    id: ids.diskId('11111111-0000-4000-8000-000000000001', 'disk'),
    name: 'os',
    sizeBytes: 1024 ** 3,
    logicalSectorBytes: 512,
    physicalSectorBytes: 4096,
    chunkBytes: 1024 ** 2,
    kind: { type: 'full', reason: 'first' },
    stats: { readBytes: 1024 ** 2, newBytes: 1024 ** 2, storedBytes: 1024, dataBytes: 1024 ** 2 },
  } as const;
  const backupRequest: RunRequest = {
    kind: 'backup',
    vm: 'sql01',
    repository: 'main',
    type: 'full',
    consistency: 'crash',
    excludeDisks: [],
  };
  const restorePoint = {
    id: point,
    repository: 'main',
    vmId,
    vmName: 'sql01',
    host: 'hv01',
    createdAt: '2026-03-01T02:00:05Z',
    finishedAt: '2026-03-01T02:00:09Z',
    type: 'full',
    consistency: 'crash',
    disks: [disk],
    warnings: [],
  } as const;
  const target = '/srv/sql01.vhdx';
  const cases: readonly (readonly [RunInfo, RegExp])[] = [
    [other(backupRequest, { kind: 'backup', restorePoint }), /\| os \| 1 GiB \| full \(first\) \| 1 MiB \| 1 KiB \|/],
    [
      other(
        { kind: 'restore-disk', restorePoint: point, disk: 'os', target, format: 'vhdx', overwrite: false },
        { kind: 'restore-disk', target, dataBytes: 1024, sizeBytes: 2048 },
      ),
      /\| Restored to \| \/srv\/sql01\.vhdx \|/,
    ],
    [
      other(
        { kind: 'restore-vm', restorePoint: point, host: 'hv01', connectNetwork: false },
        { kind: 'restore-vm', host: 'hv01', vmId, vmName: 'sql01-back' },
      ),
      /\| Restored as \| hv01\/sql01-back \|/,
    ],
    [verify, /1 restore point checked, 5 MiB read: damage in 1 place/],
    [prune, /no rule keeps it/],
    [
      other(
        { kind: 'gc', repository: 'main', dryRun: true, now: false },
        {
          kind: 'gc',
          dryRun: true,
          condemnedPacks: 1,
          condemnedBytes: 1024,
          deletedPacks: 0,
          deletedBytes: 0,
          repackedBytes: 0,
        },
      ),
      /\| Set aside \| 1 pack, 1 KiB \|/,
    ],
    [
      other(backupRequest, undefined, { state: 'failed', error: { code: 'TM2101', message: 'No such VM.' } }),
      /## Error\n\n- No such VM\. \(TM2101\)/,
    ],
    [
      other(backupRequest, undefined, {
        state: 'running',
        finishedAt: undefined,
        progress: { phase: 'transfer', disks: [], doneBytes: 1024, totalBytes: 4096, bytesPerSecond: 0 },
      }),
      /# backup: running[^]*\| Now \| transfer, 1 KiB of 4 KiB \|/,
    ],
    [policyRun([], { state: 'interrupted', outcome: undefined }), /# nightly-sql was interrupted/],
    [
      policyRun([], { state: 'queued', startedAt: undefined, finishedAt: undefined, outcome: undefined }),
      /# Policy nightly-sql: queued/,
    ],
  ];
  for (const [run, expected] of cases) assert.match(reportText(report(run)), expected);
});

test('names and messages of others stay text: no table, HTML, link, image, heading or line of their own', () => {
  const evil =
    'a|b`c`<img src=x onerror=alert(1)>[d](https://evil.example)![e](x)**f** https://evil.example www.evil.example g@evil.example\n# h\n\n---\r\n| i | j |';
  const run = policyRun(
    [
      vmResult(evil, {
        host: undefined,
        result: 'failed',
        warnings: [evil, '- x', '1. y', '=== z'],
        reason: evil,
        error: { code: 'TM1900', message: evil, hint: evil },
      }),
    ],
    { title: evil, warnings: [evil], error: { code: 'TM1900', message: evil } },
  );
  const hostile: NotificationInfo = {
    channel: 'webhook',
    target: evil,
    state: 'failed',
    attempts: 6,
    error: { code: 'TM7006', message: evil },
  };
  const text = reportText(report(run, [{ ...verify, title: evil }], [hostile]));
  // What is left when everything that is escaped is taken away is the page's own markup.
  const bare = text.replaceAll(/\\[^\n]/g, '');
  assert.doesNotMatch(bare, /[<>`[\]!@]/);
  assert.doesNotMatch(bare, /\/\/|www\./);
  for (const line of text.split('\n')) assert.match(line, /^($|# [^#]|## |\| |- \S)/);
  const columns = text
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.replaceAll(/\\./g, '').split('|').length);
  assert.ok(
    columns.every((number) => number === 4 || number === 9 || number === 6 || number === 8),
    String(columns),
  );
  assert.equal(escaped('- x'), String.raw`\- x`);
  assert.equal(escaped('12. x'), String.raw`12\. x`);
  assert.equal(escaped('===='), String.raw`\====`);
  assert.equal(escaped('3) x'), String.raw`3\) x`);
  // Read on a terminal as well as in a viewer: nothing is escaped that means nothing.
  assert.equal(escaped('6.5 s (by schedule) + 1'), '6.5 s (by schedule) + 1');
});

test('a report has the parts of a run in their order and says how many do not fit', () => {
  const many = Array.from({ length: 300 }, (_, index) => ({
    ...verify,
    warnings: Array.from({ length: 30 }, () => `${index} ${'w'.repeat(4000)}`),
  }));
  const sources = { get: () => nightly, childrenOf: () => many };
  const made = reportOf(runId, { runs: sources, notifier: { ofRun: () => notifications } });
  assert.ok(made.omittedChildren > 0 && made.children.length + made.omittedChildren === 300);
  assert.ok(JSON.stringify(made).length < 20 * 1024 * 1024);
  assert.deepEqual(runReport(JSON.parse(JSON.stringify(made)), 'report').notifications, notifications);
  assert.match(reportText(made), /more are not shown/);
});

test('a page is bounded, however many VMs and warnings there are', () => {
  const warnings = Array.from({ length: 40 }, () => '*'.repeat(1000));
  const vms = Array.from({ length: 6000 }, (_, index) => vmResult(`vm${index}`, { warnings }));
  const run: RunInfo = { ...nightly, outcome: { kind: 'policy', policy: 'nightly-sql', version: 1, vms } };
  const text = reportText(report(run));
  assert.ok(text.length < 16_777_216, String(text.length));
  assert.match(text, /1000 more VMs are not shown/);
  assert.match(text, /and 238000 more/);
});

test('the report and the title of a run that stands for missed ones say so', () => {
  const request = {
    kind: 'policy',
    policy: 'nightly',
    trigger: 'schedule',
    missed: ['2026-03-01T00:13:00Z', '2026-03-01T01:13:00Z'],
  } as const;
  const page = (run: RunRequest): string => reportText(report(other(run, undefined)));
  assert.match(page(request), /\| Stands for \| 2 missed runs since 2026-03-01 00:13:00 UTC \|/);
  assert.equal(titleOf(request), 'Policy nightly (by schedule, stands for 2 missed runs)');
  const late = { ...request, trigger: 'missed' } as const;
  assert.match(page(late), /\| Stands for \| 3 missed runs since /);
  assert.equal(titleOf(late), 'Policy nightly (stands for 3 missed runs)');
  assert.equal(
    titleOf({ ...request, missed: Array.from({ length: 100 }, () => '2026-03-01T00:13:00Z') }),
    'Policy nightly (by schedule, stands for 100 or more missed runs)',
  );
  assert.doesNotMatch(page({ ...request, missed: undefined }), /Stands for/);
});
