/**
 * What a backup product does with a host, in small parts. Each passes with the module and the provider as they are; a mistake in either must make
 * one of them fail, otherwise the fake host, or the scenario, is not strict enough.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import {
  findPlannedVm,
  getCheckpoint,
  getConfiguration,
  getJob,
  getMerge,
  getVm,
  startCheckpointRemoval,
  startConversion,
  startExport,
  startPlannedRemoval,
  startReferencePointRemoval,
} from '../../../../server/agent/hyperv/commands/index.ts';
import type { Started } from '../../../../server/agent/hyperv/commands/index.ts';
import type { HostExport, RestoreDefinition } from '../../../../server/agent/provider.ts';
import { guestWrite } from '../../../../server/agent/simulated/index.ts';
import { TidemarkError } from '../../../../server/protocol/errors.ts';
import { checkpointId, referencePointId, trackingId } from '../../../../server/protocol/ids.ts';
import type { DiskId, TrackingId, VmId } from '../../../../server/protocol/ids.ts';
import type { Checkpoint, ReferencePoint } from '../../../../server/protocol/model.ts';
import { VmmsClient } from '../../../support/hyperv/vmms/client.ts';
import {
  allExtents,
  checkpointOf,
  code,
  exportOf,
  frozenImage,
  guestImage,
  MiB,
  never,
  quiet,
} from '../../../unit/simulated/support.ts';
import { noise } from '../../../unit/vhdx/support.ts';
import type { Bench, BenchOptions } from './bench.ts';

const KiB = 1024;
const diskNames = ['os', 'data'] as const;

/** A part of the scenario, and the host it wants. */
export interface Part {
  readonly host: BenchOptions;
  run(bench: Bench): Promise<void>;
}

interface Base {
  readonly image: Buffer;
  readonly since: TrackingId;
}

type Bases = ReadonlyMap<DiskId, Base>;

/** Ranges that lie apart, on both disks. */
async function guestWrites({ root }: Bench, round: number): Promise<void> {
  for (const [at, disk] of diskNames.entries()) {
    for (const place of [0, 2, 3, 5, 7]) {
      const offset = place * MiB + round * 128 * KiB;
      await guestWrite(root, 'web', disk, { offset, from: noise(70_000, round * 100 + place * 10 + at) });
    }
  }
}

async function guestImages({ root, directory }: Bench, vm = 'web'): Promise<readonly Buffer[]> {
  const images: Buffer[] = [];
  for (const disk of diskNames) images.push(await guestImage(root, vm, disk, directory));
  return images;
}

/** Each disk of an export, made of its base and what changed since, or of all that is allocated. */
async function readDisks({ provider }: Bench, opened: HostExport, bases: Bases): Promise<ReadonlyMap<DiskId, Buffer>> {
  const images = new Map<DiskId, Buffer>();
  for (const { id } of opened.disks) {
    const base = bases.get(id);
    const extents = await allExtents(provider, opened, id, base?.since, 100);
    const reader = await provider.openDisk(opened.id, id);
    const image = base === undefined ? Buffer.alloc(reader.sizeBytes) : Buffer.from(base.image);
    for (const { offset, length } of extents) {
      assert.ok(offset + length <= reader.sizeBytes, 'an extent ends on the disk');
      await reader.read(image.subarray(offset, offset + length), offset);
    }
    await reader.close();
    images.set(id, image);
  }
  return images;
}

/** The images of a checkpoint; they must be the disks as they were just before it, whatever the guest writes meanwhile. */
async function backedUp(
  bench: Bench,
  round: number,
  bases: Bases,
): Promise<{ readonly checkpoint: Checkpoint; readonly images: ReadonlyMap<DiskId, Buffer> }> {
  const expected = await guestImages(bench);
  const checkpoint = await checkpointOf(bench.provider, bench.vm);
  const opened = await exportOf(bench.provider, checkpoint.id);
  await guestWrites(bench, round);
  const images = await readDisks(bench, opened, bases);
  assert.equal(images.size, 2);
  for (const [at, image] of [...images.values()].entries()) {
    assert.ok(expected[at]?.equals(image), `${diskNames[at] ?? ''} in round ${round}`);
  }
  return { checkpoint, images };
}

