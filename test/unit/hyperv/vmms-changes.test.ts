import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import * as fc from 'fast-check';

import { guestWrite, power } from '../../../server/agent/simulated/index.ts';
import { AnsweredError } from '../../support/hyperv/vmms/client.ts';
import type { VmmsClient } from '../../support/hyperv/vmms/client.ts';
import { isInstance, isList, isReference, textOf, textsOf } from '../../support/hyperv/vmms/wire.ts';
import type { Instance, Value } from '../../support/hyperv/vmms/wire.ts';
import { MiB } from '../simulated/support.ts';
import {
  convertSnapshot,
  ended,
  finish,
  imageError,
  imageService,
  lab,
  pointReference,
  pointService,
  snapshotReference,
  snapshotService,
  takeSnapshot,
} from './vmms-support.ts';
import type { Lab } from './vmms-support.ts';

const diskBytes = 8 * MiB;
const frozenPath = ({ root }: Lab): string => join(root, 'vms', 'web', 'os.vhdx');
const idOf = (point: Instance): string => textsOf(point, 'ResilientChangeTrackingIdentifiers')[0] ?? '';

const ask = (
  client: VmmsClient,
  path: string,
  since: string,
  from = 0,
  length = diskBytes,
  more: Readonly<Record<string, Value>> = {},
) =>
  client.invoke(imageService, 'GetVirtualDiskChanges', {
    Path: path,
    LimitId: since,
    TargetSnapshotId: null,
    ByteOffset: String(from),
    ByteLength: String(length),
    ...more,
  });

const numbers = (value: Value | undefined): readonly number[] => (isList(value) ? value.map(Number) : []);

interface Range {
  readonly offset: number;
  readonly length: number;
}

/** Asks until the region is covered, as the module does. */
async function allChanges(
  client: VmmsClient,
  path: string,
  since: string,
  from: number,
  to: number,
): Promise<readonly Range[]> {
  const ranges: Range[] = [];
  for (let at = from; at < to;) {
    const { returnValue, out } = await ask(client, path, since, at, to - at);
    assert.equal(returnValue, 0);
    const lengths = numbers(out['ChangedByteLengths']);
    const page = numbers(out['ChangedByteOffsets']).map((offset, index) => ({ offset, length: lengths[index] ?? 0 }));
    const processed = Number(out['ProcessedByteLength']);
    assert.ok(processed > 0 && at + processed <= to, 'each answer covers something, and no more than was asked');
    for (const { offset, length } of page) {
      assert.ok(offset >= at && length > 0 && offset + length <= at + processed, 'a range lies in what is covered');
    }
    ranges.push(...page);
    at += processed;
  }
  return ranges;
}

test('whatever the page size and the region, the changed ranges cover all that the guest wrote, and nothing is told twice', async (t) => {
  const made = await lab(t);
  const { client, root, vmms } = made;
  vmms.faults.set({ jobStates: 'now' });
  const write = fc.record({ offset: fc.nat(diskBytes - 200_000), length: fc.integer({ min: 1, max: 200_000 }) });
  const region = fc
    .tuple(fc.nat(diskBytes - 1), fc.nat(diskBytes - 1))
    .map(([a, b]) => [Math.min(a, b), Math.max(a, b) + 1] as const);
  let previous = await convertSnapshot(made, await takeSnapshot(made));
  await fc.assert(
    fc.asyncProperty(
      fc.array(write, { maxLength: 8 }),
      fc.constantFrom(1, 2, 3, 1000),
      region,
      fc.constantFrom('runs', 'stops', 'fails'),
      async (writes, changedRanges, [from, to], how) => {
        await vmms.mergesSettled();
        for (const { offset, length } of writes)
          await guestWrite(root, 'web', 'os', { offset, from: Buffer.alloc(length, 'w') });
        if (how !== 'runs') {
          await power(root, 'web', how === 'stops' ? 'off' : 'fail');
          await power(root, 'web', 'on');
        }
        const snapshot = await takeSnapshot(made);
        // What is written after the snapshot is none of its changes.
        await guestWrite(root, 'web', 'os', { offset: 0, from: Buffer.alloc(diskBytes / 2, 'later') });
        vmms.faults.set({ changedRanges });
        const ranges = await allChanges(client, frozenPath(made), idOf(previous), from, to);
        for (const [index, range] of ranges.entries()) {
          const next = ranges[index + 1];
          assert.ok(next === undefined || range.offset + range.length <= next.offset, 'ascending, not overlapping');
        }
        const covered = (byte: number): boolean =>
          ranges.some(({ offset, length }) => byte >= offset && byte < offset + length);
        for (const { offset, length } of writes) {
          for (const byte of [offset, offset + Math.floor(length / 2), offset + length - 1]) {
            assert.ok(byte < from || byte >= to || covered(byte), `byte ${byte} was written`);
          }
        }
        if (writes.length === 0 && how === 'runs') assert.deepEqual(ranges, []);
        const point = await convertSnapshot(made, snapshot);
        await finish(client, pointService, 'DestroyReferencePoint', {
          AffectedReferencePoint: pointReference(previous),
        });
        await vmms.mergesSettled();
        // The write after the snapshot counts for the next one: start that from a point of its own.
        previous = await convertSnapshot(made, await takeSnapshot(made));
        await finish(client, pointService, 'DestroyReferencePoint', { AffectedReferencePoint: pointReference(point) });
      },
    ),
    { numRuns: 12 },
  );
});

