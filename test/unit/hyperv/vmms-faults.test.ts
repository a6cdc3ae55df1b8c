import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';

import { power } from '../../../server/agent/simulated/index.ts';
import { array, object, record, string } from '../../../server/protocol/parse.ts';
import { AnsweredError, jobOf, VmmsClient } from '../../support/hyperv/vmms/client.ts';
import { userSnapshot } from '../../support/hyperv/vmms/model/machine.ts';
import { vmReference } from '../../support/hyperv/vmms/model/references.ts';
import { textOf, textsOf } from '../../support/hyperv/vmms/wire.ts';
import type { Value } from '../../support/hyperv/vmms/wire.ts';
import {
  activePaths,
  convertSnapshot,
  ended,
  finish,
  lab,
  managementService,
  pointReference,
  pointService,
  snapshotReference,
  snapshotService,
  snapshotSettings,
  takeSnapshot,
} from './vmms-support.ts';
import type { Lab } from './vmms-support.ts';

const answered = (hresult: string) => (error: unknown) => error instanceof AnsweredError && error.hresult === hresult;

/** What `CreateSnapshot` returns, without waiting for its job. */
const creation = async ({ client, vm }: Lab, given: Readonly<Record<string, Value>> = {}): Promise<number> =>
  (
    await client.invoke(snapshotService, 'CreateSnapshot', {
      AffectedSystem: vmReference(vm.id),
      SnapshotSettings: snapshotSettings(2),
      SnapshotType: 32_768,
      ...given,
    })
  ).returnValue;

test('access denied, not elevated, RPC that fails, and a question that is never answered', async (t) => {
  const { client, vm, vmms } = await lab(t);
  vmms.faults.set({ accessDenied: ['Msvm_ComputerSystem'] });
  await assert.rejects(client.enumerate('Msvm_ComputerSystem'), answered('0x80041003'));
  await client.enumerate('Msvm_VirtualSystemSettingData');
  vmms.faults.set({ accessDenied: ['*'] });
  await assert.rejects(client.get(vmReference(vm.id)), answered('0x80041003'));
  vmms.faults.reset();
  vmms.faults.set({ notElevated: true });
  assert.deepEqual(await client.enumerate(managementService), []);
  await assert.rejects(client.get(vmReference(vm.id)), answered('0x80041002'));
  assert.equal((await client.enumerate('Win32_OperatingSystem', [], 'root/cimv2')).length, 1);
  vmms.faults.reset();
  vmms.faults.set({ rpcFailures: 2 });
  for (const _ of [1, 2]) await assert.rejects(client.enumerate(managementService), answered('0x800706BE'));
  assert.equal((await client.enumerate(managementService)).length, 1);
  vmms.faults.set({ hang: ['Msvm_ComputerSystem'] });
  const hanging = client.enumerate('Msvm_ComputerSystem').then(
    () => 'answered',
    () => 'gone',
  );
  const other = await VmmsClient.connect(vmms.address);
  assert.equal((await other.enumerate(managementService)).length, 1, 'others are answered');
  other.close();
  client.close();
  assert.equal(await hanging, 'gone');
});

test('any method can be made to return any code, without doing anything', async (t) => {
  const made = await lab(t);
  for (const code of [1, 2, 3, 4, 5, 6, 32_768, 32_769, 32_770, 32_772, 32_774, 32_777, 32_778]) {
    made.vmms.faults.set({ returnCodes: { CreateSnapshot: code } });
    assert.equal(await creation(made), code);
  }
  assert.deepEqual(made.vmms.leftovers(), []);
});

test('CreateSnapshot refuses what is not valid, with the code for it', async (t) => {
  const made = await lab(t);
  assert.equal(await creation(made, { SnapshotType: 5 }), 4);
  for (const level of [0, 3]) assert.equal(await creation(made, { SnapshotSettings: snapshotSettings(level) }), 32_773);
  assert.equal(await creation(made, { SnapshotSettings: null }), 32_773);
  assert.equal(await creation(made, { SnapshotSettings: snapshotSettings(2, { GuestBackupType: 3 }) }), 32_773);
  assert.equal(await creation(made, { AffectedSystem: vmReference('11111111-2222-3333-4444-555555555555') }), 32_773);
  assert.equal(await creation(made, { AffectedSystem: null }), 32_773);
  assert.equal(await creation(made, { AffectedSystem: vmReference('HV01') }), 32_773, 'the host is no VM');
  assert.deepEqual(made.vmms.leftovers(), []);
});

