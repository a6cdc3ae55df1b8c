import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import {
  createSimulatedProvider,
  createVm,
  guestLoad,
  guestWrite,
  initHost,
  migrate,
  power,
  setVssBehaviour,
} from '../../../server/agent/simulated/index.ts';
import { checkpointId, diskId, exportId, trackingId, vmId } from '../../../server/protocol/ids.ts';
import {
  allExtents,
  checkpointOf,
  code,
  exportOf,
  frozenImage,
  guestImage,
  hostWithVm,
  MiB,
  never,
  owner,
  quiet,
  run,
} from './support.ts';

const bytes = (text: string, length: number): Buffer => Buffer.alloc(length, text);

test('a new VM runs, and its disks lie where the contract says', async (t) => {
  const { root, vm, provider } = await hostWithVm(t, { build: 26_100 });
  assert.equal(vm.state, 'running');
  assert.deepEqual(vm.rctBlockers, []);
  assert.deepEqual(await readdir(join(root, 'vms', 'web')), ['os.vhdx', 'vm.json']);
  assert.deepEqual(await provider.listVms(never), [vm]);
  assert.equal((await provider.describe(never)).osName, 'Windows Server 2025');
});

test('a host directory is made only in an empty folder, and nothing else is taken for one', async (t) => {
  const { root, directory } = await hostWithVm(t);
  await assert.rejects(initHost(root), code('hostStateInvalid'));
  const provider = createSimulatedProvider(directory);
  await assert.rejects(provider.listVms(never), code('hostStateInvalid'));
  await assert.rejects(provider.recover(never), code('hostStateInvalid'));
});

test('a VM name is taken once, whatever its case, and disk names once per VM', async (t) => {
  const { root } = await hostWithVm(t);
  const disks = [{ name: 'os', sizeBytes: MiB }];
  await assert.rejects(createVm(root, { name: 'WEB', disks }), code('vmExists'));
  await assert.rejects(
    createVm(root, { name: 'a', disks: [...disks, { name: 'OS', sizeBytes: MiB }] }),
    code('invalidInput'),
  );
  await assert.rejects(createVm(root, { name: '..', disks }), code('invalidInput'));
  await assert.rejects(createVm(root, { name: 'a', disks: [] }), code('invalidInput'));
  await assert.rejects(createVm(root, { name: 'a', disks: [{ name: 'os', sizeBytes: 1000 }] }), code('invalidInput'));
  assert.deepEqual(await readdir(join(root, 'creating')), []);
  assert.deepEqual(await readdir(join(root, 'vms')), ['web']);
});

test('the guest reads what it wrote, also across unaligned places, and cannot write past the end or when off', async (t) => {
  const { root, vm, directory } = await hostWithVm(t);
  await guestWrite(root, 'web', 'os', { offset: 12_345, from: bytes('tide', 200_001) });
  const file = join(directory, 'data');
  await writeFile(file, bytes('mark', 70_000));
  await guestWrite(root, vm.id.toLowerCase(), 'OS', { offset: 5 * MiB - 3, from: file });
  const expected = Buffer.alloc(8 * MiB);
  bytes('tide', 200_001).copy(expected, 12_345);
  bytes('mark', 70_000).copy(expected, 5 * MiB - 3);
  assert.ok((await guestImage(root, 'web', 'os', directory)).equals(expected));
  await assert.rejects(
    guestWrite(root, 'web', 'os', { offset: 8 * MiB - 1, from: bytes('x', 2) }),
    code('diskOutOfRange'),
  );
  await assert.rejects(guestWrite(root, 'web', 'os', { offset: -1, from: bytes('x', 2) }), code('diskOutOfRange'));
  await assert.rejects(guestWrite(root, 'web', 'nope', { offset: 0, from: bytes('x', 2) }), code('diskNotFound'));
  await assert.rejects(guestWrite(root, 'nope', 'os', { offset: 0, from: bytes('x', 2) }), code('vmNotFound'));
  await assert.rejects(guestWrite(root, 'web', 'os', { offset: 0, from: join(directory, 'no') }), code('invalidFile'));
  await power(root, 'web', 'off');
  await assert.rejects(guestWrite(root, 'web', 'os', { offset: 0, from: bytes('x', 2) }), code('vmWrongState'));
  await assert.rejects(power(root, 'web', 'fail'), code('vmWrongState'));
});

