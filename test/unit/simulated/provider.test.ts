import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import {
  createSimulatedProvider,
  createVm,
  guestWrite,
  initHost,
  migrate,
  power,
  setVssBehaviour,
} from '../../../server/agent/simulated/index.ts';
import { vmState } from '../../../server/agent/simulated/state.ts';
import { checkpointId, diskId, trackingId, vmId } from '../../../server/protocol/ids.ts';
import { json } from '../../../server/protocol/parse.ts';
import { providerCases } from '../../support/provider-cases.ts';
import { allExtents, checkpointOf, code, exportOf, guestImage, hostWithVm, MiB, never, quiet } from './support.ts';

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

test('a reference point goes only when it carries a mark, or for who knows its tracking ids', async (t) => {
  const { root, vm, provider } = await hostWithVm(t);
  const point = await provider.convertCheckpoint((await checkpointOf(provider, vm)).id, quiet);
  const known = point.disks.map((disk) => disk.trackingId);
  const file = join(root, 'vms', 'web', 'vm.json');
  const { referencePoints, ...document } = json(await readFile(file, 'utf8'), vmState, file);
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
  const { vmId: id } = await provider.commitRestore(session, quiet);
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

providerCases(async (t, { configVersion, jobMs } = {}) =>
  hostWithVm(t, {
    ...(configVersion !== undefined && { configVersion }),
    ...(jobMs !== undefined && { provider: { jobMs } }),
  }),
);