function basesOf(point: ReferencePoint, images: ReadonlyMap<DiskId, Buffer>): Bases {
  const bases = new Map<DiskId, Base>();
  for (const { diskId, trackingId: since } of point.disks) {
    const image = images.get(diskId);
    if (image !== undefined) bases.set(diskId, { image, since });
  }
  assert.equal(bases.size, 2, 'every disk can be counted from');
  return bases;
}

/** Nothing of ours is there but these reference points, nothing of others is gone, and no disk is left unmerged. */
async function checkLedger(
  { vmms, call, vm }: Bench,
  ours: readonly string[],
  theirs: readonly string[],
): Promise<void> {
  assert.deepEqual(
    vmms.leftovers().map(({ id }) => id),
    ours,
  );
  assert.deepEqual(
    vmms
      .foreign()
      .map(({ id }) => id)
      .toSorted(),
    theirs.toSorted(),
  );
  const { activePaths, disabled } = await call(getMerge, { VmId: vm.id });
  assert.ok(
    activePaths.every((path) => path.endsWith('.vhdx')),
    activePaths.join(', '),
  );
  assert.equal(disabled, false);
}

/** Waits until a job that was started beside the provider is over. */
async function finished({ call }: Bench, outcome: Started): Promise<void> {
  assert.ok(outcome.state === 'started');
  for (;;) {
    const { job } = await call(getJob, { JobId: outcome.jobId });
    assert.ok(job !== null);
    if (job.jobState === 7) return;
    assert.ok(job.jobState < 7, job.errorDescription);
    await sleep(5);
  }
}

/** Milliseconds that something may take on a busy machine. */
const untilMs = 10_000;

async function until(what: string, look: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + untilMs;
  while (!(await look())) {
    assert.ok(performance.now() < deadline, what);
    await sleep(10);
  }
}

/** A full and two incrementals, with a slow host that tells changes in small pieces, and other products on the VM. */
async function backups(bench: Bench): Promise<void> {
  const { vmms, vm, provider } = bench;
  await guestWrites(bench, 0);
  const theirs = [
    await vmms.foreignReferencePoint(vm.id),
    await vmms.paperSnapshot(vm.id, 'Microsoft:Hyper-V:Snapshot:Realized', 'before the update'),
  ];
  const slow = ['CreateSnapshot', 'ConvertToReferencePoint', 'DestroySnapshot', 'DestroyReferencePoint'];
  vmms.faults.set({ changedRanges: 2, mergeMs: 30, jobMs: Object.fromEntries(slow.map((method) => [method, 60])) });
  let bases: Bases = new Map();
  let point: ReferencePoint | undefined;
  for (let round = 1; round <= 3; round++) {
    const { checkpoint, images } = await backedUp(bench, round, bases);
    const next = await provider.convertCheckpoint(checkpoint.id, quiet);
    await checkLedger(bench, [...(point === undefined ? [] : [point.id]), next.id], theirs);
    if (point !== undefined) await provider.removeReferencePoint(point.id, undefined, quiet);
    await checkLedger(bench, [next.id], theirs);
    bases = basesOf(next, images);
    point = next;
  }
  assert.ok(point !== undefined);
  // A run that fails takes its checkpoint back; the base is as before.
  await provider.removeCheckpoint((await checkpointOf(provider, vm)).id, quiet);
  await checkLedger(bench, [point.id], theirs);
  const listed = await provider.listReferencePoints(vm.id, never);
  assert.equal(listed.find(({ id }) => id === point?.id)?.owner, point.owner);
  assert.equal(listed.length, 2);
}

/** A merge that takes its time: much longer than who does not wait for it needs to come back, also on a busy machine. */
async function slowMerges(bench: Bench): Promise<void> {
  const { provider, vm, vmms } = bench;
  vmms.faults.set({ mergeMs: 1_500 });
  await provider.removeCheckpoint((await checkpointOf(provider, vm)).id, quiet);
  await checkLedger(bench, [], []);
}

/** Copies that Hyper-V makes, of a checkpoint: for disks that cannot be opened. */
async function copies(bench: Bench): Promise<void> {
  const { provider, stateFolder } = bench;
  await guestWrites(bench, 0);
  const { checkpoint } = await backedUp(bench, 1, new Map());
  await provider.removeCheckpoint(checkpoint.id, quiet);
  assert.deepEqual(await readdir(join(stateFolder, 'exports')), []);
  await checkLedger(bench, [], []);
}

