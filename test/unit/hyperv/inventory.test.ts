/** VMs and disks of Hyper-V as the model's: names, states, formats, and why RCT cannot be used. */
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { rctBlockers } from '../../../server/agent/hyperv/inventory/blockers.ts';
import type { AttachedDisk, HypervHost, HypervVm } from '../../../server/agent/hyperv/commands/index.ts';
import { toVmDisks, toVmInfo, unreadableVmInfo, vmState } from '../../../server/agent/hyperv/inventory/describe.ts';
import type { VmDisk } from '../../../server/agent/hyperv/inventory/describe.ts';
import { diskNames } from '../../../server/agent/hyperv/inventory/disk-names.ts';
import { DiskInventory } from '../../../server/agent/hyperv/inventory/inventory.ts';
import type { DescribedDisk, DiskFacts } from '../../../server/agent/hyperv/inventory/inventory.ts';
import { diskId as parseDiskId, vmId } from '../../../server/protocol/ids.ts';
import { vmInfo } from '../../../server/protocol/model.ts';
import { createVhdx } from '../../../server/vhdx/index.ts';
import { never, scratch } from '../simulated/support.ts';
import { ScriptedCalls } from './support/scripted-calls.ts';

const id = vmId('11111111-2222-3333-4444-555555555555', 'vm');
const leaf = '_0F3A1B2C-0000-4000-8000-00000000000A';

const disk = (path: string, location = 0, more: Partial<AttachedDisk> = {}): AttachedDisk => ({
  instanceId: `Microsoft:${id}\\83F8638B\\0\\${location}\\L`,
  kind: 'virtual',
  path,
  controller: 'SCSI',
  controllerNumber: 0,
  location,
  shared: false,
  ...more,
});

const facts = (more: Partial<DiskFacts> = {}): DescribedDisk => ({
  facts: {
    format: 'vhdx',
    diskId: undefined,
    sizeBytes: 1 << 30,
    logicalSectorBytes: 512,
    physicalSectorBytes: 4096,
    ...more,
  },
  reason: '',
  fileBytes: 1 << 20,
});

const machine = (more: Partial<HypervVm> = {}): HypervVm => ({
  id,
  name: 'web',
  enabledState: 2,
  healthState: 5,
  operationalStatus: [2],
  replicationMode: 0,
  subType: 'Microsoft:Hyper-V:SubType:2',
  version: '9.0',
  disks: [],
  snapshotTypes: [],
  fibreChannel: false,
  ...more,
});

const host: HypervHost = {
  name: 'HV01',
  build: 20_348,
  osName: 'Windows Server 2022',
  powershellVersion: '5.1',
  hypervAvailable: true,
  defaultVmFolder: null,
  defaultDiskFolder: null,
  hasGuestBackupType: true,
  hasExcludedVirtualHardDisks: true,
};

const disksOf = (...pairs: readonly (readonly [AttachedDisk, DescribedDisk])[]): readonly VmDisk[] =>
  toVmDisks(
    id,
    pairs.map(([one]) => one),
    new Map(pairs.map(([one, described]) => [one.path, described])),
  );

test('a disk is called as its file, whatever checkpoints there are above and below it', () => {
  for (const path of [
    'C:\\VMs\\os.vhdx',
    `C:\\VMs\\os${leaf}.avhdx`,
    `/vms/os${leaf}${leaf}.avhdx`,
    'D:\\OS\\os.VHD',
  ]) {
    assert.deepEqual(diskNames([disk(path)]), ['os']);
  }
  assert.deepEqual(diskNames([disk('\\\\srv\\share\\a.b_c.vhdx')]), ['a.b_c']);
  assert.deepEqual(diskNames([disk('C:\\.vhdx')]), ['disk']);
  assert.deepEqual(diskNames([disk('PHYSICALDRIVE3', 1, { kind: 'physical' })]), ['passthrough-scsi0-1']);
});

test('two disks of one name are told apart by their places, and no two of a VM are ever called the same', () => {
  const same = [disk('C:\\a\\os.vhdx', 0), disk('D:\\b\\OS.vhdx', 1), disk('C:\\c\\data.vhdx', 2)];
  assert.deepEqual(diskNames(same), ['os-scsi0-0', 'OS-scsi0-1', 'data']);
  assert.deepEqual(diskNames(same.toReversed()), ['data', 'OS-scsi0-1', 'os-scsi0-0']);
  const tricky = [...same, disk('C:\\d\\os-scsi0-0.vhdx', 3), disk('C:\\e\\os.vhdx', 0)];
  const names = diskNames(tricky).map((name) => name.toLowerCase());
  assert.equal(new Set(names).size, tricky.length, names.join());
});

test('states of both families of numbers have one meaning', () => {
  const cases = {
    running: [2, 32_771],
    off: [3],
    saved: [6, 32_769, 32_779],
    paused: [9, 32_768],
    other: [4, 10, 32_781],
  };
  for (const [state, numbers] of Object.entries(cases)) {
    for (const enabledState of numbers) assert.equal(vmState({ enabledState }), state, String(enabledState));
  }
});

