import assert from 'node:assert/strict';
import { extname, join } from 'node:path';
import { test } from 'node:test';

import {
  getDiagnostic,
  getHost,
  getJob,
  getVirtualDisk,
  getVm,
  getVss,
  stopJob,
  startCheckpoint,
  writeEvent,
} from '../../../server/agent/hyperv/commands/index.ts';
import { createVm } from '../../../server/agent/simulated/index.ts';
import { errorCodes } from '../../../server/protocol/errors.ts';
import { vmId } from '../../../server/protocol/ids.ts';
import { skipWithoutDotnet } from '../../support/hyperv/pwsh.ts';
import { MiB } from '../../unit/simulated/support.ts';
import { moduleLab, errorIdOf } from './module-lab.ts';

test('the host says what it is, and what its build knows', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const { call } = await moduleLab(t);
  const host = await call(getHost, {});
  assert.equal(host.name.toLowerCase(), 'hv01');
  assert.equal(host.build, 20_348);
  assert.match(host.osName, /Windows Server 2022/);
  assert.match(host.powershellVersion, /^\d+\.\d+/);
  assert.equal(host.hypervAvailable, true);
  assert.ok(host.defaultVmFolder !== null && host.defaultDiskFolder !== null);
  assert.deepEqual([host.hasGuestBackupType, host.hasExcludedVirtualHardDisks], [true, true]);
});

test('Server 2016 knows neither the kind of guest backup nor disks that are left out of an export', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const { call } = await moduleLab(t, { build: 14_393 });
  const host = await call(getHost, {});
  assert.equal(host.build, 14_393);
  assert.deepEqual([host.hasGuestBackupType, host.hasExcludedVirtualHardDisks], [false, false]);
});

test('an account that may not see Hyper-V is told as such, and not as a host without VMs', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const { call, vmms } = await moduleLab(t);
  vmms.faults.set({ notElevated: true });
  const host = await call(getHost, {});
  assert.equal(host.hypervAvailable, false);
  assert.deepEqual([host.defaultVmFolder, host.defaultDiskFolder], [null, null]);
});

test('all VMs, or one; the host itself is none, planned ones are none, an unknown id gives an empty list', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const { call, root, vm } = await moduleLab(t, { disks: ['os', 'data'] });
  const other = await createVm(root, { name: 'files', disks: [{ name: 'one', sizeBytes: 8 * MiB }], generation: 1 });
  const { vms } = await call(getVm, {});
  assert.deepEqual(vms.map(({ id }) => id).toSorted(), [vm.id, other.id].toSorted());
  const [web] = (await call(getVm, { VmId: vm.id })).vms;
  assert.ok(web !== undefined);
  assert.deepEqual(
    web,
    vms.find(({ id }) => id === vm.id),
  );
  assert.deepEqual(
    web.disks.map(({ kind, controller, controllerNumber, location, shared }) => [
      kind,
      controller,
      controllerNumber,
      location,
      shared,
    ]),
    [
      ['virtual', 'SCSI', 0, 0, false],
      ['virtual', 'SCSI', 0, 1, false],
    ],
  );
  assert.deepEqual(
    web.disks.map(({ path }) => path),
    ['os', 'data'].map((name) => join(root, 'vms', 'web', `${name}.vhdx`)),
  );
  const files = vms.find(({ id }) => id === other.id);
  assert.deepEqual(
    [files?.subType, files?.disks[0]?.controller, files?.disks[0]?.location],
    ['Microsoft:Hyper-V:SubType:1', 'IDE', 0],
  );
  const unknown = vmId('00000000-0000-4000-8000-000000000001', 'id');
  assert.deepEqual((await call(getVm, { VmId: unknown })).vms, []);
});

test('names are any text, and two VMs may have the same one', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const { call, root, vm, vmms } = await moduleLab(t);
  const other = await createVm(root, { name: 'two', disks: [{ name: 'os', sizeBytes: 8 * MiB }] });
  const name = `'; Remove-Item C:\\ -Recurse # \u2018\u2019\u201B "$(1)" \`n\r\n\t🌊 ${'備'.repeat(100)}`;
  for (const id of [vm.id, other.id]) await vmms.describe(id, { name });
  const { vms } = await call(getVm, {});
  assert.deepEqual(
    vms.map((entry) => entry.name),
    [name, name],
  );
});