/** What is not ours stays, however it is asked for. */
async function foreigners(bench: Bench): Promise<void> {
  const { vmms, vm, provider, call } = bench;
  const point = referencePointId(await vmms.foreignReferencePoint(vm.id), 'id');
  const snapshot = checkpointId(await vmms.foreignSnapshot(vm.id), 'id');
  const wrong = [trackingId('rctX:99999999:0000:0000:0000:000000000000:00000001', 'id')];
  const notOurs = code('notOwnObject');
  await assert.rejects(provider.removeCheckpoint(snapshot, quiet), notOurs);
  await assert.rejects(provider.convertCheckpoint(snapshot, quiet), notOurs);
  await assert.rejects(provider.removeReferencePoint(point, undefined, quiet), code('referencePointNotFound'));
  await assert.rejects(provider.removeReferencePoint(point, wrong, quiet), code('referencePointNotFound'));
  // The module stands for itself, should the agent ever be wrong.
  await assert.rejects(call(startCheckpointRemoval, { CheckpointId: snapshot, Unmarked: false }), notOurs);
  await assert.rejects(call(startConversion, { CheckpointId: snapshot, Consistency: 'crash' }), notOurs);
  const removal = { ReferencePointId: point, VmId: vm.id, TrackingId: wrong };
  await assert.rejects(call(startReferencePointRemoval, removal), notOurs);
  await assert.rejects(call(startPlannedRemoval, { VmId: vm.id }), notOurs);
  for (const id of ['Microsoft:A\\B', 'Microsoft:A\\\\B\\']) {
    assert.deepEqual((await call(getCheckpoint, { CheckpointId: checkpointId(id, 'id') })).checkpoints, []);
  }
  assert.deepEqual(vmms.history().destroyed, []);
  assert.equal(vmms.foreign().length, 2);
  assert.equal((await provider.listVms(never)).length, 1);
}

const failed = { errorCode: 32_768, worked: false };

/** Jobs and methods that fail, each in its own way. */
async function failures(bench: Bench): Promise<void> {
  const { vmms, vm, provider } = bench;
  for (const state of [7, 8, 10]) {
    vmms.faults.set({ jobMs: { CreateSnapshot: 30 }, jobEnds: { CreateSnapshot: { state, ...failed } } });
    await assert.rejects(checkpointOf(provider, vm), code('checkpointFailed'), `state ${state}`);
  }
  vmms.faults.reset();
  vmms.faults.set({ returnCodes: { CreateSnapshot: 32_769 } });
  await assert.rejects(checkpointOf(provider, vm), code('hypervAccessDenied'));
  vmms.faults.reset();
  vmms.faults.set({ jobEnds: { CreateSnapshot: { state: 32_768, errorCode: 0, worked: true } } });
  const checkpoint = await checkpointOf(provider, vm);
  vmms.faults.set({ jobEnds: { ConvertToReferencePoint: { state: 7, ...failed } } });
  await assert.rejects(provider.convertCheckpoint(checkpoint.id, quiet), code('hypervOperationFailed'));
  vmms.faults.set({ jobEnds: { ConvertToReferencePoint: { state: 32_768, errorCode: 0, worked: true } } });
  const point = await provider.convertCheckpoint(checkpoint.id, quiet);
  vmms.faults.set({ jobEnds: { DestroyReferencePoint: { state: 7, ...failed } } });
  await assert.rejects(provider.removeReferencePoint(point.id, undefined, quiet), (error) => TidemarkError.is(error));
  vmms.faults.reset();
  await checkLedger(bench, [point.id], []);
}

/** A job of which nobody knows what became is not done. */
async function vanished(bench: Bench): Promise<void> {
  const { vmms, vm, provider } = bench;
  const point = await provider.convertCheckpoint((await checkpointOf(provider, vm)).id, quiet);
  vmms.faults.set({ stuckJobs: ['DestroyReferencePoint'] });
  const asked = vmms.counts.get('enumerate Msvm_ConcreteJob') ?? 0;
  const removal = provider.removeReferencePoint(point.id, undefined, quiet);
  const rejected = assert.rejects(removal, code('outcomeUnknown'));
  // Looked at below; until then it may fail unseen.
  rejected.catch(() => undefined);
  await until('the job is looked at', () => (vmms.counts.get('enumerate Msvm_ConcreteJob') ?? 0) > asked);
  await vmms.restart();
  await rejected;
  vmms.faults.reset();
  await checkLedger(bench, [point.id], []);
}

type Work = (signal: AbortSignal) => Promise<unknown>;