test('a checkpoint freezes the disk while the guest goes on writing, and merging leaves what the guest wrote', async (t) => {
  const { root, vm, provider, directory } = await hostWithVm(t);
  await guestWrite(root, 'web', 'os', { offset: MiB, from: bytes('before', MiB) });
  const before = await guestImage(root, 'web', 'os', directory);
  const checkpoint = await checkpointOf(provider, vm, 'application');
  assert.equal(checkpoint.owner, owner);
  assert.equal(checkpoint.runId, run);
  assert.equal(checkpoint.consistency, 'application');
  assert.deepEqual(await provider.listCheckpoints(vm.id, never), [checkpoint]);
  assert.equal((await provider.listVms(never))[0]?.checkpointCount, 1);
  await guestWrite(root, 'web', 'os', { offset: MiB + 77, from: bytes('after', 2 * MiB) });
  const after = await guestImage(root, 'web', 'os', directory);
  const opened = await exportOf(provider, checkpoint.id);
  const [disk] = opened.disks;
  assert.ok(disk);
  assert.ok((await frozenImage(provider, opened, disk.id)).equals(before));
  await provider.closeExport(opened.id);
  await assert.rejects(provider.closeExport(opened.id), code('exportNotFound'));
  await provider.removeCheckpoint(checkpoint.id, quiet);
  assert.ok((await guestImage(root, 'web', 'os', directory)).equals(after));
  assert.deepEqual(await provider.listCheckpoints(undefined, never), []);
  assert.deepEqual((await readdir(join(root, 'vms', 'web'))).sort(), [
    'os.vhdx',
    'os.vhdx.mrt',
    'os.vhdx.rct',
    'vm.json',
  ]);
  await assert.rejects(provider.removeCheckpoint(checkpoint.id, quiet), code('checkpointNotFound'));
  await assert.rejects(provider.convertCheckpoint(checkpoint.id, quiet), code('checkpointNotFound'));
  await assert.rejects(exportOf(provider, checkpoint.id), code('checkpointNotFound'));
});

test('an incremental lists what changed since the reference point, never what came after the checkpoint', async (t) => {
  const { root, vm, provider } = await hostWithVm(t);
  const first = await checkpointOf(provider, vm);
  await guestWrite(root, 'web', 'os', { offset: 3 * MiB, from: bytes('x', 10) });
  const point = await provider.convertCheckpoint(first.id, quiet);
  assert.deepEqual(await provider.listReferencePoints(vm.id, never), [point]);
  const since = point.disks[0]?.trackingId;
  assert.equal(since, first.disks[0]?.trackingId);
  const second = await checkpointOf(provider, vm);
  await guestWrite(root, 'web', 'os', { offset: 6 * MiB, from: bytes('y', 10) });
  const opened = await exportOf(provider, second.id);
  const disk = opened.disks[0]?.id ?? diskId('', '');
  assert.deepEqual(await allExtents(provider, opened, disk, since), [{ offset: 3 * MiB, length: 16_384 }]);
  await provider.convertCheckpoint(second.id, quiet);
  await provider.closeExport(opened.id);
  await provider.removeReferencePoint(point.id, undefined, quiet);
  await assert.rejects(provider.removeReferencePoint(point.id, undefined, quiet), code('referencePointNotFound'));
  const third = await exportOf(provider, (await checkpointOf(provider, vm)).id);
  await assert.rejects(allExtents(provider, third, disk, since), code('trackingUnknown'));
  const newer = (await provider.listReferencePoints(vm.id, never))[0]?.disks[0]?.trackingId;
  assert.deepEqual(await allExtents(provider, third, disk, newer), [{ offset: 6 * MiB, length: 16_384 }]);
});

