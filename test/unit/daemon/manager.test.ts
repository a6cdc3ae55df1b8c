import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { redact, silentLogger } from '../../../server/base/log.ts';
import type { BackupRequest, GcRequest, RunInfo, RunOutcome, RunRequest } from '../../../server/protocol/daemon.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../../../server/protocol/errors.ts';
import { ownerId, restorePointId, vmId } from '../../../server/protocol/ids.ts';
import { FailedWithOutcome } from '../../../server/daemon/runs/context.ts';
import type { RunContext, RunHost, RunServices } from '../../../server/daemon/runs/context.ts';
import { RunManager } from '../../../server/daemon/runs/manager.ts';
import { recoverRuns } from '../../../server/daemon/runs/recovery.ts';
import { isFinished } from '../../../server/protocol/daemon.ts';
import { openSqliteStore } from '../../../server/daemon/store/sqlite.ts';
import type { Store } from '../../../server/daemon/store/store.ts';
import { noPolicies } from './support/fake-backup.ts';

const vm = '11111111-2222-3333-4444-555555555555';

const backup = (name: string, more: Partial<BackupRequest> = {}): BackupRequest => ({
  kind: 'backup',
  host: 'hv01',
  vm: name,
  repository: 'main',
  type: 'full',
  consistency: 'crash',
  excludeDisks: [],
  ...more,
});
const gc = (more: Partial<GcRequest> = {}): GcRequest => ({
  kind: 'gc',
  repository: 'main',
  dryRun: false,
  now: false,
  ...more,
});
const gcOutcome: RunOutcome = {
  kind: 'gc',
  dryRun: false,
  condemnedPacks: 0,
  condemnedBytes: 0,
  deletedPacks: 0,
  deletedBytes: 0,
  repackedBytes: 0,
};

function services(): RunServices {
  const host: RunHost = { name: 'hv01', threads: 1, connect: () => Promise.reject(new Error('no agent')) };
  return {
    owner: ownerId('0'.repeat(32), ''),
    version: 'test',
    hosts: {
      get(name) {
        if (name === 'hv01' || name === 'hv02') return host;
        throw new TidemarkError(errorCodes.hostNotFound, name);
      },
      list: () => [host],
    },
    repositories: { open: () => Promise.reject(new Error('no repository')), names: () => ['main', 'other'] },
    policies: noPolicies,
    verified: { of: () => [], record: () => undefined },
    now: () => Date.now(),
    cleanUp: () => Promise.resolve(),
  };
}

/** Ends each run when the test says so. */
class Stage {
  readonly contexts: RunContext[] = [];
  readonly #ends = new Map<string, { resolve: (outcome: RunOutcome) => void; reject: (error: unknown) => void }>();
  readonly executor = (_request: RunRequest, context: RunContext): Promise<RunOutcome> => {
    this.contexts.push(context);
    const end = Promise.withResolvers<RunOutcome>();
    this.#ends.set(context.id, end);
    return end.promise;
  };
  succeed(id: string): void {
    this.#ends.get(id)?.resolve(gcOutcome);
  }
  fail(id: string, error: unknown): void {
    this.#ends.get(id)?.reject(error);
  }
  context(id: string): RunContext {
    const found = this.contexts.find((context) => context.id === id);
    assert(found, 'the run was started');
    return found;
  }
}

