import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, rename, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

import { Exports } from '../../../server/agent/hyperv/exports/exports.ts';
import type { ExportsOptions } from '../../../server/agent/hyperv/exports/exports.ts';
import type { CheckpointDisk } from '../../../server/agent/hyperv/exports/frozen-disks.ts';
import type { JobContext } from '../../../server/agent/provider.ts';
import { silentLogger } from '../../../server/base/log.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { checkpointId, trackingId, vmId } from '../../../server/protocol/ids.ts';
import { code, KiB, MiB, scratch } from '../vhdx/support.ts';
import { checkpointDisk, contentAt, makeChild, makeDisk, piece, someDiskId, writeTo } from './support/disks.ts';
import { refusal, ScriptedCalls } from './support/scripted-calls.ts';

const checkpoint = checkpointId('Microsoft:22222222-0000-0000-0000-000000000000', 'checkpointId');
const since = trackingId('rctX:1', 'trackingId');

interface Host {
  readonly folder: string;
  readonly state: string;
  readonly calls: ScriptedCalls;
  readonly os: string;
  readonly data: string;
  readonly disks: readonly CheckpointDisk[];
  readonly exports: (options?: Partial<ExportsOptions>) => Exports;
}

/** A host with a checkpoint of a VM with two disks, the second one with a chain. */
async function hostWithCheckpoint(t: TestContext): Promise<Host> {
  const folder = await scratch(t);
  const state = join(folder, 'state');
  const os = await makeDisk(folder, 'os', [piece(0, MiB, 1), piece(6 * MiB, 32 * KiB, 2)]);
  const base = await makeDisk(folder, 'data', [piece(2 * MiB, MiB, 3)]);
  const data = await makeChild(base, [piece(3 * MiB, 64 * KiB, 4)]);
  const disks = [await checkpointDisk(os, 'os', 0), await checkpointDisk(data, 'data', 1)];
  await mkdir(join(folder, 'Snapshots'));
  await writeFile(join(folder, 'Snapshots', 'ABC.vmcx'), 'the definition');
  await writeFile(join(folder, 'Snapshots', 'ABC.VMRS'), 'the state');
  await writeFile(join(folder, 'Snapshots', 'other.vmcx'), 'of somebody else');
  const calls = new ScriptedCalls()
    .on('Get-TidemarkConfiguration', () => ({
      name: 'sql01',
      subType: 'Microsoft:Hyper-V:SubType:2',
      version: '9.0',
      processorCount: 2,
      memoryBytes: 1024 * MiB,
      adapters: [{ name: 'LAN', switchName: 'Outer' }],
      configurationRoot: folder,
      configurationFile: join('Snapshots', 'ABC.vmcx'),
      guestStateRoot: '',
      guestStateFile: '',
    }))
    .on('Get-TidemarkVirtualDisk', () => ({ disks: [] }));
  const exports = (options: Partial<ExportsOptions> = {}): Exports =>
    new Exports({
      calls,
      log: silentLogger,
      stateDirectory: state,
      step: () => undefined,
      canExclude: async () => true,
      filesSince: async () => [],
      checkpointDisks: async () => ({
        vmId: vmId('11111111-0000-0000-0000-000000000000', 'vmId'),
        vmName: 'sql01',
        disks,
        warnings: [],
      }),
      ...options,
    });
  return { folder, state, calls, os, data, disks, exports };
}

function job(signal = new AbortController().signal): JobContext & { readonly percents: number[] } {
  const percents: number[] = [];
  return { signal, percents, progress: (_, percent) => percents.push(percent) };
}

async function readAll(
  exports: Exports,
  id: Parameters<Exports['openDisk']>[0],
  disk: CheckpointDisk,
): Promise<Buffer> {
  const reader = exports.openDisk(id, disk.frozen.id);
  const bytes = Buffer.alloc(reader.sizeBytes);
  // In parts, as several connections do at once.
  const part = bytes.length / 4;
  await Promise.all([0, 1, 2, 3].map((at) => reader.read(bytes.subarray(at * part, (at + 1) * part), at * part)));
  await reader.close();
  return bytes;
}