test('a reference point goes only when it carries a mark, or for who knows its tracking ids', async (t) => {
  const { root, vm, provider } = await hostWithVm(t);
  const point = await provider.convertCheckpoint((await checkpointOf(provider, vm)).id, quiet);
  const known = point.disks.map((disk) => disk.trackingId);
  const file = join(root, 'vms', 'web', 'vm.json');
  const { referencePoints, ...document } = JSON.parse(await readFile(file, 'utf8'));
  await writeFile(
    file,
    JSON.stringify({ ...document, referencePoints: [{ ...referencePoints[0], owner: undefined }] }),
  );
  const other = trackingId('other', 'id');
  for (const proof of [undefined, [], [other], [...known, other]]) {
    await assert.rejects(provider.removeReferencePoint(point.id, proof, quiet), code('referencePointNotFound'));
  }
  await provider.removeReferencePoint(point.id, known, quiet);
  assert.deepEqual(await provider.listReferencePoints(vm.id, never), []);
});

test('without a base the allocated extents cover every byte that is not zero', async (t) => {
  const { root, vm, provider } = await hostWithVm(t);
  for (const offset of [0, 2 * MiB + 5, 7 * MiB])
    await guestWrite(root, 'web', 'os', { offset, from: bytes('z', 300_000) });
  const opened = await exportOf(provider, (await checkpointOf(provider, vm)).id);
  const disk = opened.disks[0]?.id ?? diskId('', '');
  const image = await frozenImage(provider, opened, disk);
  let last = -1;
  for (const extent of await allExtents(provider, opened, disk, undefined, 1)) {
    assert.ok(extent.offset >= last && extent.offset + extent.length <= 8 * MiB);
    last = extent.offset + extent.length;
    image.fill(0, extent.offset, last);
  }
  assert.ok(image.equals(Buffer.alloc(8 * MiB)));
});

test('a query is answered from the coarser bitmaps after a stop and after a power failure, also with a checkpoint open', async (t) => {
  const { root, vm, provider } = await hostWithVm(t);
  const since = (await provider.convertCheckpoint((await checkpointOf(provider, vm)).id, quiet)).disks[0]?.trackingId;
  await guestWrite(root, 'web', 'os', { offset: 3 * MiB + 70_000, from: bytes('x', 10) });
  await power(root, 'web', 'off');
  await power(root, 'web', 'on');
  const ask = async (): Promise<unknown> => {
    const checkpoint = await checkpointOf(provider, vm);
    const opened = await exportOf(provider, checkpoint.id);
    const extents = await allExtents(provider, opened, opened.disks[0]?.id ?? diskId('', ''), since);
    await provider.removeCheckpoint(checkpoint.id, quiet);
    await provider.closeExport(opened.id);
    return extents;
  };
  assert.deepEqual(await ask(), [{ offset: 3 * MiB + 65_536, length: 65_536 }]);
  await power(root, 'web', 'fail');
  assert.deepEqual(await ask(), [{ offset: 3 * MiB, length: MiB }]);
  await power(root, 'web', 'on');
  assert.deepEqual(await ask(), [{ offset: 3 * MiB, length: MiB }]);
  const checkpoint = await checkpointOf(provider, vm);
  await guestWrite(root, 'web', 'os', { offset: 5 * MiB, from: bytes('y', 10) });
  await power(root, 'web', 'fail');
  const opened = await exportOf(provider, checkpoint.id);
  const disk = opened.disks[0]?.id ?? diskId('', '');
  assert.deepEqual(await allExtents(provider, opened, disk, since), [{ offset: 3 * MiB, length: MiB }]);
  await provider.convertCheckpoint(checkpoint.id, quiet);
  await power(root, 'web', 'on');
});

