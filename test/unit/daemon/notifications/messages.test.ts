import assert from 'node:assert/strict';
import { test } from 'node:test';

import { headline, runEndedMail } from '../../../../server/daemon/notifications/mail-text.ts';
import { resultOf } from '../../../../server/daemon/notifications/run-result.ts';
import { runEndedBody } from '../../../../server/daemon/notifications/webhook-body.ts';
import { restorePointId } from '../../../../server/protocol/ids.ts';
import { array, integer, json, object, string } from '../../../../server/protocol/parse.ts';
import { ended, failedVm, policyRun, vmResult } from './sample.ts';

const count = integer();
const bounded = object({
  vms: array(object({ vm: string() })),
  omittedVms: count,
  counts: object({ total: count, succeeded: count, failed: count, skipped: count, cancelled: count }),
});

const good = vmResult('sql01');
const warned = vmResult('sql03', { warnings: ['The guest was not quiesced.'] });
const skipped = vmResult('sql04', { result: 'skipped', reason: 'It is in another run.' });
const cancelledError = { code: 'TM1999', message: 'The operation was cancelled.' } as const;
const stopped = { code: 'TM5103', message: 'The daemon is stopping.' } as const;
const leftOut = { code: 'TM7007', message: 'The run that was due is left out.' } as const;
const damage = { restorePoints: 1, problems: 2 };
const unread = {
  restorePoints: 0,
  problems: 0,
  error: { code: 'TM4014', message: 'The storage does not answer.' },
} as const;
const notRemoved = { removed: [], kept: 9, error: { code: 'TM4005', message: 'The repository is locked.' } } as const;

const cases = [
  ['success', policyRun([good]), 'nightly-sql succeeded: 1 VM'],
  ['success', policyRun([]), 'nightly-sql succeeded: 0 VMs'],
  ['warning', policyRun([good, warned]), 'nightly-sql succeeded with warnings: 2 VMs'],
  ['warning', policyRun([good], { warnings: ['A run was missed.'] }), 'nightly-sql succeeded with warnings: 1 VM'],
  ['warning', policyRun([good, skipped]), 'nightly-sql backed up 1 of 2 VMs'],
  ['warning', policyRun([good], {}, { retention: notRemoved }), 'nightly-sql succeeded with warnings: 1 VM'],
  ['warning', policyRun([good], {}, { verification: unread }), 'nightly-sql succeeded with warnings: 1 VM'],
  ['failure', policyRun([good], {}, { verification: damage }), 'nightly-sql found damage in 2 places'],
  ['failure', policyRun([good, failedVm]), 'nightly-sql failed: 1 of 2 VMs'],
  ['failure', policyRun([good, failedVm], { state: 'failed' }), 'nightly-sql failed: 1 of 2 VMs'],
  ['failure', policyRun([], { state: 'failed', outcome: undefined }), 'nightly-sql failed'],
  ['failure', policyRun([good], { state: 'interrupted', error: stopped }), 'nightly-sql was interrupted'],
  [
    'warning',
    policyRun([good], { state: 'cancelled', error: cancelledError }),
    'nightly-sql was cancelled: 1 of 1 VM backed up',
  ],
  // What cancelled it was no person.
  ['failure', policyRun([good], { state: 'cancelled', error: stopped }), 'nightly-sql failed'],
  [
    'failure',
    policyRun([], { state: 'cancelled', error: leftOut, outcome: undefined }),
    'nightly-sql did not run when it was due',
  ],
  ['failure', policyRun([failedVm], { state: 'cancelled', error: cancelledError }), 'nightly-sql failed: 1 of 1 VM'],
] as const;

test('how a run ended follows from its state, its VMs, its retention and its verification', () => {
  for (const [result, run, line] of cases) {
    assert.equal(resultOf(run), result, line);
    assert.equal(headline({ run, policy: 'nightly-sql' }), line);
  }
});