test('the disks of a checkpoint are read from their frozen files, with the configuration beside them', async (t) => {
  const { exports: make, disks, os, data } = await hostWithCheckpoint(t);
  await using exports = disposable(make());
  const context = job();
  const opened = await exports.open(checkpoint, [], context);
  assert.deepEqual(opened.warnings, []);
  assert.deepEqual(
    opened.disks.map(({ name }) => name),
    ['os', 'data'],
  );
  for (const [at, path] of [os, data].entries()) {
    const disk = disks[at];
    assert.ok(disk !== undefined);
    assert.ok((await readAll(exports, opened.id, disk)).equals(await contentAt(path)));
  }
  const { configuration } = opened;
  assert.deepEqual(
    configuration.files.map(({ name, base64 }) => [name, Buffer.from(base64, 'base64').toString()]),
    [
      ['ABC.VMRS', 'the state'],
      ['ABC.vmcx', 'the definition'],
    ],
  );
  assert.deepEqual(configuration.networkAdapters, [{ name: 'LAN', switchName: 'Outer' }]);
  assert.deepEqual(
    configuration.disks.map(({ controller }) => controller),
    ['SCSI 0:0', 'SCSI 0:1'],
  );
  assert.deepEqual(
    context.percents,
    context.percents.toSorted((a, b) => a - b),
  );
  assert.equal(context.percents.at(-1), 100);
});

test('an excluded disk is not opened, costs nothing and needs no warning, on Server 2016 too', async (t) => {
  const { exports: make, disks, calls } = await hostWithCheckpoint(t);
  await using exports = disposable(make({ canExclude: async () => false }));
  const [os, data] = disks;
  assert.ok(os !== undefined && data !== undefined);
  const opened = await exports.open(checkpoint, [data.frozen.id], job());
  assert.deepEqual(opened.warnings, []);
  assert.deepEqual(
    opened.disks.map(({ id }) => id),
    [os.frozen.id],
  );
  assert.ok(!calls.names.includes('Start-TidemarkExport'));
  assert.throws(() => exports.openDisk(opened.id, data.frozen.id), lacks('diskNotFound'));
  assert.equal(opened.configuration.disks.length, 2);
  await assert.rejects(exports.open(checkpoint, [someDiskId], job()), lacks('diskNotFound'));
});

test('a full reads what the files hold, an incremental what Hyper-V says since a tracking id', async (t) => {
  const { exports: make, disks, calls, data } = await hostWithCheckpoint(t);
  await using exports = disposable(make());
  const [, disk] = disks;
  assert.ok(disk !== undefined);
  const { id } = await exports.open(checkpoint, [], job());
  const ask = { exportId: id, diskId: disk.frozen.id, offset: 0, maxExtents: 10 };
  const { signal } = new AbortController();
  const full = await exports.listExtents({ ...ask, since: undefined }, signal);
  const content = await contentAt(data);
  const covered = Buffer.alloc(content.length);
  for (const { offset, length } of full.extents) content.copy(covered, offset, offset, offset + length);
  assert.ok(covered.equals(content), 'everything outside the extents is zeros');
  assert.ok(full.extents.reduce((sum, { length }) => sum + length, 0) < content.length);

  calls.on('Get-TidemarkChangedExtent', () => ({ extents: [3 * MiB, 64 * KiB], processedBytes: 8 * MiB }));
  const changed = await exports.listExtents({ ...ask, since }, signal);
  assert.deepEqual(changed, { extents: [{ offset: 3 * MiB, length: 64 * KiB }] });
  assert.deepEqual(calls.argumentsOf('Get-TidemarkChangedExtent'), {
    Path: disk.attached.path,
    Since: 'rctX:1',
    Offset: 0,
    Length: 8 * MiB,
    MaxExtents: 10,
  });
  assert.deepEqual(await exports.listExtents({ ...ask, since, offset: 8 * MiB }, signal), { extents: [] });
});