test('what cannot be told says why: file, id, tracking, region, a disk that is not frozen', async (t) => {
  const made = await lab(t);
  const { client, root } = made;
  const point = await convertSnapshot(made, await takeSnapshot(made));
  await made.vmms.mergesSettled();
  const path = frozenPath(made);
  const failure = async (...asked: Parameters<typeof ask> extends [unknown, ...infer Rest] ? Rest : never) => {
    const { returnValue, out } = await ask(client, ...asked);
    return [returnValue, /0x[0-9A-F]{8}/.exec(await imageError(client, out))?.[0]];
  };
  assert.deepEqual(await failure(path, idOf(point)), [32_768, '0x80070020'], 'not part of a checkpoint');
  const snapshot = await takeSnapshot(made);
  assert.equal((await ask(client, path, idOf(point))).returnValue, 0);
  assert.deepEqual(await failure(`${path}.other`, idOf(point)), [32_779, '0x80070002']);
  assert.deepEqual(await failure(path, idOf(point).replace(/.$/, 'f')), [32_768, '0xC03A0029']);
  assert.deepEqual(await failure(path, 'no id at all'), [32_768, '0xC03A0029']);
  assert.deepEqual(await failure(path, ''), [32_773, '0x80070057']);
  assert.deepEqual(await failure(path, idOf(point), 0, diskBytes + 1), [32_773, '0x80070057']);
  assert.deepEqual(await failure(path, idOf(point), 0, 0), [32_773, '0x80070057']);
  assert.deepEqual(await failure(path, idOf(point), 0, diskBytes, { TargetSnapshotId: 'x' }), [32_773, '0x80070057']);
  await rm(join(root, 'vms', 'web', 'os.vhdx.mrt'));
  assert.deepEqual(await failure(path, idOf(point)), [32_768, '0xC03A002A']);
  await finish(client, snapshotService, 'DestroySnapshot', { AffectedSnapshot: snapshotReference(snapshot) });
});

test('answers about changes can be made wrong: no progress, arrays of different length, any HRESULT, told in a job, as an exception or not at all', async (t) => {
  const made = await lab(t);
  const { client, root, vmms } = made;
  const point = await convertSnapshot(made, await takeSnapshot(made));
  await vmms.mergesSettled();
  await guestWrite(root, 'web', 'os', { offset: MiB, from: Buffer.alloc(10, 'x') });
  await takeSnapshot(made);
  const changes = () => ask(client, frozenPath(made), idOf(point));
  vmms.faults.set({ zeroProgress: true });
  assert.deepEqual((await changes()).out, { ProcessedByteLength: '0', ChangedByteOffsets: [], ChangedByteLengths: [] });
  vmms.faults.reset();
  vmms.faults.set({ changeArraysDiffer: true });
  const { out } = await changes();
  assert.notEqual(numbers(out['ChangedByteOffsets']).length, numbers(out['ChangedByteLengths']).length);
  vmms.faults.reset();
  vmms.faults.set({ changesFail: 0xc03a0022 });
  const { Job } = (await changes()).out;
  assert(isReference(Job));
  const job = await ended(client, Job);
  assert.deepEqual([job.className, job.properties['JobCompletionStatusCode']], ['Msvm_StorageJob', 0xc03a0022]);
  assert.match(textOf(job, 'ErrorDescription'), /0xC03A0022/);
  vmms.faults.set({ imageFailures: 'bare' });
  assert.deepEqual(await changes(), { returnValue: 32_768, out: {} });
  vmms.faults.set({ imageFailures: 'exception' });
  await assert.rejects(changes(), (error) => error instanceof AnsweredError && error.hresult === '0xC03A0022');
  vmms.faults.reset();
  vmms.faults.set({ returns: { GetVirtualDiskChanges: 'job' } });
  const asJob = await changes();
  assert.deepEqual([asJob.returnValue, Object.keys(asJob.out)], [4096, ['Job']]);
});

test('a disk file says what it is; one whose parent is gone says that', async (t) => {
  const made = await lab(t);
  const { client } = made;
  await takeSnapshot(made);
  const facts = async (path: string): Promise<Value | undefined> =>
    (await client.invoke(imageService, 'GetVirtualHardDiskSettingData', { Path: path })).out['SettingData'];
  const [leaf] = await client.associated(
    snapshotReference(`Microsoft:${made.vm.id}`),
    null,
    'Msvm_StorageAllocationSettingData',
  );
  assert(leaf !== undefined);
  const path = textsOf(leaf, 'HostResource')[0] ?? '';
  const top = await facts(path);
  assert(isInstance(top));
  assert.deepEqual([textOf(top, 'ParentPath'), top.properties['Type']], [frozenPath(made), 4]);
  const { returnValue, out } = await client.invoke(imageService, 'GetVirtualHardDiskState', { Path: path });
  assert.deepEqual([returnValue, Object.keys(out)], [0, ['State']]);
  await rm(frozenPath(made));
  const broken = await client.invoke(imageService, 'GetVirtualHardDiskSettingData', { Path: path });
  assert.match(await imageError(client, broken.out), /0xC03A000D/);
});