test('deleted or damaged tracking files and a disk changed offline make the id unknown, and the next checkpoint starts anew', async (t) => {
  const { root, vm, provider } = await hostWithVm(t);
  const folder = join(root, 'vms', 'web');
  const flip = async (file: string): Promise<void> => {
    const content = await readFile(file);
    content[20] = (content[20] ?? 0) ^ 0xff;
    await writeFile(file, content);
  };
  const harms: Record<string, () => Promise<void>> = {
    'rct deleted': () => rm(join(folder, 'os.vhdx.rct')),
    'mrt deleted': () => rm(join(folder, 'os.vhdx.mrt')),
    'rct damaged': () => flip(join(folder, 'os.vhdx.rct')),
    'mrt damaged': () => flip(join(folder, 'os.vhdx.mrt')),
  };
  for (const [what, harm] of Object.entries(harms)) {
    const since = (await provider.convertCheckpoint((await checkpointOf(provider, vm)).id, quiet)).disks[0]?.trackingId;
    await harm();
    await guestWrite(root, 'web', 'os', { offset: 0, from: bytes(what, 10) });
    const checkpoint = await checkpointOf(provider, vm);
    const opened = await exportOf(provider, checkpoint.id);
    const disk = opened.disks[0]?.id ?? diskId('', '');
    await assert.rejects(allExtents(provider, opened, disk, since), code('trackingUnknown'), what);
    const point = await provider.convertCheckpoint(checkpoint.id, quiet);
    const next = await checkpointOf(provider, vm);
    const again = await exportOf(provider, next.id);
    assert.deepEqual(await allExtents(provider, again, disk, point.disks[0]?.trackingId), [], what);
    await provider.removeCheckpoint(next.id, quiet);
  }
});

test('a checkpoint is refused where it cannot be taken, with a code that says why', async (t) => {
  const { root, vm, provider } = await hostWithVm(t, { provider: { vssTimeoutMs: 20 } });
  const unknown = vmId('00000000-0000-0000-0000-000000000000', 'vm');
  await assert.rejects(checkpointOf(provider, { ...vm, id: unknown }), code('vmNotFound'));
  await assert.rejects(provider.listCheckpoints(unknown, never), code('vmNotFound'));
  await setVssBehaviour(root, 'web', 'failing');
  await assert.rejects(checkpointOf(provider, vm, 'application'), code('consistencyUnavailable'));
  await setVssBehaviour(root, 'web', 'hanging');
  await assert.rejects(checkpointOf(provider, vm, 'application'), code('consistencyUnavailable'));
  const open = await checkpointOf(provider, vm, 'crash');
  await assert.rejects(checkpointOf(provider, vm, 'crash'), code('vmBusy'));
  await assert.rejects(migrate(root, 'web', root), code('invalidInput'));
  await provider.removeCheckpoint(open.id, quiet);
  await power(root, 'web', 'off');
  await assert.rejects(checkpointOf(provider, vm, 'application'), code('consistencyUnavailable'));
  const off = await checkpointOf(provider, vm, 'crash');
  await provider.convertCheckpoint(off.id, quiet);
  assert.deepEqual(
    (await readdir(join(root, 'vms', 'web'))).filter((name) => name.endsWith('.avhdx')),
    [],
  );
});

test('a VM of a configuration version below 6.2 says why RCT refuses it', async (t) => {
  for (const [configVersion, refused] of [
    ['5.0', true],
    ['6.1', true],
    ['6.2', false],
    ['10.0', false],
  ] as const) {
    const { vm, provider } = await hostWithVm(t, { configVersion });
    assert.equal(vm.rctBlockers.length > 0, refused, configVersion);
    if (refused) await assert.rejects(checkpointOf(provider, vm), code('vmNotEligible'));
    else await checkpointOf(provider, vm);
  }
});