test('a failed question about changes is never "nothing changed"', async (t) => {
  const { exports: make, disks, calls } = await hostWithCheckpoint(t);
  const [disk] = disks;
  assert.ok(disk !== undefined);
  await using exports = disposable(make());
  const { id } = await exports.open(checkpoint, [], job());
  const ask = { exportId: id, diskId: disk.frozen.id, offset: 0, maxExtents: 10, since };
  const { signal } = new AbortController();
  calls.on('Get-TidemarkChangedExtent', () => {
    throw refusal();
  });
  await assert.rejects(exports.listExtents(ask, signal), code('hypervOperationFailed'));
  calls.on('Get-TidemarkChangedExtent', () => ({ extents: [0, 4096, 0, 4096], processedBytes: 8 * MiB }));
  await assert.rejects(exports.listExtents(ask, signal), code('trackingUnknown'));
  calls.on('Get-TidemarkChangedExtent', () => ({ extents: [], processedBytes: 0 }));
  await assert.rejects(exports.listExtents(ask, signal));
});

test('of a disk that is not tracked no changes are asked for', async (t) => {
  const { exports: make, disks, calls } = await hostWithCheckpoint(t);
  const untracked = disks.map(({ attached, frozen }) => ({ attached, frozen: { ...frozen, trackable: false } }));
  const checkpointDisks = async () => ({
    vmId: vmId('11111111-0000-0000-0000-000000000000', 'vmId'),
    vmName: 'sql01',
    disks: untracked,
    warnings: ['one disk is invisible'],
  });
  await using exports = disposable(make({ checkpointDisks }));
  const opened = await exports.open(checkpoint, [], job());
  assert.deepEqual(opened.warnings, ['one disk is invisible']);
  const [disk] = untracked;
  assert.ok(disk !== undefined);
  const ask = { exportId: opened.id, diskId: disk.frozen.id, offset: 0, maxExtents: 10, since };
  await assert.rejects(exports.listExtents(ask, new AbortController().signal), code('trackingUnknown'));
  assert.ok(!calls.names.includes('Get-TidemarkChangedExtent'));
});

test('a disk that went back to a checkpoint of a user since the last backup is read in full, directly and by copies', async (t) => {
  const host = await hostWithCheckpoint(t);
  const { calls, data, folder } = host;
  const [, disk] = host.disks;
  assert.ok(disk !== undefined);
  exportsTo(host);
  calls
    .on('Get-TidemarkChangedExtent', () => ({ extents: [], processedBytes: disk.frozen.sizeBytes }))
    .on('Get-TidemarkVirtualDisk', ({ Path }) => {
      const [path] = Array.isArray(Path) ? Path.map(String) : [];
      const parentPath = path === data ? join(folder, 'data.vhdx') : '';
      return { disks: [{ path, error: '', disk: { ...described, path, parentPath } }] };
    });
  for (const alwaysCopy of [false, true]) {
    for (const [frozenThen, went] of [
      [basename(data), false],
      ['DATA.vhdx', false],
      ['data_5D1B7E43-0000-0000-0000-000000000000.avhdx', true],
    ] as const) {
      await using exports = disposable(host.exports({ alwaysCopy, filesSince: async () => [frozenThen] }));
      const { id: exportId } = await exports.open(checkpoint, [], job());
      const request = { exportId, diskId: disk.frozen.id, since, offset: 0, maxExtents: 10 };
      const listed = exports.listExtents(request, new AbortController().signal);
      if (went) await assert.rejects(listed, code('trackingUnknown'), frozenThen);
      else assert.deepEqual(await listed, { extents: [] });
    }
  }
});

test('two disks with one id are refused, for one of them would not be read', async (t) => {
  const { exports: make, disks } = await hostWithCheckpoint(t);
  const [os, data] = disks;
  assert.ok(os !== undefined && data !== undefined);
  const twins = [os, { ...data, frozen: { ...data.frozen, id: os.frozen.id } }];
  const exports = make({
    checkpointDisks: async () => ({
      vmId: vmId('11111111-0000-0000-0000-000000000000', 'vmId'),
      vmName: 'sql01',
      disks: twins,
      warnings: [],
    }),
  });
  await assert.rejects(exports.open(checkpoint, [], job()), code('vmNotEligible'));
});