/** Cancels `work` as soon as it has called the method. */
async function cancelled({ vmms }: Bench, method: string, work: Work): Promise<void> {
  const controller = new AbortController();
  const asked = vmms.counts.get(`invoke ${method}`) ?? 0;
  const rejected = assert.rejects(work(controller.signal), code('cancelled'));
  // Looked at below; until then it may fail unseen.
  rejected.catch(() => undefined);
  await until(`${method} is called`, () => (vmms.counts.get(`invoke ${method}`) ?? 0) > asked);
  controller.abort();
  await rejected;
}

/** Who is cancelled leaves nothing behind: neither a job, nor a checkpoint, nor a reference point. */
async function cancellations(bench: Bench): Promise<void> {
  const { vmms, vm, provider } = bench;
  const job = (signal: AbortSignal) => ({ signal, progress: () => undefined });
  vmms.faults.set({ stuckJobs: ['CreateSnapshot'] });
  await cancelled(bench, 'CreateSnapshot', (signal) => checkpointOf(provider, vm, 'crash', job(signal)));
  await until('the job is asked to end', () => (vmms.counts.get('invoke RequestStateChange') ?? 0) > 0);
  vmms.faults.reset();
  // A job that cannot be ended makes its checkpoint, however late it is asked to end.
  const cancellable = { CreateSnapshot: false };
  vmms.faults.set({ jobMs: { CreateSnapshot: 600, ConvertToReferencePoint: 600 }, cancellable });
  await cancelled(bench, 'CreateSnapshot', (signal) => checkpointOf(provider, vm, 'crash', job(signal)));
  // The next one waits until the one before has cleaned up.
  const checkpoint = await checkpointOf(provider, vm);
  await cancelled(bench, 'ConvertToReferencePoint', (signal) => provider.convertCheckpoint(checkpoint.id, job(signal)));
  const next = await checkpointOf(provider, vm);
  await provider.removeCheckpoint(next.id, quiet);
  await checkLedger(bench, [], []);
}

/** Answers about changes that make no sense are never half believed. */
async function oddChanges(bench: Bench): Promise<void> {
  const { vmms, vm, provider } = bench;
  await guestWrites(bench, 0);
  const first = await backedUp(bench, 1, new Map());
  const point = await provider.convertCheckpoint(first.checkpoint.id, quiet);
  const bases = basesOf(point, first.images);
  const expected = await guestImages(bench);
  const checkpoint = await checkpointOf(provider, vm);
  const opened = await exportOf(provider, checkpoint.id);
  for (const odd of [
    { zeroProgress: true },
    { changeArraysDiffer: true },
    { changesFail: 0xc03a_0029 },
    { returns: { GetVirtualDiskChanges: 'job' } },
  ] as const) {
    vmms.faults.set(odd);
    await assert.rejects(readDisks(bench, opened, bases), code('trackingUnknown'), JSON.stringify(odd));
    vmms.faults.reset();
  }
  vmms.faults.set({ changesPastEnd: true });
  for (const [at, image] of [...(await readDisks(bench, opened, bases)).values()].entries()) {
    assert.ok(expected[at]?.equals(image), `${diskNames[at] ?? ''} with ranges past its end`);
  }
}

/** A reference point whose ids nobody can tell apart is no base, and does not stay. */
async function oddReferencePoint(bench: Bench): Promise<void> {
  const { vmms, vm, provider } = bench;
  const checkpoint = await checkpointOf(provider, vm);
  vmms.faults.set({ referencePointArraysDiffer: true });
  await assert.rejects(provider.convertCheckpoint(checkpoint.id, quiet), code('checkpointFailed'));
  vmms.faults.reset();
  await checkLedger(bench, [], []);
}

/** Somebody exported the configuration alone, which keeps the VM's disks from merging. */
async function mergeLock(bench: Bench): Promise<void> {
  const { vm, provider, call, directory } = bench;
  const checkpoint = await checkpointOf(provider, vm);
  const folder = join(directory, 'configuration');
  await mkdir(folder);
  await finished(
    bench,
    await call(startExport, { CheckpointId: checkpoint.id, Directory: folder, CopyStorage: false }),
  );
  assert.equal((await call(getMerge, { VmId: vm.id })).disabled, true);
  const point = await provider.convertCheckpoint(checkpoint.id, quiet);
  await checkLedger(bench, [point.id], []);
}

