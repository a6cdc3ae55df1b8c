import assert from 'node:assert/strict';
import { test } from 'node:test';

import { guestWrite } from '../../../server/agent/simulated/index.ts';
import { isA, propertyType } from '../../support/hyperv/vmms/schema.ts';
import { textsOf } from '../../support/hyperv/vmms/wire.ts';
import { MiB } from '../simulated/support.ts';
import {
  activePaths,
  convertSnapshot,
  finish,
  imageService,
  lab,
  pointReference,
  pointService,
  snapshotReference,
  snapshotService,
  takeSnapshot,
} from './vmms-support.ts';

test('a backup: snapshot, frozen disks, changes, conversion, merge, removal of the reference point; nothing is left', async (t) => {
  const made = await lab(t, { disks: ['os', 'data'] });
  const { client, root, vm, vmms } = made;
  const first = await convertSnapshot(made, await takeSnapshot(made));
  await vmms.mergesSettled();
  await guestWrite(root, 'web', 'data', { offset: 3 * MiB, from: Buffer.alloc(70_000, 'tide') });
  const snapshot = await takeSnapshot(made);
  assert.match(snapshot, /^Microsoft:[0-9A-F-]{36}$/);
  const frozen = await client.associated(snapshotReference(snapshot), null, 'Msvm_StorageAllocationSettingData');
  const [os, data] = frozen.map((disk) => textsOf(disk, 'HostResource')[0] ?? '');
  assert.ok(os?.endsWith('/os.vhdx') === true && data?.endsWith('/data.vhdx') === true);
  assert.ok((await activePaths(client, vm.id)).every((path) => path.endsWith('.avhdx')));
  const since = textsOf(first, 'ResilientChangeTrackingIdentifiers');
  const ask = (path: string, limit: string | undefined) =>
    client.invoke(imageService, 'GetVirtualDiskChanges', {
      Path: path,
      LimitId: limit ?? null,
      ByteOffset: '0',
      ByteLength: String(8 * MiB),
    });
  assert.deepEqual(await ask(os ?? '', since[0]), {
    returnValue: 0,
    out: { ProcessedByteLength: String(8 * MiB), ChangedByteOffsets: [], ChangedByteLengths: [] },
  });
  const changed = await ask(data ?? '', since[1]);
  assert.deepEqual(changed.out['ChangedByteOffsets'], [String(3 * MiB)]);
  assert.deepEqual(changed.out['ChangedByteLengths'], ['81920'], 'five granules of 16 KiB');
  const second = await convertSnapshot(made, snapshot);
  assert.deepEqual(
    [second.properties['VirtualDiskIdentifiers']].flat(),
    [first.properties['VirtualDiskIdentifiers']].flat(),
  );
  await vmms.mergesSettled();
  assert.ok((await activePaths(client, vm.id)).every((path) => path.endsWith('.vhdx') && !path.endsWith('.avhdx')));
  for (const point of [first, second]) {
    const { job } = await finish(client, pointService, 'DestroyReferencePoint', {
      AffectedReferencePoint: pointReference(point),
    });
    assert.equal(job.properties['JobState'], 7);
  }
  assert.deepEqual(vmms.leftovers(), []);
});

test('a snapshot is destroyed; one that is not there any more is refused', async (t) => {
  const made = await lab(t);
  const id = await takeSnapshot(made);
  assert.deepEqual(
    made.vmms.leftovers().map((entry) => entry.id),
    [id],
  );
  const given = { AffectedSnapshot: snapshotReference(id) };
  const { job } = await finish(made.client, snapshotService, 'DestroySnapshot', given);
  assert.equal(job.properties['JobState'], 7);
  assert.deepEqual(made.vmms.leftovers(), []);
  assert.equal((await made.client.invoke(snapshotService, 'DestroySnapshot', given)).returnValue, 32_773);
});

test('every property of every instance is one that the schema has, with its type', async (t) => {
  const made = await lab(t, { disks: ['os', 'data'], generation: 1 });
  await convertSnapshot(made, await takeSnapshot(made));
  await made.vmms.mergesSettled();
  await takeSnapshot(made);
  const classes = ['CIM_ManagedElement', 'CIM_ConcreteJob'];
  for (const instance of (await Promise.all(classes.map((name) => made.client.enumerate(name)))).flat()) {
    for (const [name, value] of Object.entries(instance.properties)) {
      const type = propertyType(instance.className, name);
      assert.ok(type !== undefined, `${instance.className}.${name} is in the schema`);
      const single = [value].flat()[0];
      assert.equal(Array.isArray(value), type.endsWith('[]'), `${instance.className}.${name} is ${type}`);
      if (single === undefined) continue;
      const wanted = /^(u|s)int(8|16|32)/.test(type) ? 'number' : type.startsWith('boolean') ? 'boolean' : 'string';
      assert.equal(typeof single, wanted, `${instance.className}.${name} is ${type}`);
    }
  }
  assert.ok(isA('Msvm_StorageAllocationSettingData', 'CIM_ResourceAllocationSettingData'));
});
