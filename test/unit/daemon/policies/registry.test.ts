import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, it } from 'node:test';

import { silentLogger } from '../../../../server/base/log.ts';
import { ulid } from '../../../../server/base/ulid.ts';
import { PolicyRegistry } from '../../../../server/daemon/policies/registry.ts';
import type { NewVersion } from '../../../../server/daemon/policies/registry.ts';
import { openSqliteStore } from '../../../../server/daemon/store/sqlite.ts';
import type { Store } from '../../../../server/daemon/store/store.ts';
import { parsePolicy } from '../../../../server/policy/index.ts';
import type { RunInfo, RunRequest } from '../../../../server/protocol/daemon.ts';
import { errorCodes } from '../../../../server/protocol/errors.ts';
import { runId } from '../../../../server/protocol/ids.ts';

const textOf = (name: string, more = ''): string =>
  `name: ${name}\nrepository: main\nselect:\n  - host: hv01\n    vms: [sql-*]\n${more}`;

function newVersion(text: string, more: Partial<NewVersion> = {}): NewVersion {
  const { policy } = parsePolicy(text);
  assert(policy, 'the text is a policy');
  return { text, policy, by: 'anna@laptop', ...more };
}

describe('the registry of policies', () => {
  let directory: string;
  let store: Store;
  let policies: PolicyRegistry;
  let clock: Date;

  const reopen = (): void => {
    store[Symbol.dispose]();
    store = openSqliteStore(join(directory, 'test.db'), silentLogger);
    policies = new PolicyRegistry(store.policies, silentLogger, () => clock);
  };

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'tidemark-policies-'));
    store = openSqliteStore(join(directory, 'test.db'), silentLogger);
    clock = new Date('2026-03-01T12:00:00Z');
    policies = new PolicyRegistry(store.policies, silentLogger, () => clock);
  });

  afterEach(() => {
    store[Symbol.dispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  it('keeps what is applied, with who and when, over a restart', () => {
    assert.equal(policies.apply(newVersion(textOf('nightly'), { source: 'nightly.backup.yaml' })), true);
    reopen();
    const [kept] = policies.list();
    assert.equal(kept?.name, 'nightly');
    assert.equal(kept.text, textOf('nightly'));
    assert.deepEqual(
      { ...kept.version, sha256: '' },
      {
        version: 1,
        sha256: '',
        at: '2026-03-01T12:00:00.000Z',
        by: 'anna@laptop',
        source: 'nightly.backup.yaml',
        change: 'applied',
      },
    );
  });

  it('makes no new version of the same text', () => {
    policies.apply(newVersion(textOf('nightly')));
    assert.equal(policies.apply(newVersion(textOf('nightly'))), false);
    assert.equal(policies.history('nightly').length, 1);
  });

  it('counts versions on after a deletion, and keeps the history', () => {
    policies.apply(newVersion(textOf('nightly')));
    policies.apply(newVersion(textOf('nightly', 'verify: weekly\n')));
    policies.delete('nightly', 'bob@desk');
    assert.deepEqual(policies.list(), []);
    assert.throws(() => policies.get('nightly'), { code: errorCodes.policyNotFound });
    reopen();
    policies.apply(newVersion(textOf('nightly')));
    assert.deepEqual(
      policies.history('nightly').map(({ version, change, by }) => [version, change, by]),
      [
        [4, 'applied', 'anna@laptop'],
        [3, 'deleted', 'bob@desk'],
        [2, 'applied', 'anna@laptop'],
        [1, 'applied', 'anna@laptop'],
      ],
    );
    assert.equal(policies.version('nightly', 2).policy.verify, 'weekly');
    assert.match(policies.text('nightly', 3).text, /verify: weekly/);
  });

  it('refuses an apply that was planned against another version', () => {
    policies.apply(newVersion(textOf('nightly'), { expectedVersion: 0 }));
    const changed = newVersion(textOf('nightly', 'verify: weekly\n'));
    assert.throws(() => policies.apply({ ...changed, expectedVersion: 0 }), {
      code: errorCodes.policyChanged,
      message: /Version 1 is applied now, since 2026-03-01T12:00:00.000Z, by anna@laptop/,
    });
    assert.equal(policies.apply({ ...changed, expectedVersion: 1 }), true);
    policies.delete('nightly', 'anna@laptop');
    assert.throws(() => policies.apply({ ...changed, expectedVersion: 2 }), { code: errorCodes.policyChanged });
    assert.equal(policies.apply({ ...changed, expectedVersion: 0 }), true);
  });

  it('records a rollback as a version of its own', () => {
    policies.apply(newVersion(textOf('nightly')));
    policies.apply(newVersion(textOf('nightly', 'verify: weekly\n')));
    policies.apply(newVersion(textOf('nightly'), { restored: 1 }));
    const [newest] = policies.history('nightly');
    assert.deepEqual([newest?.version, newest?.change, newest?.restored], [3, 'rolled-back', 1]);
    assert.equal(policies.get('nightly').policy.verify, undefined);
  });

  it('keeps a pause over restarts and new versions, until somebody resumes', () => {
    policies.apply(newVersion(textOf('nightly')));
    policies.pause('nightly', 'bob@desk', '2026-03-02T00:00:00Z');
    reopen();
    policies.apply(newVersion(textOf('nightly', 'verify: weekly\n')));
    assert.deepEqual(policies.get('nightly').paused, {
      since: '2026-03-01T12:00:00.000Z',
      by: 'bob@desk',
      until: '2026-03-02T00:00:00Z',
    });
    assert.equal(policies.resume('nightly', 'bob@desk'), true);
    reopen();
    assert.equal(policies.get('nightly').paused, undefined);
    assert.equal(policies.resume('nightly', 'bob@desk'), false);
    policies.pause('nightly', 'bob@desk', '2026-02-01T00:00:00Z');
    assert.equal(policies.resume('nightly', 'bob@desk'), false, 'that pause is over');
  });

  it('tells of each change once, after it', () => {
    const heard: string[] = [];
    using listening = policies.onChange((name) => heard.push(`${name} ${policies.list().length}`));
    policies.apply(newVersion(textOf('nightly')));
    policies.apply(newVersion(textOf('nightly')));
    policies.pause('nightly', 'anna@laptop', undefined);
    policies.delete('nightly', 'anna@laptop');
    listening[Symbol.dispose]();
    policies.apply(newVersion(textOf('nightly')));
    assert.deepEqual(heard, ['nightly 1', 'nightly 1', 'nightly 0']);
  });

  it('keeps a policy that this version cannot parse, carries the others out, and takes it again', () => {
    policies.apply(newVersion(textOf('future')));
    policies.apply(newVersion(textOf('nightly')));
    const database = new DatabaseSync(join(directory, 'test.db'));
    database
      .prepare("UPDATE policy_versions SET text = ? WHERE name = 'future'")
      .run(textOf('future', 'replicate: x\n'));
    database.close();
    reopen();
    assert.deepEqual(
      policies.list().map(({ name }) => name),
      ['nightly'],
    );
    const [future] = policies.kept();
    assert.equal(future?.repository, 'main');
    assert.match(future.problem ?? '', /cannot read it: .*replicate/);
    assert.throws(() => policies.get('future'), { code: errorCodes.policyInvalid });
    assert.match(policies.text('future', undefined).text, /replicate/);
    assert.equal(policies.apply(newVersion(textOf('future'))), true);
    assert.equal(policies.get('future').version.version, 2);
  });

  it('finds the newest run of a policy, which outlives the trimming of the history', () => {
    const progress = { phase: 'finished', disks: [], doneBytes: 0, totalBytes: 0, bytesPerSecond: 0 } as const;
    const insert = (request: RunRequest): RunInfo['id'] => {
      const id = runId(ulid(), 'id');
      const at = '2026-03-01T00:00:00Z';
      const run = {
        id,
        request,
        title: 'x',
        state: 'succeeded',
        queuedAt: at,
        progress,
        warnings: [],
        sequence: 1,
      } as const;
      store.insertRun(run, undefined);
      return id;
    };
    const ofPolicy = (policy: string): RunInfo['id'] => insert({ kind: 'policy', policy, trigger: 'schedule' });
    ofPolicy('nightly');
    const newest = ofPolicy('nightly');
    const weekly = ofPolicy('weekly');
    for (let count = 0; count < 5; count++) insert({ kind: 'gc', repository: 'main', dryRun: false, now: false });
    store.trimRuns(2);
    assert.equal(store.lastRunOf('nightly')?.id, newest);
    assert.equal(store.lastRunOf('weekly')?.id, weekly);
    assert.equal(store.lastRunOf('never'), undefined);
    assert.equal(store.runs(100).length, 4);
  });

  it('remembers the last full success, and forgets it with the policy', () => {
    policies.apply(newVersion(textOf('nightly')));
    policies.succeeded('nightly', 1, '2026-03-01T03:00:00Z');
    policies.succeeded('gone', 1, '2026-03-01T03:00:00Z');
    reopen();
    assert.equal(policies.getKept('nightly').lastSuccessAt, '2026-03-01T03:00:00Z');
    policies.apply(newVersion(textOf('nightly', 'verify: weekly\n')));
    reopen();
    assert.equal(policies.getKept('nightly').lastSuccessAt, '2026-03-01T03:00:00Z');
    policies.delete('nightly', 'anna@laptop');
    policies.apply(newVersion(textOf('nightly')));
    assert.equal(policies.getKept('nightly').lastSuccessAt, undefined);
    // 1 and 2 were deleted by 3; 4 is what has the name now.
    policies.succeeded('nightly', 2, '2026-03-01T04:00:00Z');
    assert.equal(policies.getKept('nightly').lastSuccessAt, undefined, 'a run of the policy that was deleted');
    policies.apply(newVersion(textOf('nightly', 'verify: weekly\n')));
    policies.succeeded('nightly', 4, '2026-03-01T05:00:00Z');
    assert.equal(policies.getKept('nightly').lastSuccessAt, '2026-03-01T05:00:00Z', 'an earlier version of this one');
  });
});