/** A VM comes back as a copy, or not at all. */
async function restores(bench: Bench): Promise<void> {
  const { vmms, vm, provider, call, restoreFolder } = bench;
  await vmms.describe(vm.id, { startup: 4, extras: ['fibre-channel'] });
  await guestWrites(bench, 0);
  const checkpoint = await checkpointOf(provider, vm);
  const opened = await exportOf(provider, checkpoint.id);
  assert.ok(opened.configuration.networkAdapters.some(({ switchName }) => switchName !== null));
  const images: Buffer[] = [];
  for (const { id } of opened.disks) images.push(await frozenImage(provider, opened, id));
  await provider.removeCheckpoint(checkpoint.id, quiet);
  const { configuration, disks } = opened;
  const definition: RestoreDefinition = { name: 'again', configuration, connectNetwork: false, disks };

  const jobEnd = { state: 10, hresult: 0x8007_0005, ...failed };
  vmms.faults.set({ jobEnds: { ValidatePlannedSystem: jobEnd } });
  await assert.rejects(restored(bench, definition, images), (error) => TidemarkError.is(error));
  vmms.faults.reset();
  assert.deepEqual((await call(findPlannedVm, {})).vms, []);
  assert.deepEqual(existsSync(restoreFolder) ? await readdir(restoreFolder) : [], []);
  assert.equal((await provider.listVms(never)).length, 1);

  const defined = vmms.counts.get('invoke DefinePlannedSystem');
  const id = await restored(bench, definition, images);
  assert.equal(vmms.counts.get('invoke DefinePlannedSystem'), defined, "it was imported from Hyper-V's own file");
  assert.notEqual(id, vm.id);
  assert.deepEqual((await call(findPlannedVm, {})).vms, []);
  const again = (await provider.listVms(never)).find((found) => found.id === id);
  assert.equal(again?.name, 'again');
  assert.equal(again.state, 'off');
  for (const [at, image] of (await guestImages(bench, 'again')).entries()) {
    assert.ok(images[at]?.equals(image), `${diskNames[at] ?? ''} of the restored VM`);
  }
  assert.deepEqual(await startsOf(vmms.address, id), [2], 'it does not start with the host');
  assert.equal((await call(getVm, { VmId: id })).vms[0]?.fibreChannel, false);
  const look = await checkpointOf(provider, again);
  const { adapters } = await call(getConfiguration, { CheckpointId: look.id });
  assert.ok(adapters.length > 0);
  assert.ok(
    adapters.every(({ switchName }) => switchName === null),
    'no adapter is connected',
  );
  await provider.removeCheckpoint(look.id, quiet);
  await checkLedger(bench, [], []);
}

/** When a VM starts by itself, as Hyper-V has it. */
async function startsOf(address: string, id: VmId): Promise<readonly unknown[]> {
  const client = await VmmsClient.connect(address);
  try {
    const where = [{ property: 'VirtualSystemIdentifier', value: id }];
    const settings = await client.enumerate('Msvm_VirtualSystemSettingData', where);
    return settings.map(({ properties }) => properties['AutomaticStartupAction']);
  } finally {
    client.close();
  }
}

async function restored({ provider }: Bench, definition: RestoreDefinition, images: readonly Buffer[]): Promise<VmId> {
  const session = await provider.beginRestore(definition, never);
  try {
    for (const [at, { id }] of definition.disks.entries()) {
      await using writer = await provider.openRestoreDisk(session, id);
      await writer.write(images[at] ?? Buffer.alloc(0), 0);
      await writer.flush();
    }
    return (await provider.commitRestore(session, quiet)).vmId;
  } catch (error) {
    await provider.abortRestore(session);
    throw error;
  }
}

/** All parts, by name. */
export const parts = {
  backups: { host: {}, run: backups },
  'backups on Server 2016': { host: { build: 14_393 }, run: backups },
  'slow merges': { host: {}, run: slowMerges },
  copies: { host: { alwaysCopy: true }, run: copies },
  foreigners: { host: {}, run: foreigners },
  failures: { host: {}, run: failures },
  'vanished jobs': { host: {}, run: vanished },
  cancellations: { host: {}, run: cancellations },
  'odd changes': { host: {}, run: oddChanges },
  'odd reference points': { host: {}, run: oddReferencePoint },
  'merge lock': { host: {}, run: mergeLock },
  restores: { host: {}, run: restores },
} as const satisfies Readonly<Record<string, Part>>;

export type PartName = keyof typeof parts;