test('a second recovery snapshot is refused, or its job fails; others may be there', async (t) => {
  const made = await lab(t);
  const { client, vm, vmms } = made;
  await vmms.paperSnapshot(vm.id, userSnapshot, 'before the update');
  const id = await takeSnapshot(made);
  assert.equal(await creation(made), 32_775);
  vmms.faults.set({ existingSnapshot: 'fail' });
  const { job } = await finish(client, snapshotService, 'CreateSnapshot', {
    AffectedSystem: vmReference(vm.id),
    SnapshotSettings: snapshotSettings(2),
    SnapshotType: 32_768,
  });
  assert.equal(job.properties['JobState'], 10);
  assert.deepEqual(
    vmms.leftovers().map((entry) => entry.id),
    [id],
  );
});

test('only a recovery snapshot becomes a reference point; a user’s checkpoint stays a snapshot', async (t) => {
  const made = await lab(t);
  const { client, vm } = made;
  const { out } = await client.invoke(snapshotService, 'CreateSnapshot', {
    AffectedSystem: vmReference(vm.id),
    SnapshotSettings: null,
    SnapshotType: 2,
  });
  await ended(client, jobOf(out));
  const snapshots = await client.associated(vmReference(vm.id), 'Msvm_SnapshotOfVirtualSystem', null);
  assert.deepEqual(
    snapshots.map((snapshot) => textOf(snapshot, 'VirtualSystemType')),
    [userSnapshot],
  );
  const id = textOf(snapshots[0] ?? { className: '', properties: {} }, 'InstanceID');
  const given = { AffectedSnapshot: snapshotReference(id), ReferencePointSettings: null };
  assert.equal((await client.invoke(snapshotService, 'ConvertToReferencePoint', given)).returnValue, 6);
  await finish(client, snapshotService, 'DestroySnapshot', { AffectedSnapshot: snapshotReference(id) });
  assert.deepEqual(await client.associated(vmReference(vm.id), 'Msvm_SnapshotOfVirtualSystem', null), []);
});

test('a VM that is off cannot be application-consistent, unless that is taken lightly', async (t) => {
  const made = await lab(t);
  const { client, root, vm, vmms } = made;
  await power(root, 'web', 'off');
  const given = { AffectedSystem: vmReference(vm.id), SnapshotSettings: snapshotSettings(1), SnapshotType: 32_768 };
  assert.equal((await finish(client, snapshotService, 'CreateSnapshot', given)).job.properties['JobState'], 10);
  vmms.faults.set({ offWithLevel1: 'crash' });
  assert.equal((await finish(client, snapshotService, 'CreateSnapshot', given)).job.properties['JobState'], 7);
});

test('a full disk, a snapshot that shows late, and no affected elements', async (t) => {
  let now = 1_800_000_000_000;
  const made = await lab(t, { vmms: { now: () => now } });
  const { client, vm, vmms } = made;
  const given = { AffectedSystem: vmReference(vm.id), SnapshotSettings: snapshotSettings(2), SnapshotType: 32_768 };
  vmms.faults.set({ diskFull: true });
  const full = await finish(client, snapshotService, 'CreateSnapshot', given);
  assert.match(textOf(full.job, 'ErrorDescription'), /0x80070070/);
  vmms.faults.reset();
  vmms.faults.set({ visibleAfterMs: 10_000 });
  const late = await finish(client, snapshotService, 'CreateSnapshot', given);
  assert.deepEqual(await client.associated(late.reference, 'Msvm_AffectedJobElement', null), []);
  assert.deepEqual(await client.associated(vmReference(vm.id), 'Msvm_SnapshotOfVirtualSystem', null), []);
  now += 10_000;
  assert.equal((await client.associated(vmReference(vm.id), 'Msvm_SnapshotOfVirtualSystem', null)).length, 1);
  assert.equal((await client.associated(late.reference, 'Msvm_AffectedJobElement', null)).length, 1);
  vmms.faults.set({ noAffectedElements: true });
  assert.deepEqual(await client.associated(late.reference, 'Msvm_AffectedJobElement', null), []);
});

test('a merge can fail or wait; it goes on when that is over', async (t) => {
  const made = await lab(t);
  const { client, vm, vmms } = made;
  for (const merge of ['fails', 'waits'] as const) {
    vmms.faults.set({ merge });
    await finish(client, snapshotService, 'DestroySnapshot', {
      AffectedSnapshot: snapshotReference(await takeSnapshot(made)),
    });
    await vmms.mergesSettled();
    assert.match((await activePaths(client, vm.id))[0] ?? '', /\.avhdx$/);
    assert.deepEqual(await client.associated(vmReference(vm.id), 'Msvm_SnapshotOfVirtualSystem', null), []);
    vmms.faults.reset();
    await vmms.mergesSettled();
    assert.match((await activePaths(client, vm.id))[0] ?? '', /os\.vhdx$/);
  }
});

