import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { silentLogger } from '../../../server/base/log.ts';
import { runEndedMail } from '../../../server/daemon/notifications/mail-text.ts';
import { carriedOutVersion } from '../../../server/daemon/notifications/run-result.ts';
import { reportText } from '../../../server/daemon/reports/report-text.ts';
import { versionAt, whatNow } from '../../../server/daemon/runs/interruption.ts';
import { recoverRuns } from '../../../server/daemon/runs/recovery.ts';
import { openSqliteStore } from '../../../server/daemon/store/sqlite.ts';
import type { PolicyVersion, RunInfo } from '../../../server/protocol/daemon.ts';
import { backupRun, ended, policyRun, runId } from './notifications/sample.ts';

function version(number: number, at: string, change: PolicyVersion['change'] = 'applied'): PolicyVersion {
  return { version: number, sha256: 'a'.repeat(64), at, by: 'anna@laptop', change };
}

const history = [
  version(3, '2026-03-01T02:05:00Z'),
  version(2, '2026-03-01T01:00:00Z'),
  version(1, '2026-02-01T00:00:00Z'),
];

/** As a daemon that was killed finds it again, and marks it. */
async function recovered(run: RunInfo): Promise<RunInfo> {
  const directory = mkdtempSync(join(tmpdir(), 'tidemark-'));
  const store = openSqliteStore(join(directory, 'db'), silentLogger);
  try {
    for (const entry of history.toReversed())
      store.policies.apply('nightly-sql', { version: entry, text: 'name: nightly-sql' }, 'main');
    store.insertRun(run, undefined);
    await recoverRuns(store, silentLogger);
    const found = store.run(run.id);
    assert.ok(found);
    return found;
  } finally {
    store[Symbol.dispose]();
    rmSync(directory, { recursive: true });
  }
}

test('Of a run by schedule that was interrupted it is said that it is caught up, of one by hand that it is to be started again', () => {
  const scheduled = policyRun([]);
  assert.match(whatNow(scheduled), /catches it up by itself/);
  const byHand = policyRun([], { request: { kind: 'policy', policy: 'nightly-sql', trigger: 'manual' } });
  assert.match(whatNow(byHand), /^Start the run again/);
  const part = whatNow(backupRun('sql01', 1, { parent: runId }));
  assert.ok(part.includes(runId) && !part.includes('Start the run again'), part);
});

test('After a kill the mail and the report of a run by schedule know the version and say what follows', async () => {
  const run = await recovered(policyRun([], { state: 'running', outcome: undefined, finishedAt: undefined }));
  assert.equal(run.state, 'interrupted');
  assert.equal(carriedOutVersion(run), 2);
  const { text } = runEndedMail({ ...ended(run), version: carriedOutVersion(run) });
  assert.match(text, /nightly-sql, version 2\n/);
  assert.match(text, /The daemon catches it up by itself/);
  assert.doesNotMatch(text, /Start the run again/);
  const page = reportText({ schema: 1, run, children: [], omittedChildren: 0, notifications: [] });
  assert.match(page, /\| Policy version \| 2 \|/);
});

test('The version of a run that had not begun, or of a policy that was deleted before, is not guessed', async () => {
  assert.equal(versionAt(history, undefined), undefined);
  assert.equal(versionAt(history, '2026-01-01T00:00:00Z'), undefined);
  assert.equal(versionAt([version(2, '2026-02-01T00:00:00Z', 'deleted')], '2026-02-02T00:00:00Z'), undefined);
  const queued = policyRun([], {
    state: 'queued',
    outcome: undefined,
    startedAt: undefined,
    finishedAt: undefined,
  });
  assert.equal((await recovered(queued)).policyVersion, undefined);
});