test('the document of a webhook is the documented one, the worst VM first', () => {
  const point = restorePointId('01JNKTW000AAAAAAAAAAAAAAAA', 'id');
  const run = policyRun(
    [vmResult('sql01', { restorePoint: point }), failedVm],
    { warnings: ['A run\nwas missed.'] },
    {
      retention: { removed: [point], kept: 14 },
      verification: { restorePoints: 1, problems: 0 },
    },
  );
  assert.deepEqual(JSON.parse(runEndedBody(ended(run), 'message-1')), {
    schema: 1,
    id: 'message-1',
    event: 'policy-run-ended',
    result: 'failure',
    daemon: { machine: 'backup01', version: '0.1.0' },
    policy: { name: 'nightly-sql', version: 1 },
    repository: 'main',
    run: {
      id: run.id,
      state: 'succeeded',
      trigger: 'schedule',
      scheduledFor: '2026-03-01T02:00:00Z',
      queuedAt: '2026-03-01T02:00:01.000Z',
      startedAt: '2026-03-01T02:00:02.000Z',
      finishedAt: '2026-03-01T02:10:02.000Z',
      durationMs: 600_000,
      warnings: ['A run was missed.'],
    },
    counts: { total: 2, succeeded: 1, failed: 1, skipped: 0, cancelled: 0 },
    readBytes: 1024 ** 3,
    storedBytes: 256 * 1024 ** 2,
    vms: [
      {
        host: 'hv01',
        vm: 'sql02',
        vmId: failedVm.vmId,
        result: 'failed',
        attempts: 3,
        readBytes: 0,
        storedBytes: 0,
        durationMs: 65_000,
        error: { code: 'TM2001', message: 'Host hv01 does not answer.', hint: 'Is its agent running?' },
        warnings: [],
      },
      {
        host: 'hv01',
        vm: 'sql01',
        vmId: failedVm.vmId,
        result: 'succeeded',
        attempts: 1,
        restorePoint: point,
        readBytes: 1024 ** 3,
        storedBytes: 256 * 1024 ** 2,
        durationMs: 65_000,
        warnings: [],
      },
    ],
    omittedVms: 0,
    retention: { removed: 1, kept: 14 },
    verification: { restorePoints: 1, problems: 0 },
  });
});

test('a document and a mail stay of bounded size however many VMs and warnings there are', () => {
  const warnings = Array.from({ length: 1024 }, () => 'w'.repeat(1000));
  const many = Array.from({ length: 5000 }, (_, index) =>
    vmResult(`vm${String(index).padStart(4, '0')}`, { warnings: warnings.slice(0, 24) }),
  );
  many.push(failedVm);
  const run = policyRun(many, { warnings });
  const body = runEndedBody(ended(run), 'x');
  assert.ok(body.length < 16 * 1024 * 1024);
  const { vms, omittedVms, counts } = json(body, bounded, 'document');
  assert.deepEqual([vms.length, omittedVms, vms[0]?.vm], [1000, 4001, 'sql02']);
  assert.deepEqual(counts, { total: 5001, succeeded: 5000, failed: 1, skipped: 0, cancelled: 0 });
  const { text } = runEndedMail(ended(run));
  assert.ok(text.length < 4 * 1024 * 1024);
  assert.match(text, /and 4901 more/);
});

test('the mail is plain text with everything that somebody needs to act', () => {
  const { subject, text } = runEndedMail(ended(policyRun([good, failedVm, skipped, warned])));
  assert.equal(subject, '[Tidemark] nightly-sql failed: 1 of 4 VMs');
  assert.equal(
    text,
    `nightly-sql failed: 1 of 4 VMs.

Policy      nightly-sql, version 1
Repository  main
Daemon      backup01
Run         01JNKTVZ00AAAAAAAAAAAAAAAA, succeeded
Started     2026-03-01T02:00:02.000Z
Ended       2026-03-01T02:10:02.000Z
Took        10 min 0 s
Read        3 GiB, of which 768 MiB were new and stored

VMs:
  failed     hv01/sql02, 3 attempts
             TM2001: Host hv01 does not answer.
             Is its agent running?
  skipped    hv01/sql04
             It is in another run.
  succeeded  hv01/sql03, 1 GiB in 1 min 5 s
             Warning: The guest was not quiesced.
  succeeded  hv01/sql01, 1 GiB in 1 min 5 s

The whole report: tidemark run report 01JNKTVZ00AAAAAAAAAAAAAAAA
`,
  );
});

test('a VM whose name has line breaks cannot add lines to a mail', () => {
  const { text } = runEndedMail(ended(policyRun([vmResult('sql\r\nBcc: x@y\u2028z\u0000')])));
  assert.match(text, /succeeded {2}hv01\/sql Bcc: x@y z, /);
});