test('when the checkpoint is merged nobody reads its files any more', async (t) => {
  const { exports: make, disks } = await hostWithCheckpoint(t);
  const exports = make();
  const [disk] = disks;
  assert.ok(disk !== undefined);
  const { id } = await exports.open(checkpoint, [], job());
  const reader = exports.openDisk(id, disk.frozen.id);
  const reading = Promise.allSettled(
    Array.from({ length: 50 }, (_, at) => reader.read(Buffer.alloc(64 * KiB), at * 64 * KiB)),
  );
  await exports.closeOfCheckpoint(checkpoint);
  for (const outcome of await reading) {
    if (outcome.status === 'rejected') assert.ok(TidemarkError.is(outcome.reason, errorCodes.exportNotFound));
  }
  await assert.rejects(reader.read(Buffer.alloc(512), 0), code('exportNotFound'));
  assert.throws(() => exports.openDisk(id, disk.frozen.id), lacks('exportNotFound'));
  // Who opened it may still close it, once.
  await exports.close(id);
  await assert.rejects(exports.close(id), code('exportNotFound'));
});

test('who reads an export that had to be closed is told why', async (t) => {
  const { exports: make, disks } = await hostWithCheckpoint(t);
  const [os] = disks;
  assert.ok(os !== undefined);
  await using exports = disposable(make());
  const { id } = await exports.open(checkpoint, [], job());
  const reader = exports.openDisk(id, os.frozen.id);
  await exports.closeOfCheckpoint(
    checkpoint,
    new TidemarkError(errorCodes.hostDiskFull, 'Nearly full.', { hint: 'Free some.' }),
  );
  await assert.rejects(reader.read(Buffer.alloc(512), 0), code('hostDiskFull'));
  assert.throws(() => exports.openDisk(id, os.frozen.id), code('hostDiskFull'));
  await exports.close(id);
  assert.throws(() => exports.openDisk(id, os.frozen.id), code('exportNotFound'));
});

test('a read that was on its way when the merge began gives no bytes', async (t) => {
  const { exports: make, disks } = await hostWithCheckpoint(t);
  const [disk] = disks;
  assert.ok(disk !== undefined);
  let merging = false;
  let closing: Promise<void> | undefined;
  const exports: Exports = make({
    step: (step) => {
      if (step === 'export:read' && merging) closing ??= exports.closeOfCheckpoint(checkpoint);
    },
  });
  const { id } = await exports.open(checkpoint, [], job());
  const reader = exports.openDisk(id, disk.frozen.id);
  await reader.read(Buffer.alloc(512), 0);
  merging = true;
  await assert.rejects(reader.read(Buffer.alloc(MiB), 0), code('exportNotFound'));
  await closing;
});

/** What Hyper-V says of a disk file. */
const described = {
  format: 3,
  type: 3,
  sizeBytes: 8 * MiB,
  logicalSectorBytes: 512,
  physicalSectorBytes: 4096,
  virtualDiskId: someDiskId,
};