test('physical and shared disks, VHD sets, old disks and fibre channel are told; a DVD drive is no disk', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const { call, vm, vmms } = await moduleLab(t);
  await vmms.describe(vm.id, { extras: ['physical-disk', 'fibre-channel', 'dvd', 'vhd-set', 'vhd'] });
  for (const args of [{}, { VmId: vm.id }]) {
    const [web] = (await call(getVm, args)).vms;
    assert.equal(web?.fibreChannel, true);
    assert.deepEqual(
      web.disks
        .filter(({ kind }) => kind === 'virtual')
        .map(({ path, shared }) => `${extname(path)} ${shared}`)
        .toSorted(),
      ['.vhd false', '.vhds true', '.vhdx false'],
    );
    assert.equal(web.disks.length, 4);
    assert.match(web.disks.find(({ kind }) => kind === 'physical')?.path ?? '', /Msvm_DiskDrive/);
  }
});

test('a build without virtual fibre channel has VMs without it', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const { call, vm, vmms } = await moduleLab(t);
  vmms.faults.set({ lacks: ['Msvm_SyntheticFcPortSettingData', 'Msvm_FcPortAllocationSettingData'] });
  for (const args of [{}, { VmId: vm.id }]) {
    const { vms, unreadable } = await call(getVm, args);
    assert.deepEqual(unreadable, []);
    assert.deepEqual(
      vms.map(({ id, fibreChannel }) => [id, fibreChannel]),
      [[vm.id, false]],
    );
  }
});

test('a class that Hyper-V does not show for another reason is a failure, and not a VM without virtual fibre channel', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const { call, vm, vmms } = await moduleLab(t);
  await vmms.describe(vm.id, { extras: ['fibre-channel'] });
  vmms.faults.set({ accessDenied: ['Msvm_SyntheticFcPortSettingData'] });
  await assert.rejects(call(getVm, {}), { code: errorCodes.hypervAccessDenied });
});

test('both families of states and what runs on a VM come as numbers', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const { call, vm, vmms } = await moduleLab(t);
  await vmms.describe(vm.id, {
    enabledState: 32_769,
    healthState: 20,
    operationalStatus: [5, 32_774],
    replicationMode: 2,
  });
  const [web] = (await call(getVm, { VmId: vm.id })).vms;
  assert.deepEqual(
    [web?.enabledState, web?.healthState, web?.operationalStatus, web?.replicationMode],
    [32_769, 20, [5, 32_774], 2],
  );
  await assert.rejects(
    call(startCheckpoint, { VmId: vm.id, Consistency: 'crash', GuestBackupType: 'copy' }),
    (error: unknown) => errorIdOf(error) === 'VmBusy',
  );
});

test('the volume shadow copy service of the guest, or that there is none', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const { call, vm, vmms } = await moduleLab(t);
  await vmms.describe(vm.id, { vssEnabledState: 3, vssOperationalStatus: [12] });
  assert.deepEqual(await call(getVss, { VmId: vm.id }), { vss: { enabledState: 3, operationalStatus: [12] } });
  await vmms.describe(vm.id, { noVss: true });
  assert.deepEqual(await call(getVss, { VmId: vm.id }), { vss: null });
});