test('a cancelled job ends at once and leaves no checkpoint', async (t) => {
  const { root, vm, provider } = await hostWithVm(t, { provider: { jobMs: 60_000 } });
  await setVssBehaviour(root, 'web', 'hanging');
  for (const consistency of ['crash', 'application'] as const) {
    const abort = new AbortController();
    const job = { signal: abort.signal, progress: () => undefined };
    const pending = checkpointOf(provider, vm, consistency, job);
    setTimeout(() => abort.abort(), 20);
    await assert.rejects(pending, code('cancelled'));
  }
  assert.deepEqual(await provider.listCheckpoints(undefined, never), []);
});

test('every job reports percents that rise to 100', async (t) => {
  const { vm, provider } = await hostWithVm(t, { provider: { jobMs: 8 } });
  const seen = new Map<string, number[]>();
  const job = {
    signal: never,
    progress: (kind: string, percent: number) => void seen.set(kind, [...(seen.get(kind) ?? []), percent]),
  };
  const first = await checkpointOf(provider, vm, 'crash', job);
  const opened = await provider.openExport({ checkpointId: first.id, excludeDisks: [] }, job);
  await provider.closeExport(opened.id);
  await provider.convertCheckpoint(first.id, job);
  await provider.removeCheckpoint((await checkpointOf(provider, vm)).id, { ...job });
  assert.deepEqual([...seen.keys()].sort(), ['checkpoint', 'convert', 'export', 'merge', 'remove-checkpoint']);
  for (const [kind, percents] of seen) {
    assert.equal(Math.max(...percents), 100, kind);
    assert.ok(percents.length > 2, `${kind}: ${percents.join(' ')}`);
  }
  const rising = seen.get('convert') ?? [];
  assert.deepEqual(
    rising,
    rising.toSorted((a, b) => a - b),
  );
});

test('Server 2019 leaves an excluded disk out; Server 2016 copies it, says so, and deletes it when the export closes', async (t) => {
  const disks = [
    { name: 'os', sizeBytes: 4 * MiB },
    { name: 'scratch', sizeBytes: 4 * MiB },
  ];
  for (const build of [14_393, 17_763] as const) {
    const { root, vm, provider } = await hostWithVm(t, { build, disks });
    const scratchId = vm.disks[1]?.id ?? diskId('', '');
    const checkpoint = await checkpointOf(provider, vm);
    const opened = await provider.openExport({ checkpointId: checkpoint.id, excludeDisks: [scratchId] }, quiet);
    assert.deepEqual(
      opened.disks.map((disk) => disk.name),
      ['os'],
    );
    await assert.rejects(provider.openDisk(opened.id, scratchId), code('diskNotFound'));
    const files = await readdir(join(root, 'export', opened.id));
    assert.equal(files.includes('scratch.vhdx'), build === 14_393);
    assert.equal(opened.warnings.length, build === 14_393 ? 1 : 0);
    await provider.closeExport(opened.id);
    assert.deepEqual(await readdir(join(root, 'export')), []);
    const unknown = diskId('00000000-0000-0000-0000-000000000000', 'disk');
    await assert.rejects(
      provider.openExport({ checkpointId: checkpoint.id, excludeDisks: [unknown] }, quiet),
      code('diskNotFound'),
    );
    assert.deepEqual(await readdir(join(root, 'export')), []);
  }
});

test('ending a checkpoint ends its exports: readers fail instead of reading what the merge writes', async (t) => {
  const { vm, provider } = await hostWithVm(t);
  const checkpoint = await checkpointOf(provider, vm);
  const opened = await exportOf(provider, checkpoint.id);
  const reader = await provider.openDisk(opened.id, opened.disks[0]?.id ?? diskId('', ''));
  await provider.removeCheckpoint(checkpoint.id, quiet);
  await assert.rejects(reader.read(new Uint8Array(10), 0), code('exportNotFound'));
  await provider.closeExport(opened.id);
  await assert.rejects(provider.closeExport(exportId('nope', 'id')), code('exportNotFound'));
});