/** Has the script export what the checkpoint holds, as Hyper-V lays it out, and more. */
function exportsTo(host: Host, more: (folder: string) => Promise<void> = async () => undefined): void {
  host.calls.on('Start-TidemarkExport', (args) => {
    const folder = join(String(args['Directory']), 'Virtual Hard Disks');
    const excluded = args['ExcludedDisk'];
    return host.calls.job('export', async (_, progress) => {
      await mkdir(folder);
      progress(50);
      for (const { attached } of host.disks) {
        if (Array.isArray(excluded) && excluded.includes(attached.instanceId)) continue;
        await copyFile(attached.path, join(folder, attached.path.replace(/^.*\//, '')));
      }
      await copyFile(join(host.folder, 'data.vhdx'), join(folder, 'data.vhdx'));
      await more(folder);
    });
  });
}

test('where files cannot be opened Hyper-V copies them, and the copies are read and removed', async (t) => {
  const host = await hostWithCheckpoint(t);
  const { state, calls, disks, os, data } = host;
  exportsTo(host);
  const exports = host.exports({ alwaysCopy: true });
  const context = job();
  const opened = await exports.open(checkpoint, [], context);
  assert.equal(opened.warnings.length, 1);
  assert.match(opened.warnings[0] ?? '', /copied on the host/);
  const { Directory, CopyStorage, ExcludedDisk } = calls.argumentsOf('Start-TidemarkExport');
  assert.ok(String(Directory).startsWith(join(state, 'exports')));
  assert.equal(CopyStorage, true);
  assert.equal(ExcludedDisk, undefined);
  // The originals may go on changing now.
  const [osContent, dataContent] = [await contentAt(os), await contentAt(data)];
  await writeTo(os, [piece(0, MiB, 9)]);
  for (const [at, content] of [osContent, dataContent].entries()) {
    const disk = disks[at];
    assert.ok(disk !== undefined);
    assert.ok((await readAll(exports, opened.id, disk)).equals(content));
  }
  assert.ok(context.percents.includes(45));
  await exports.close(opened.id);
  assert.deepEqual(await readdir(join(state, 'exports')), []);
});

/** A file that nobody may open for reading, not even root. */
const unreadable = '/proc/sys/vm/drop_caches';

test(
  'one disk that Windows does not let the agent open is reason enough for copies, and the warning says which',
  { skip: !existsSync(unreadable) && 'no file here that cannot be opened' },
  async (t) => {
    const host = await hostWithCheckpoint(t);
    const held = join(host.folder, 'held.vhdx');
    await rename(host.os, join(host.folder, 'copy.vhdx'));
    await symlink(unreadable, held);
    const disks = host.disks.map(({ attached, frozen }, at) => ({
      attached: at === 0 ? { ...attached, path: held } : attached,
      frozen,
    }));
    host.calls.on('Start-TidemarkExport', (args) =>
      host.calls.job('export', async () => {
        const folder = String(args['Directory']);
        await copyFile(join(host.folder, 'copy.vhdx'), join(folder, 'held.vhdx'));
        for (const path of [host.data, join(host.folder, 'data.vhdx')]) {
          await copyFile(path, join(folder, path.replace(/^.*\//, '')));
        }
      }),
    );
    const exports = host.exports({
      checkpointDisks: async () => ({
        vmId: vmId('11111111-0000-0000-0000-000000000000', 'vmId'),
        vmName: 'sql01',
        disks,
        warnings: [],
      }),
    });
    const opened = await exports.open(checkpoint, [], job());
    assert.match(opened.warnings[0] ?? '', /copied on the host .*held\.vhdx cannot be read/);
    const [os] = disks;
    assert.ok(os !== undefined);
    assert.ok((await readAll(exports, opened.id, os)).equals(await contentAt(join(host.folder, 'copy.vhdx'))));
    await exports.closeAll();
    assert.deepEqual(await readdir(join(host.state, 'exports')), []);
  },
);

test('on Server 2016 an excluded disk is copied too, deleted at once, and a warning says so', async (t) => {
  const host = await hostWithCheckpoint(t);
  const { state, calls, disks } = host;
  exportsTo(host);
  const [os, data] = disks;
  assert.ok(os !== undefined && data !== undefined);
  const exports = host.exports({ alwaysCopy: true, canExclude: async () => false });
  const opened = await exports.open(checkpoint, [data.frozen.id], job());
  assert.equal(calls.argumentsOf('Start-TidemarkExport')['ExcludedDisk'], undefined);
  assert.match(opened.warnings[1] ?? '', /data .* was copied on the host and then deleted/);
  const [folder = ''] = await readdir(join(state, 'exports'));
  assert.deepEqual(await readdir(join(state, 'exports', folder, 'files', 'Virtual Hard Disks')), ['os.vhdx']);
  await exports.closeAll();
});

test('a build that can leave disks out of an export is told which', async (t) => {
  const host = await hostWithCheckpoint(t);
  exportsTo(host);
  const [os] = host.disks;
  assert.ok(os !== undefined);
  const exports = host.exports({ alwaysCopy: true });
  const opened = await exports.open(checkpoint, [os.frozen.id], job());
  assert.deepEqual(host.calls.argumentsOf('Start-TidemarkExport')['ExcludedDisk'], [os.attached.instanceId]);
  assert.equal(opened.warnings.length, 1);
  await exports.closeAll();
});

test('an export that lacks a disk, or has it twice, is none, and nothing of it stays', async (t) => {
  for (const [what, more] of [
    ['twice', async (folder: string) => copyFile(join(folder, 'os.vhdx'), join(folder, 'os (2).vhdx'))],
    ['broken', async (folder: string) => writeFile(join(folder, 'os.vhdx'), Buffer.alloc(4 * MiB))],
  ] as const) {
    const host = await hostWithCheckpoint(t);
    exportsTo(host, async (folder) => more(folder));
    const exports = host.exports({ alwaysCopy: true });
    await assert.rejects(exports.open(checkpoint, [], job()), (error) => TidemarkError.is(error), what);
    assert.deepEqual(await readdir(join(host.state, 'exports')), [], what);
  }
});

test('an export that fails or is cancelled leaves nothing, and is removed only when its job has ended', async (t) => {
  const host = await hostWithCheckpoint(t);
  const { calls, state } = host;
  const exports = host.exports({ alwaysCopy: true });
  calls.on('Start-TidemarkExport', () =>
    calls.job('export', async () => {
      throw refusal();
    }),
  );
  await assert.rejects(exports.open(checkpoint, [], job()), code('hypervOperationFailed'));
  assert.deepEqual(await readdir(join(state, 'exports')), []);

  const cancel = new AbortController();
  let ended = false;
  calls.on('Start-TidemarkExport', (args) =>
    calls.job('export', async (signal) => {
      cancel.abort();
      if (signal.aborted) throw refusal();
      await writeFile(join(String(args['Directory']), 'late.vhdx'), 'x');
      ended = true;
    }),
  );
  await assert.rejects(exports.open(checkpoint, [], job(cancel.signal)), (error) => TidemarkError.is(error));
  assert.ok(ended, 'the job was waited for');
  assert.deepEqual(await readdir(join(state, 'exports')), []);
});

test('an agent that died in the middle of an export leaves a folder that the next one removes', async (t) => {
  const host = await hostWithCheckpoint(t);
  const { calls, state } = host;
  exportsTo(host);
  const dying = host.exports({
    alwaysCopy: true,
    step: (step) => {
      if (step === 'export:job') throw new Error('died');
    },
  });
  // A process that dies runs no clean-up: its folder is put back.
  const folder = join(state, 'exports', '0a1b2c3d-0000-4111-8222-333344445555');
  await assert.rejects(dying.open(checkpoint, [], job()));
  await mkdir(join(folder, 'files'), { recursive: true });
  await writeFile(join(folder, 'job.json'), JSON.stringify({ jobId: 'export' }));
  await mkdir(join(state, 'exports', 'of somebody else'));
  calls.on('Stop-TidemarkJob', () => ({ returnValue: null }));
  const lines = await host.exports().recover(new AbortController().signal);
  assert.equal(lines.length, 1);
  assert.deepEqual(await readdir(join(state, 'exports')), ['of somebody else']);
  assert.deepEqual(calls.argumentsOf('Stop-TidemarkJob'), { JobId: 'export' });
});

test('an export that has no room is not begun', async (t) => {
  const host = await hostWithCheckpoint(t);
  const huge = host.disks.map(({ attached, frozen }) => ({
    attached,
    frozen: { ...frozen, sizeBytes: 64 * 1024 ** 4 },
  }));
  const exports = host.exports({
    alwaysCopy: true,
    checkpointDisks: async () => ({
      vmId: vmId('11111111-0000-0000-0000-000000000000', 'vmId'),
      vmName: 'sql01',
      disks: huge,
      warnings: [],
    }),
  });
  await assert.rejects(exports.open(checkpoint, [], job()), code('hostDiskFull'));
  assert.ok(!host.calls.names.includes('Start-TidemarkExport'));
});

test('a cancelled export opens nothing', async (t) => {
  const { exports: make, calls } = await hostWithCheckpoint(t);
  const exports = make();
  await assert.rejects(exports.open(checkpoint, [], job(AbortSignal.abort())), lacks('cancelled'));
  assert.deepEqual(calls.asked, []);
  const cancel = new AbortController();
  const late = make({ step: (step) => (step === 'export:found' ? cancel.abort() : undefined) });
  await assert.rejects(late.open(checkpoint, [], job(cancel.signal)), lacks('cancelled'));
});

/** For errors whose hint is somebody else's. */
const lacks =
  (name: keyof typeof errorCodes) =>
  (error: unknown): boolean =>
    TidemarkError.is(error, errorCodes[name]);

/** Closes what a test leaves open. */
function disposable(exports: Exports): Exports & AsyncDisposable {
  return Object.assign(exports, { [Symbol.asyncDispose]: async () => exports.closeAll() });
}
