import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { describe, it } from 'node:test';

import { errorCodes } from '../../../server/protocol/errors.ts';
import { openLocalBackend, openRepository } from '../../../server/repository/index.ts';
import { LeaseKeeper } from '../../../server/repository/lease-keeper.ts';
import { assertDisk, backUp, emptyRepository, newPoint, signal, temporaryFolder } from './support.ts';
import { TestStorage } from './test-storage.ts';

const locked = { code: errorCodes.repositoryLocked };
const lost = { code: errorCodes.leaseLost };

function leaseFiles(location: string): string[] {
  return readdirSync(join(location, 'leases')).map((name) => join(location, 'leases', name));
}

function editLease(file: string, fields: Readonly<Record<string, unknown>>): void {
  const value: unknown = JSON.parse(readFileSync(file, 'utf8'));
  writeFileSync(file, JSON.stringify({ ...Object(value), ...fields }));
}

describe('leases', () => {
  it('are shared by writers, and an exclusive one is alone', async () => {
    using folder = temporaryFolder();
    const keeper = new LeaseKeeper(openLocalBackend(folder.path));
    const one = await keeper.acquire('writer', 'backup 1', signal);
    const two = await keeper.acquire('writer', 'backup 2', signal);
    await assert.rejects(keeper.acquire('exclusive', 'gc', signal), { ...locked, message: /backup [12]/ });
    assert.equal((await keeper.live(signal)).length, 2, 'the refused one left nothing');
    await one.release();
    await two.release();
    await two.release();
    {
      await using exclusive = await keeper.acquire('exclusive', 'gc', signal);
      assert.equal(exclusive.kind, 'exclusive');
      await assert.rejects(keeper.acquire('writer', 'backup', signal), { ...locked, message: /gc/ });
      await assert.rejects(keeper.acquire('exclusive', 'gc', signal), locked);
    }
    assert.deepEqual(leaseFiles(folder.path), []);
  });

  it('of a process that was killed on this machine are nobody’s at once', async () => {
    using folder = temporaryFolder();
    const modules = ['local-backend', 'lease-keeper'].map(
      (name) => new URL(`../../../server/repository/${name}.ts`, import.meta.url).href,
    );
    const script = `
      const { openLocalBackend } = await import('${modules[0]}');
      const { LeaseKeeper } = await import('${modules[1]}');
      const keeper = new LeaseKeeper(openLocalBackend(process.argv[1]));
      await keeper.acquire('exclusive', 'child', new AbortController().signal);
      console.log('held');
      setInterval(() => undefined, 1000);`;
    const child = spawn(execPath, ['--input-type=module', '-e', script, folder.path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    await once(child.stdout, 'data');
    const keeper = new LeaseKeeper(openLocalBackend(folder.path));
    await assert.rejects(keeper.acquire('writer', 'backup', signal), { ...locked, message: /child/ });
    child.kill('SIGKILL');
    await exited;
    const lease = await keeper.acquire('writer', 'backup', signal);
    assert.equal(leaseFiles(folder.path).length, 1);
    await lease.release();
  });

  it('of other machines count until they were not refreshed for half an hour by the storage’s clock', async () => {
    using folder = temporaryFolder();
    const keeper = new LeaseKeeper(openLocalBackend(folder.path));
    const lease = await keeper.acquire('writer', 'far away', signal);
    const [file] = leaseFiles(folder.path);
    if (file === undefined) assert.fail('no lease');
    // A process id that is free here says nothing about another machine.
    editLease(file, { machine: 'another', processId: 2 ** 30 });
    await assert.rejects(keeper.acquire('exclusive', 'gc', signal), { ...locked, message: /far away/ });
    const past = (minutes: number): void => {
      const time = new Date(Date.now() - minutes * 60_000);
      utimesSync(file, time, time);
    };
    past(29);
    assert.equal((await keeper.live(signal)).length, 1);
    past(31);
    assert.deepEqual(await keeper.live(signal), []);
    await assert.rejects(lease.confirm(signal), lost);
    assert.equal(lease.lost.aborted, true);
    await lease.release();
  });

  it('of an earlier process that had the same process id are nobody’s', async () => {
    using folder = temporaryFolder();
    const keeper = new LeaseKeeper(openLocalBackend(folder.path));
    const lease = await keeper.acquire('writer', 'before', signal);
    const [file] = leaseFiles(folder.path);
    editLease(file ?? '', { token: 'of an earlier process' });
    await (await keeper.acquire('exclusive', 'gc', signal)).release();
    await lease.release();
  });

  it('that cannot be read count as exclusive until they are old', async () => {
    using folder = temporaryFolder();
    const keeper = new LeaseKeeper(openLocalBackend(folder.path));
    await (await keeper.acquire('writer', 'makes the folder', signal)).release();
    const file = join(folder.path, 'leases', '01ARZ3NDEKTSV4RRFFQ69G5FAV.json');
    writeFileSync(file, '{');
    await assert.rejects(keeper.acquire('writer', 'backup', signal), locked);
    const time = new Date(Date.now() - 31 * 60_000);
    utimesSync(file, time, time);
    await (await keeper.acquire('writer', 'backup', signal)).release();
  });

  it('are refreshed every few minutes, and given up when they are gone or the machine slept', async (context) => {
    using folder = temporaryFolder();
    context.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.now() });
    const keeper = new LeaseKeeper(openLocalBackend(folder.path));
    const kept = await keeper.acquire('writer', 'kept', signal);
    const old = new Date(0);
    utimesSync(leaseFiles(folder.path)[0] ?? '', old, old);
    context.mock.timers.tick(5 * 60_000);
    const refreshed = (): boolean => leaseFiles(folder.path).some((file) => statSync(file).mtimeMs > 0);
    for (let turn = 0; turn < 20_000 && !refreshed(); turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(refreshed());
    await kept.confirm(signal);
    rmSync(leaseFiles(folder.path)[0] ?? '');
    await assert.rejects(kept.confirm(signal), lost);

    const slept = await keeper.acquire('writer', 'slept', signal);
    context.mock.timers.setTime(Date.now() + 25 * 60_000);
    await assert.rejects(slept.confirm(signal), lost);
    await slept.release();
  });

  it('are lost when the storage hangs while they are refreshed, although the file comes back', async (context) => {
    context.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.now() });
    const storage = new TestStorage();
    const lease = await new LeaseKeeper(storage).acquire('writer', 'hangs', signal);
    const hanging = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    storage.onChange = async () => {
      hanging.resolve();
      await goOn.promise;
    };
    context.mock.timers.tick(5 * 60_000);
    await hanging.promise;
    assert.equal(lease.lost.aborted, false);
    context.mock.timers.tick(26 * 60_000);
    assert.equal(lease.lost.aborted, true, 'others take it for stale now');
    storage.set(lease.file, undefined);
    goOn.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    assert.notEqual(await storage.stat(lease.file), undefined);
    await assert.rejects(lease.confirm(signal), lost);
    await lease.release();
    assert.equal(await storage.stat(lease.file), undefined);
  });
});

describe('a session whose lease was taken away', () => {
  it('commits nothing and says TM4015', async () => {
    using folder = temporaryFolder();
    const location = join(folder.path, 'r');
    const { recoveryKey } = await emptyRepository(location);
    const repository = await openRepository(location, { password: recoveryKey, signal });
    const disk = [1, 2];
    const point = await backUp(repository, disk);
    await using session = await repository.beginWrite({ signal, note: 'test' });
    rmSync(leaseFiles(location)[0] ?? '');
    await assert.rejects(session.commit(newPoint(point.disks, point.configuration), signal), lost);
    assert.equal(session.signal.aborted, true);
    assert.throws(() => session.signal.throwIfAborted(), lost);
    assert.equal((await repository.listRestorePoints(signal)).points.length, 1);
    await assertDisk(repository, point, disk);
  });
});