test('what another agent of the same host reads is not merged under it', async (t) => {
  const { root, vm, provider } = await hostWithVm(t);
  const other = createSimulatedProvider(root, { jobMs: 0 });
  const checkpoint = await checkpointOf(provider, vm);
  const opened = await exportOf(other, checkpoint.id);
  await assert.rejects(provider.removeCheckpoint(checkpoint.id, quiet), code('vmBusy'));
  assert.deepEqual(await provider.recover(never), []);
  await other.closeExport(opened.id);
  await provider.removeCheckpoint(checkpoint.id, quiet);
});

test('a VM moves with its disks, tracking, memory and reference points, and the old host has nothing of it', async (t) => {
  const { root, vm, provider, directory } = await hostWithVm(t);
  const otherRoot = join(directory, 'hv02');
  await initHost(otherRoot, { name: 'hv02' });
  const other = createSimulatedProvider(otherRoot, { jobMs: 0 });
  const point = await provider.convertCheckpoint((await checkpointOf(provider, vm)).id, quiet);
  await guestWrite(root, 'web', 'os', { offset: 2 * MiB, from: bytes('moved', 100) });
  const image = await guestImage(root, 'web', 'os', directory);
  const open = await checkpointOf(provider, vm);
  await assert.rejects(migrate(root, 'web', otherRoot), code('vmWrongState'));
  await provider.removeCheckpoint(open.id, quiet);
  await migrate(root, 'web', otherRoot);
  assert.deepEqual(await provider.listVms(never), []);
  assert.deepEqual(await readdir(join(root, 'memory')), []);
  await assert.rejects(checkpointOf(provider, vm), code('vmNotFound'));
  assert.ok((await guestImage(otherRoot, 'web', 'os', directory)).equals(image));
  assert.deepEqual(await other.listReferencePoints(vm.id, never), [point]);
  const opened = await exportOf(other, (await checkpointOf(other, vm)).id);
  assert.deepEqual(await allExtents(other, opened, opened.disks[0]?.id ?? diskId('', ''), point.disks[0]?.trackingId), [
    { offset: 2 * MiB, length: 16_384 },
  ]);
  await other[Symbol.asyncDispose]();
  await createVm(root, { name: 'WEB', disks: [{ name: 'os', sizeBytes: MiB }] });
  await assert.rejects(migrate(root, 'web', otherRoot), code('vmExists'));
});

test('a load changes the share it was asked for, and the same seed makes the same disk', async (t) => {
  const { root, vm, provider, directory } = await hostWithVm(t);
  const point = await provider.convertCheckpoint((await checkpointOf(provider, vm)).id, quiet);
  const result = await guestLoad(root, 'web', 'os', { percent: 25, seed: 5 });
  assert.deepEqual(result, { writtenBytes: 2 * MiB, changedBytes: 2 * MiB });
  const image = await guestImage(root, 'web', 'os', directory);
  const opened = await exportOf(provider, (await checkpointOf(provider, vm)).id);
  const extents = await allExtents(provider, opened, opened.disks[0]?.id ?? diskId('', ''), point.disks[0]?.trackingId);
  const total = extents.reduce((sum, extent) => sum + extent.length, 0);
  assert.ok(total >= 2 * MiB && total < 3 * MiB, `${total}`);
  const twin = await hostWithVm(t);
  await guestLoad(twin.root, 'web', 'os', { percent: 25, seed: 5 });
  assert.ok((await guestImage(twin.root, 'web', 'os', directory)).equals(image));
  await guestLoad(twin.root, 'web', 'os', { percent: 100, seed: 6 });
  for (const percent of [0, -1, 101, Number.NaN]) {
    await assert.rejects(guestLoad(root, 'web', 'os', { percent }), code('invalidInput'));
  }
});