describe('run manager', () => {
  let directory: string;
  let store: Store;
  let stage: Stage;
  let manager: RunManager;
  let ended: RunInfo[];

  const newManager = (): RunManager =>
    new RunManager({
      store,
      log: silentLogger,
      executors: {
        backup: stage.executor,
        'restore-disk': stage.executor,
        'restore-vm': stage.executor,
        verify: stage.executor,
        prune: stage.executor,
        gc: stage.executor,
        policy: stage.executor,
      },
      services: services(),
      identifyVm: (_host, name) => (name === 'sql01' || name === vm ? vm : undefined),
      redact,
      onEnd: (run) => ended.push(run),
    });

  async function endOf(id: string): Promise<RunInfo> {
    const run = manager.list(100).find((one) => one.id === id);
    if (run !== undefined && isFinished(run.state)) return run;
    return new Promise((resolve) => {
      const listening = manager.onChange((now) => {
        if (now.id !== id || !isFinished(now.state)) return;
        listening[Symbol.dispose]();
        resolve(now);
      });
    });
  }

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'tidemark-manager-'));
    store = openSqliteStore(join(directory, 'db'), silentLogger);
    stage = new Stage();
    ended = [];
    manager = newManager();
  });
  afterEach(async () => {
    await manager.stop(0);
    store[Symbol.dispose]();
    rmSync(directory, { recursive: true });
  });

  it('returns the run that was started with the same key, also after its end', async () => {
    const first = manager.start(backup('a'), 'key-1');
    assert.equal(manager.start(backup('b'), 'key-1').id, first.id);
    stage.succeed(first.id);
    await endOf(first.id);
    assert.equal(manager.start(backup('a'), 'key-1').state, 'succeeded');
    assert.equal(stage.contexts.length, 1);
  });

  it('refuses a second backup of a VM, whatever name it is called by', () => {
    manager.start(backup('sql01'), undefined);
    for (const request of [backup('SQL01'), backup(vm), backup('sql01', { repository: 'other' })]) {
      assert.throws(() => manager.start(request, undefined), { code: errorCodes.vmAlreadyRunning });
    }
    manager.start(backup('web', { host: 'hv01' }), undefined);
    manager.start(backup('web', { host: 'hv02' }), undefined);
  });

  it('refuses a second backup of a VM when only the host knows that it is the same', async () => {
    const a = manager.start(backup('a'), undefined);
    const b = manager.start(backup('b'), undefined);
    const entry = { type: 'checkpoint-requested', host: 'hv01', vmId: vm } as const;
    await stage.context(a.id).journal(entry);
    await assert.rejects(stage.context(b.id).journal(entry), { code: errorCodes.vmAlreadyRunning });
    stage.succeed(a.id);
    await endOf(a.id);
    await stage.context(b.id).journal(entry);
  });

  it('lets the next backup of a VM start as soon as the end of the last one is told', async () => {
    const first = manager.start(backup('sql01'), undefined);
    const second = new Promise<RunInfo>((resolve) => {
      manager.onChange((run) => {
        if (run.id === first.id && run.state === 'succeeded') resolve(manager.start(backup('sql01'), undefined));
      });
    });
    stage.succeed(first.id);
    assert.equal((await second).state, 'running');
  });

  it('refuses hosts and repositories that do not exist before anything is stored', () => {
    assert.throws(() => manager.start(backup('a', { host: 'nowhere' }), 'k'), { code: errorCodes.hostNotFound });
    assert.throws(() => manager.start(gc({ repository: 'none' }), 'k'), { code: errorCodes.repositoryUnknown });
    assert.deepEqual(manager.list(10), []);
  });

  it('makes collections of one repository wait for each other, and a collection without grace for everybody', async () => {
    const a = manager.start(gc(), undefined);
    const b = manager.start(gc(), undefined);
    const elsewhere = manager.start(gc({ repository: 'other' }), undefined);
    assert.deepEqual(
      [a, b, elsewhere].map((run) => manager.get(run.id).state),
      ['running', 'queued', 'running'],
    );
    const exclusive = manager.start(gc({ now: true }), undefined);
    const after = manager.start(backup('x'), undefined);
    stage.succeed(a.id);
    await endOf(a.id);
    await sleep(0);
    assert.equal(manager.get(b.id).state, 'running');
    assert.equal(manager.get(exclusive.id).state, 'queued');
    assert.equal(manager.get(after.id).state, 'queued', 'a backup does not overtake the exclusive collection');
    stage.succeed(b.id);
    await endOf(b.id);
    await sleep(0);
    assert.equal(manager.get(exclusive.id).state, 'running');
    stage.succeed(exclusive.id);
    await endOf(exclusive.id);
    await sleep(0);
    assert.equal(manager.get(after.id).state, 'running');
  });

  it('makes two backups on one host at a time and four runs in all, besides runs of policies', async () => {
    const policies = ['p1', 'p2', 'p3', 'p4', 'p5'].map((policy) =>
      manager.start({ kind: 'policy', policy, trigger: 'manual' }, undefined),
    );
    const begun = (): readonly string[] =>
      stage.contexts.map(({ id }) => manager.get(id).title).filter((title) => title.startsWith('hv'));
    assert.equal(stage.contexts.length, policies.length, 'runs of policies take no place');
    const runs = ['a', 'b', 'c'].map((name) => manager.start(backup(name), undefined));
    for (const name of ['d', 'e']) manager.start(backup(name, { host: 'hv02' }), undefined);
    assert.deepEqual(begun(), ['hv01/a → main', 'hv01/b → main', 'hv02/d → main', 'hv02/e → main']);
    manager.start(gc({ repository: 'other' }), undefined);
    const [a] = runs;
    assert(a);
    stage.succeed(a.id);
    await endOf(a.id);
    assert.deepEqual(begun().at(-1), 'hv01/c → main');
    assert.equal(stage.contexts.length, policies.length + 5, 'the collection waits for a place');
  });

  it('verifies twice at a time at most, so that who backs up or restores does not wait for hours', async () => {
    const verify = { kind: 'verify', repository: 'main', readData: true } as const;
    const [first, , third] = [1, 2, 3].map(() => manager.start(verify, undefined));
    assert(first && third);
    assert.equal(third.state, 'queued');
    assert.equal(manager.start(backup('a'), undefined).state, 'running');
    stage.succeed(first.id);
    await endOf(first.id);
    await sleep(0);
    assert.equal(manager.get(third.id).state, 'running');
  });

  it('deletes restore points beside a verification and a collection, and lets restores go before', async () => {
    const prune = { kind: 'prune', repository: 'main', policy: 'nightly', dryRun: false } as const;
    manager.start({ kind: 'verify', repository: 'main', readData: true }, undefined);
    manager.start(gc(), undefined);
    const beside = manager.start(prune, undefined);
    assert.equal(beside.state, 'running');
    stage.succeed(beside.id);
    await endOf(beside.id);
    const long = manager.start(backup('a'), undefined);
    const waiting = manager.start(prune, undefined);
    assert.equal(waiting.state, 'queued', 'it could take the base of the backup');
    const restorePoint = restorePointId('01ARZ3NDEKTSV4RRFFQ69G5FAV', '');
    const restore = manager.start(
      {
        kind: 'restore-disk',
        repository: 'main',
        restorePoint,
        disk: 'os',
        target: '/r',
        format: 'raw',
        overwrite: false,
      },
      undefined,
    );
    assert.equal(restore.state, 'running');
    stage.succeed(long.id);
    await endOf(long.id);
    await sleep(0);
    assert.equal(manager.get(waiting.id).state, 'queued', 'what is restored is not deleted meanwhile');
    stage.succeed(restore.id);
    await endOf(restore.id);
    await sleep(0);
    assert.equal(manager.get(waiting.id).state, 'running');
  });

  it('refuses a second run of a policy while one is active, but for the one with the same key', async () => {
    const request = { kind: 'policy', policy: 'nightly', trigger: 'manual' } as const;
    const first = manager.start(request, 'key-1');
    assert.equal(manager.start(request, 'key-1').id, first.id);
    assert.throws(() => manager.start(request, 'key-2'), { code: errorCodes.policyActive });
    manager.start({ ...request, policy: 'other' }, undefined);
    stage.succeed(first.id);
    await endOf(first.id);
    assert.notEqual(manager.start(request, undefined).id, first.id);
  });

  it('knows of which run another is part, and keeps what a run has to show that failed', async () => {
    const parent = manager.start({ kind: 'policy', policy: 'nightly', trigger: 'schedule' }, undefined);
    assert.equal(parent.title, 'Policy nightly (by schedule)');
    const child = manager.start(backup('a'), undefined, parent.id);
    assert.equal(child.parent, parent.id);
    const outcome: RunOutcome = { kind: 'policy', policy: 'nightly', version: 1, vms: [] };
    const failure = new TidemarkError(errorCodes.policyRunFailed, '1 of 2 VMs failed.');
    stage.fail(parent.id, new FailedWithOutcome(failure, outcome));
    const end = await endOf(parent.id);
    assert.equal(end.state, 'failed');
    assert.equal(end.error?.code, errorCodes.policyRunFailed);
    assert.deepEqual(store.run(parent.id)?.outcome, outcome);
    assert.deepEqual(
      store.childrenOf(parent.id, 10).map(({ id }) => id),
      [child.id],
    );
    stage.succeed(child.id);
    await endOf(child.id);
  });

  it('lets the retention of some VMs go on beside backups of others, and wait for backups of these', async () => {
    const other = 'AAAAAAAA-2222-3333-4444-555555555555';
    const prune = {
      kind: 'prune',
      repository: 'main',
      policy: 'nightly',
      vms: [vmId(other, '')],
      dryRun: false,
    } as const;
    manager.start(backup(vm), undefined);
    const beside = manager.start(prune, undefined);
    assert.equal(beside.state, 'running');
    const blocked = manager.start(backup(other), undefined);
    assert.equal(blocked.state, 'queued', 'its base could be what is deleted');
    stage.succeed(beside.id);
    await endOf(beside.id);
    assert.equal(manager.get(blocked.id).state, 'running');
    const named = manager.start(backup('sql09', { host: 'hv02' }), undefined);
    const again = manager.start(prune, undefined);
    stage.succeed(blocked.id);
    await endOf(blocked.id);
    assert.equal(manager.get(again.id).state, 'queued', 'which VM a name means is not known for sure');
    stage.succeed(named.id);
    await endOf(named.id);
    assert.equal(manager.get(again.id).state, 'running');
  });

  it('takes a thousand runs and no more, and again when some have ended', () => {
    manager.start(gc({ now: true }), undefined);
    const waiting = Array.from({ length: 999 }, () => manager.start(gc(), undefined));
    assert.throws(() => manager.start(gc(), undefined), { code: errorCodes.daemonBusy });
    manager.cancel(waiting[0]?.id ?? assert.fail());
    manager.start(gc(), undefined);
  });

  it('ends a queued run at once when it is cancelled', () => {
    manager.start(gc(), undefined);
    const waiting = manager.start(gc(), undefined);
    manager.cancel(waiting.id);
    assert.equal(manager.get(waiting.id).state, 'cancelled');
    assert.equal(store.run(waiting.id)?.state, 'cancelled');
  });

  it('passes through cancelling to cancelled, and keeps why', async () => {
    const run = manager.start(backup('a'), undefined);
    assert.equal(manager.cancel(run.id).state, 'cancelling');
    const context = stage.context(run.id);
    assert.throws(() => throwIfAborted(context.signal), { code: errorCodes.cancelled });
    stage.fail(run.id, new Error('premature close'));
    const end = await endOf(run.id);
    assert.equal(end.state, 'cancelled');
    assert.equal(end.error?.code, errorCodes.cancelled);
  });

  it('calls a run succeeded that finished although it was cancelled: what exists is not denied', async () => {
    const run = manager.start(backup('a'), undefined);
    manager.cancel(run.id);
    stage.succeed(run.id);
    assert.equal((await endOf(run.id)).state, 'succeeded');
  });

  it('keeps code, sentence and hint of a failure', async () => {
    const run = manager.start(backup('a'), undefined);
    stage.fail(run.id, new TidemarkError(errorCodes.checkpointFailed, 'It failed.', { hint: 'Do this.' }));
    const end = await endOf(run.id);
    assert.equal(end.state, 'failed');
    assert.deepEqual(end.error, { code: errorCodes.checkpointFailed, message: 'It failed.', hint: 'Do this.' });
    assert.deepEqual(store.run(end.id), end, 'what is told is what is stored');
  });

  it('leaves ended runs as they are when they are cancelled', async () => {
    const run = manager.start(backup('a'), undefined);
    stage.succeed(run.id);
    await endOf(run.id);
    assert.equal(manager.cancel(run.id).state, 'succeeded');
  });

  it('removes a partial file that an executor left before it tells the end', async () => {
    const run = manager.start(backup('a'), undefined);
    const path = join(directory, 'left.partial');
    await stage.context(run.id).journal({ type: 'partial-file', path });
    writeFileSync(path, 'half');
    const goneAtTheEnd = new Promise<boolean>((resolve) => {
      manager.onChange((now) => now.state === 'failed' && resolve(!existsSync(path)));
    });
    stage.fail(run.id, new Error('broken'));
    assert.equal(await goneAtTheEnd, true);
    assert.deepEqual(store.journalledRuns(), []);
  });

  it('never removes a file that was journalled as complete', async () => {
    const run = manager.start(backup('a'), undefined);
    const path = join(directory, 'done.vhdx');
    await stage.context(run.id).journal({ type: 'partial-file', path });
    writeFileSync(path, 'all');
    await stage.context(run.id).journal({ type: 'file-complete', path });
    stage.fail(run.id, new Error('later'));
    await endOf(run.id);
    assert.equal(existsSync(path), true);
  });

  it('gives a path to the run that writes it now: an older journal does not delete it', async () => {
    const path = join(directory, 'target');
    const old = manager.start(backup('a'), undefined);
    await stage.context(old.id).journal({ type: 'partial-file', path });
    const now = manager.start(backup('b'), undefined);
    await stage.context(now.id).journal({ type: 'partial-file', path });
    writeFileSync(path, 'new');
    await stage.context(now.id).journal({ type: 'file-complete', path });
    stage.fail(old.id, new Error('late'));
    await endOf(old.id);
    assert.equal(existsSync(path), true);
  });

  it('tells at most ten updates a second however many are reported, and the last figures always', async () => {
    const updates: RunInfo[] = [];
    manager.onChange((run) => updates.push(run));
    const run = manager.start(backup('a'), undefined);
    const context = stage.context(run.id);
    context.setDisks([{ name: 'os', totalBytes: 10_000 }]);
    const begin = performance.now();
    for (let count = 0; count < 10_000; count++) {
      context.advance('os', 1);
      if (count % 500 === 0) await sleep(10);
    }
    const elapsed = performance.now() - begin;
    stage.succeed(run.id);
    const end = await endOf(run.id);
    assert.equal(end.progress.doneBytes, 10_000);
    assert(updates.length >= 2 && updates.length <= elapsed / 100 + 3, `${updates.length} updates in ${elapsed} ms`);
    const sequences = updates.map((update) => update.sequence);
    assert.deepEqual(
      sequences,
      sequences.toSorted((a, b) => a - b),
    );
    assert.equal(new Set(sequences).size, sequences.length);
  });

  it('refuses to stop while runs are active, and then takes new ones again', () => {
    manager.start(backup('a'), undefined);
    assert.throws(() => manager.beginStop(false), { code: errorCodes.daemonBusy });
    manager.start(backup('b'), undefined);
  });

  it('interrupts what does not clean up in time when it stops', async () => {
    const run = manager.start(backup('a'), undefined);
    manager.start(gc(), undefined);
    const queued = manager.start(gc(), undefined);
    manager.beginStop(true);
    assert.throws(() => manager.start(backup('b'), undefined), { code: errorCodes.runInterrupted });
    await manager.stop(20);
    assert.equal(store.run(run.id)?.state, 'interrupted');
    assert.equal(store.run(queued.id)?.state, 'interrupted');
    assert.deepEqual(store.unfinishedRuns(), []);
  });

  it('gives the log in order and in pages, across the end of the run', async () => {
    const run = manager.start(backup('a'), undefined);
    const context = stage.context(run.id);
    for (let line = 0; line < 600; line++) context.log('info', `line ${line}, password=hunter22`);
    const live = manager.logLines(run.id, 0, 10_000);
    stage.succeed(run.id);
    await endOf(run.id);
    const stored = manager.logLines(run.id, 0, 10_000);
    assert.deepEqual(stored.slice(0, live.length), live);
    const texts = stored.map((line) => line.text).filter((text) => text.startsWith('line'));
    assert.equal(texts.length, 600);
    assert.equal(texts[599], 'line 599, password=<redacted>');
    assert.deepEqual(manager.logLines(run.id, 5, 2), stored.slice(5, 7));
  });

  it('stops a run also when the history cannot be written', async () => {
    const run = manager.start(backup('a'), undefined);
    store[Symbol.dispose]();
    manager.cancel(run.id);
    assert.equal(stage.context(run.id).signal.aborted, true);
    stage.fail(run.id, stage.context(run.id).signal.reason);
    await sleep(20);
    assert.equal(manager.get(run.id).state, 'cancelled');
    assert.match(manager.get(run.id).warnings.join(), /history could not record/);
    store = openSqliteStore(join(directory, 'db'), silentLogger);
  });

  it('ends a run also when one who listens fails, as with a disk that is full', async () => {
    using _ = manager.onChange(() => {
      throw new Error('database or disk is full');
    });
    const told: RunInfo[] = [];
    manager.onChange((run) => told.push(run));
    const run = manager.start(gc(), undefined);
    const next = manager.start(gc(), undefined);
    stage.succeed(run.id);
    await sleep(20);
    assert.equal(manager.get(run.id).state, 'succeeded');
    assert.deepEqual(
      ended.map(({ id }) => id),
      [run.id],
    );
    assert.equal(manager.get(next.id).state, 'running');
    assert.equal(told.findLast(({ id }) => id === run.id)?.state, 'succeeded');
  });

  it('marks what a killed daemon left active as interrupted, and says when the restore point was complete', async () => {
    const run = manager.start(backup('a'), undefined);
    const path = join(directory, 'crash.partial');
    writeFileSync(path, 'half');
    await stage.context(run.id).journal({ type: 'partial-file', path });
    await stage.context(run.id).journal({ type: 'restore-point-written', restorePoint: '01ARZ3NDEKTSV4RRFFQ69G5FAV' });
    const again = openSqliteStore(join(directory, 'db'), silentLogger);
    await recoverRuns(again, silentLogger);
    const found = again.run(run.id);
    assert.equal(found?.state, 'interrupted');
    assert.equal(found.error?.code, errorCodes.runInterrupted);
    assert.match(found.error.message, /01ARZ3NDEKTSV4RRFFQ69G5FAV was complete/);
    assert.equal(existsSync(path), false);
    assert.deepEqual(again.journalledRuns(), []);
    again[Symbol.dispose]();
  });
});