test('reference points: numbers in doubt, arrays of different length, one that vanishes, what destroying nothing returns', async (t) => {
  const made = await lab(t, { disks: ['os', 'data'] });
  const { client, vmms } = made;
  const point = await convertSnapshot(made, await takeSnapshot(made));
  vmms.faults.set({ referencePointType: 1, referencePointArraysDiffer: true });
  const shown = await client.get(pointReference(point));
  assert.equal(shown.properties['ReferencePointType'], 1);
  assert.deepEqual(
    [textsOf(shown, 'VirtualDiskIdentifiers').length, textsOf(shown, 'ResilientChangeTrackingIdentifiers').length],
    [2, 1],
  );
  await vmms.loseReferencePoint(textOf(point, 'InstanceID'));
  await assert.rejects(client.get(pointReference(point)), answered('0x80041002'));
  for (const missingObject of [5, 0, 32_773]) {
    vmms.faults.set({ missingObject });
    const destroyed = await client.invoke(pointService, 'DestroyReferencePoint', {
      AffectedReferencePoint: pointReference(point),
    });
    assert.equal(destroyed.returnValue, missingObject);
  }
});

test('what others made is told apart from what was made over the wire, and missed when it goes', async (t) => {
  const made = await lab(t);
  const { client, vm, vmms } = made;
  const point = await vmms.foreignReferencePoint(vm.id);
  const snapshot = await vmms.foreignSnapshot(vm.id);
  assert.deepEqual(
    vmms
      .foreign()
      .map((entry) => entry.id)
      .sort(),
    [point, snapshot].sort(),
  );
  assert.deepEqual(vmms.leftovers(), []);
  assert.ok(!textOf(await client.get(snapshotReference(snapshot)), 'ElementName').startsWith('Tidemark'));
  assert.equal(await creation(made), 32_775);
  await finish(client, snapshotService, 'DestroySnapshot', { AffectedSnapshot: snapshotReference(snapshot) });
  assert.deepEqual(
    vmms.foreign().map((entry) => entry.id),
    [point],
    'a suite that looks here turns red',
  );
  assert.deepEqual(
    vmms.history().destroyed.map((entry) => entry.id),
    [snapshot],
  );
});

test('it counts what it is asked', async (t) => {
  const made = await lab(t);
  await made.client.enumerate('Msvm_ComputerSystem');
  await made.client.enumerate('Msvm_ComputerSystem');
  await takeSnapshot(made);
  assert.equal(made.vmms.counts.get('enumerate Msvm_ComputerSystem'), 2);
  assert.equal(made.vmms.counts.get('invoke CreateSnapshot'), 1);
});

test('as a process it prints its address, takes orders over the wire, and ends with its standard input', async (t) => {
  const { root, vm } = await lab(t);
  const main = new URL('../../support/hyperv/vmms/main.ts', import.meta.url);
  const child = spawn(process.execPath, [main.pathname, root], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => child.kill());
  const exit = once(child, 'exit');
  const first = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
  const [, address = ''] = /^listening on (127\.0\.0\.1:\d+)$/.exec(String(first.value)) ?? [];
  const client = await VmmsClient.connect(address);
  await client.control({ do: 'faults', set: { returnCodes: { CreateSnapshot: 32_768 } } });
  const given = { AffectedSystem: vmReference(vm.id), SnapshotSettings: snapshotSettings(2), SnapshotType: 32_768 };
  assert.equal((await client.invoke(snapshotService, 'CreateSnapshot', given)).returnValue, 32_768);
  await client.control({ do: 'reset' });
  await client.control({ do: 'describe', vmId: vm.id, notes: { name: 'a label' } });
  assert.equal(textOf(await client.get(vmReference(vm.id)), 'ElementName'), 'a label');
  const id = await client.control({ do: 'foreignReferencePoint', vmId: vm.id });
  const entries = array(object({ id: string() }));
  assert.deepEqual(entries(await client.control({ do: 'foreign' }), 'foreign'), [{ id }]);
  assert.deepEqual(await client.control({ do: 'leftovers' }), []);
  await client.control({ do: 'restart' });
  await assert.rejects(client.enumerate(managementService), answered('0x800706BE'));
  const counts = record((count) => count)(await client.control({ do: 'counts' }), 'counts');
  assert.equal(counts['invoke CreateSnapshot'], 1);
  await assert.rejects(client.control({ do: 'faults', set: { noSuchFault: 1 } }), /noSuchFault/);
  await assert.rejects(client.control({ do: 'nothing' }), AnsweredError);
  client.close();
  child.stdin.end();
  assert.deepEqual(await exit, [0, null]);
});