test('what Hyper-V says of a VM fits the model, however long, odd or empty it is', () => {
  const odd = machine({
    name: '\u{1f4be}'.repeat(500),
    version: '',
    subType: '',
    disks: Array.from({ length: 300 }, (_, at) =>
      disk(`C:\\${'x'.repeat(200)}\\${'y'.repeat(200)}${at}.vhdx`, at % 64),
    ),
    snapshotTypes: ['Microsoft:Hyper-V:Snapshot:Recovery', 'Microsoft:Hyper-V:Snapshot:Realized'],
  });
  const disks = toVmDisks(id, odd.disks, new Map());
  const info = toVmInfo(odd, disks, rctBlockers(odd, disks, host));
  assert.deepEqual(vmInfo(JSON.parse(JSON.stringify(info)), 'vm').id, id);
  assert.equal(info.checkpointCount, 1);
  assert.equal(toVmInfo(machine({ name: ' ' }), [], []).name, id);
  const broken = unreadableVmInfo({ id, name: '', message: `line\none ${'x'.repeat(9_000)}` });
  assert.equal(vmInfo(JSON.parse(JSON.stringify(broken)), 'vm').rctBlockers.length, 1);
});

test('each reason against RCT says what to do; disks that only cannot be tracked are no reason', () => {
  const os = disksOf([disk('C:\\os.vhdx'), facts()]);
  const blockers = (vm: Partial<HypervVm>, disks = os, more: Partial<HypervHost> = {}): string =>
    rctBlockers(machine(vm), disks, { ...host, ...more }).join(' ');
  assert.equal(blockers({}), '');
  assert.equal(
    blockers({}, disksOf([disk('C:\\os.vhdx'), facts()], [disk('C:\\old.vhd', 1), facts({ format: 'vhd' })])),
    '',
  );
  const physical = disk('PHYSICALDRIVE1', 1, { kind: 'physical' });
  assert.equal(blockers({}, disksOf([disk('C:\\os.vhdx'), facts()], [physical, facts()])), '');
  for (const version of ['5.0', '6.1', '', 'x']) assert.match(blockers({ version }), /Update-VMVersion/);
  for (const replicationMode of [2, 3, 4]) assert.match(blockers({ replicationMode }), /primary VM/);
  assert.equal(blockers({ replicationMode: 1 }), '');
  assert.match(blockers({}, os, { build: 9_600 }), /Windows Server 2016/);
  assert.match(blockers({}, disksOf([disk('C:\\s.vhds'), facts({ format: 'vhdset' })])), /VHD Set/);
  assert.match(blockers({}, disksOf([disk('C:\\s.vhdx', 0, { shared: true }), facts()])), /shared between VMs/);
  assert.match(blockers({}, disksOf([physical, facts()])), /nothing to back up/);
  const lost: DescribedDisk = { facts: undefined, reason: 'It is gone.', fileBytes: 0 };
  assert.match(blockers({}, disksOf([disk('C:\\os.vhdx'), lost])), /cannot be read: It is gone/);
  const diskId = parseDiskId('AAAAAAAA-2222-3333-4444-555555555555', 'disk');
  const twins = disksOf([disk('C:\\a.vhdx'), facts({ diskId })], [disk('C:\\b.vhdx', 1), facts({ diskId })]);
  assert.match(blockers({}, twins), /a and b .*ResetDiskIdentifier/);
});

test('a disk file is read once while it stays as it is, and asked of Hyper-V where it cannot be opened', async (t) => {
  const directory = await scratch(t);
  const path = join(directory, 'os.vhdx');
  await createVhdx(path, { sizeBytes: 4 << 20 });
  const held = join(directory, 'held.vhdx');
  await writeFile(held, 'no disk');
  const virtualDiskId = '{aaaaaaaa-2222-3333-4444-555555555555}';
  const answer = {
    path: held,
    format: 3,
    type: 3,
    parentPath: '',
    sizeBytes: 8 << 20,
    logicalSectorBytes: 0,
    physicalSectorBytes: 4096,
    virtualDiskId,
  };
  const calls = new ScriptedCalls().on('Get-TidemarkVirtualDisk', () => ({
    disks: [{ path: held, disk: answer, error: '' }],
  }));
  const inventory = new DiskInventory(calls);
  for (const fresh of [false, false, true]) {
    const found = await inventory.describe([path, held, path], never, fresh);
    assert.equal(found.get(path)?.facts?.sizeBytes, 4 << 20);
    const { diskId, logicalSectorBytes } = found.get(held)?.facts ?? {};
    assert.deepEqual([diskId, logicalSectorBytes], ['AAAAAAAA-2222-3333-4444-555555555555', 512]);
  }
  assert.equal(calls.names.length, 2, 'once, and once more when it had to be fresh');
  await rm(path);
  calls.on('Get-TidemarkVirtualDisk', () => ({ disks: [{ path, disk: null, error: 'It is\ngone.' }] }));
  const gone = await inventory.describe([path], never);
  assert.deepEqual([gone.get(path)?.facts, gone.get(path)?.reason], [undefined, 'It is gone.']);
});