test('a restored VM appears at once and only when it is complete: off, new ids, network disconnected', async (t) => {
  const { root, vm, provider, directory } = await hostWithVm(t);
  const opened = await exportOf(provider, (await checkpointOf(provider, vm)).id);
  const [disk] = opened.disks;
  assert.ok(disk);
  const { configuration } = opened;
  const definition = { name: 'web-copy', configuration, connectNetwork: false, disks: [disk] };
  await assert.rejects(provider.beginRestore({ ...definition, name: 'web' }, never), code('vmExists'));
  await assert.rejects(provider.beginRestore({ ...definition, name: '../web' }, never), code('invalidInput'));
  const aborted = await provider.beginRestore(definition, never);
  await provider.abortRestore(aborted);
  await assert.rejects(provider.abortRestore(aborted), code('restoreSessionNotFound'));
  const session = await provider.beginRestore(definition, never);
  const writers = [await provider.openRestoreDisk(session, disk.id), await provider.openRestoreDisk(session, disk.id)];
  await Promise.all(writers.map((writer, at) => writer.write(bytes(`part${at}`, MiB + 1), at * 4 * MiB + 1)));
  await writers[0]?.flush();
  for (const writer of writers) await writer.close();
  assert.equal((await provider.listVms(never)).length, 1);
  const id = await provider.commitRestore(session, quiet);
  const restored = (await provider.listVms(never)).find((entry) => entry.id === id);
  assert.equal(restored?.state, 'off');
  assert.notEqual(restored?.disks[0]?.id, disk.id);
  assert.notEqual(id, vm.id);
  const expected = Buffer.alloc(8 * MiB);
  for (const at of [0, 1]) bytes(`part${at}`, MiB + 1).copy(expected, at * 4 * MiB + 1);
  assert.ok((await guestImage(root, 'web-copy', 'os', directory)).equals(expected));
  assert.match(await readFile(join(root, 'vms', 'web-copy', 'vm.json'), 'utf8'), /"switchName": null/);
  assert.deepEqual(await readdir(join(root, 'restoring')), []);
  await power(root, 'web-copy', 'on');
});

test('recovery removes what a dead agent left and leaves alone what a living one uses', async (t) => {
  const { root, vm, provider } = await hostWithVm(t);
  const opened = await exportOf(provider, (await checkpointOf(provider, vm)).id);
  const { configuration, disks } = opened;
  await provider.beginRestore({ name: 'copy', configuration, connectNetwork: false, disks }, never);
  const next = createSimulatedProvider(root, { jobMs: 0 });
  assert.deepEqual(await next.recover(never), []);
  await writeFile(join(root, 'vms', 'web', 'os_X.avhdx'), 'half');
  await writeFile(join(root, 'vms', 'web', 'vm.json.0.tmp'), 'half');
  assert.deepEqual(await next.recover(never), ['Removed 2 unfinished files of the VM web.']);
  assert.equal((await readdir(join(root, 'restoring'))).length, 1);
  await assert.rejects(next.removeCheckpoint(checkpointId('nope', 'id'), quiet), code('checkpointNotFound'));
});

test('a damaged vm.json is named in the error and does not hide other VMs', async (t) => {
  const { root, provider, vm } = await hostWithVm(t);
  await createVm(root, { name: 'sql', disks: [{ name: 'os', sizeBytes: MiB }] });
  await writeFile(join(root, 'vms', 'sql', 'vm.json'), '{"format":1,');
  assert.deepEqual(
    (await provider.listVms(never)).map(({ name, state }) => `${name} ${state}`),
    ['sql other', 'web running'],
  );
  await assert.rejects(power(root, 'sql', 'off'), code('hostStateInvalid'));
  await guestWrite(root, 'web', 'os', { offset: 0, from: bytes('x', 10) });
  await power(root, vm.id, 'off');
});