test('disk files are described; one that cannot be has its reason, and hides no other', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const { call, root, vmms } = await moduleLab(t);
  const path = join(root, 'vms', 'web', 'os.vhdx');
  const { disks } = await call(getVirtualDisk, { Path: [path, join(root, 'none.vhdx')] });
  assert.deepEqual(
    disks.map((disk) => [disk.path, disk.disk?.format, disk.disk?.type, disk.disk?.sizeBytes, disk.error === '']),
    [
      [path, 3, 3, 8 * MiB, true],
      [join(root, 'none.vhdx'), undefined, undefined, undefined, false],
    ],
  );
  assert.match(disks[0]?.disk?.virtualDiskId ?? '', /^\{?[0-9A-Fa-f-]{36}\}?$/);
  for (const imageFailures of ['job', 'exception'] as const) {
    vmms.faults.set({ imageFailures });
    // oxlint-disable-next-line no-await-in-loop -- one way after the other
    const again = await call(getVirtualDisk, { Path: [join(root, 'none.vhdx'), path] });
    assert.match(again.disks[0]?.error ?? '', /0x80070002/i, imageFailures);
    assert.equal(again.disks[1]?.error, '');
  }
  vmms.faults.set({ rpcFailures: 1 });
  await assert.rejects(call(getVirtualDisk, { Path: [path] }), { code: errorCodes.hypervServiceLost });
});

test('a job that never was is null, also when it is to be stopped', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const { call } = await moduleLab(t);
  const JobId = '00000000-0000-4000-8000-000000000001';
  assert.deepEqual(await call(getJob, { JobId }), { job: null });
  assert.deepEqual(await call(stopJob, { JobId }), { returnValue: null });
});

test('a job that is stuck can be stopped, and says what it is', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const { call, ended, vm, vmms } = await moduleLab(t);
  vmms.faults.set({ stuckJobs: ['CreateSnapshot'] });
  const { outcome } = await call(startCheckpoint, { VmId: vm.id, Consistency: 'crash', GuestBackupType: 'full' });
  assert.ok(outcome.state === 'started');
  const { job } = await call(getJob, { JobId: outcome.jobId });
  assert.equal(job?.jobType, 70);
  assert.deepEqual(job.errors, []);
  assert.deepEqual(await call(stopJob, { JobId: outcome.jobId }), { returnValue: 0 });
  assert.ok([8, 10].includes((await ended(outcome))?.jobState ?? 0));
});

test('a job that failed brings its errors', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const { call, ended, vm, vmms } = await moduleLab(t);
  vmms.faults.set({
    jobEnds: { CreateSnapshot: { state: 10, errorCode: 32_768, hresult: 0x800423f4, worked: false } },
  });
  const { outcome } = await call(startCheckpoint, { VmId: vm.id, Consistency: 'application', GuestBackupType: 'full' });
  const job = await ended(outcome);
  assert.deepEqual([job?.jobState, job?.errorCode], [10, 32_768]);
  assert.match(
    `${job?.errorDescription ?? ''} ${job?.errors.map(({ message }) => message).join(' ') ?? ''}`,
    /800423F4/i,
  );
});

test('a method that is refused says which one and with what', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const { call, vm, vmms } = await moduleLab(t);
  vmms.faults.set({ returnCodes: { CreateSnapshot: 32_775 } });
  await assert.rejects(
    call(startCheckpoint, { VmId: vm.id, Consistency: 'crash', GuestBackupType: 'full' }),
    (error: unknown) => errorIdOf(error) === 'WmiMethodFailed',
  );
});

test('access that is denied is an error with WMI’s own number', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const { call, vmms } = await moduleLab(t);
  vmms.faults.set({ accessDenied: ['*'] });
  await assert.rejects(call(getVm, {}), { code: errorCodes.hypervAccessDenied });
});

test('diagnostics are lines, whatever is missing', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const { call, vm } = await moduleLab(t);
  const { lines } = await call(getDiagnostic, { VmId: vm.id });
  assert.ok(lines.some((line) => line.startsWith(`settings Microsoft:${vm.id} Microsoft:Hyper-V:System:Realized`)));
  assert.ok(lines.some((line) => line.includes('os.vhdx')));
  const unknown = vmId('00000000-0000-4000-8000-000000000001', 'id');
  assert.ok((await call(getDiagnostic, { VmId: unknown })).lines.length > 0);
});

test('where the installation made no source of events, none is written', async (t) => {
  if (skipWithoutDotnet(t) || process.platform === 'win32') return;
  const { call } = await moduleLab(t);
  assert.deepEqual(await call(writeEvent, { EventId: 1, Level: 'warning', Message: 'x' }), { written: false });
});
