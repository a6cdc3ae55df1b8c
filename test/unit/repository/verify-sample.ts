/** The repository that the tests of verification damage, and who must be named for it. */
import assert from 'node:assert/strict';

import type { RestorePointId } from '../../../server/protocol/ids.ts';
import type { StoredRestorePoint } from '../../../server/repository/model.ts';
import { parsePackName, readToc, readTocEntry, tocEntryBytes } from '../../../server/repository/pack-toc.ts';
import { backup, diskOf, signal, SmallRepository } from './small-repository.ts';
import type { DiskModel } from './small-repository.ts';

/** Two VMs, three restore points that share chunks and a page, a dead pack, and one file of every kind. */
export interface Sample {
  readonly small: SmallRepository;
  readonly points: readonly StoredRestorePoint[];
  readonly disks: readonly (readonly DiskModel[])[];
  /** Which restore points need a blob, by hex id. */
  readonly needs: ReadonlyMap<string, readonly RestorePointId[]>;
}

/** Makes the sample. */
export async function makeSample(): Promise<Sample> {
  const small = await SmallRepository.create();
  const first = diskOf([1, 2, 3, 4, 5]);
  const second = new Map([...first, [1, 20], [9, 21]]);
  const other = diskOf([3, 30, 31]);
  const p1 = await backup(small, { vm: 1, disks: [first], packChunks: 2 });
  const p2 = await backup(small, { vm: 1, disks: [second], base: { point: p1, disks: [first] } });
  const p3 = await backup(small, { vm: 2, disks: [other, first] });
  const gone = await backup(small, { vm: 3, disks: [diskOf([40])] });
  await small.repository.deleteRestorePoint(gone.id, signal);
  await small.core.putCondemned({ createdMs: Date.now(), packs: [], reason: 'sample' }, signal);
  await small.core.putDamage({ createdMs: Date.now(), blobs: [], packs: [] }, signal);
  const points = [p1, p2, p3];
  return { small, points, disks: [[first], [second], [other, first]], needs: await neededBy(small, points) };
}

/** What each restore point names, found through the public maps and not through the code under test. */
async function neededBy(
  { repository }: SmallRepository,
  points: readonly StoredRestorePoint[],
): Promise<ReadonlyMap<string, readonly RestorePointId[]>> {
  const needs = new Map<string, RestorePointId[]>();
  const need = (blob: string, point: StoredRestorePoint): void => {
    const users = needs.get(blob) ?? [];
    if (!users.includes(point.id)) users.push(point.id);
    needs.set(blob, users);
  };
  for (const point of points) {
    need(point.configuration, point);
    for (const disk of point.disks) {
      assert.equal(disk.map.root.type, 'inline');
      const root = disk.map.root.type === 'inline' ? Buffer.from(disk.map.root.pages, 'base64') : Buffer.alloc(0);
      for (let at = 0; at < root.length; at += 32) need(root.toString('hex', at, at + 32), point);
      for await (const { ids } of repository.openMap(disk).pages(signal)) {
        for (let at = 0; at < ids.length; at += 32) need(Buffer.from(ids.subarray(at, at + 32)).toString('hex'), point);
      }
    }
  }
  return needs;
}

/** A blob of a pack: where its record lies, and who needs it. */
export interface PackRecord {
  readonly offset: number;
  readonly end: number;
  readonly users: readonly RestorePointId[];
}

/** The blobs of a pack, and who needs each. */
export async function recordsOf(sample: Sample, name: string): Promise<readonly PackRecord[]> {
  const { small, needs } = sample;
  const pack = parsePackName(name);
  assert.ok(pack);
  const toc = await readToc(small.storage, name, pack.kind, small.storage.bytes(name).length, signal);
  return Array.from({ length: toc.length / tocEntryBytes }, (_, index) => {
    const { id, offset, storedBytes } = readTocEntry(toc, index);
    const users = needs.get(Buffer.from(id).toString('hex')) ?? [];
    return { offset, end: offset + 80 + storedBytes, users };
  });
}

/** Whom a flip at this place of a pack hits: the users of the blob there, nobody behind the blobs. */
export async function hitByPack(sample: Sample, name: string, position: number): Promise<readonly RestorePointId[]> {
  const found = (await recordsOf(sample, name)).find(({ offset, end }) => position >= offset && position < end);
  return [...(found?.users ?? [])].sort();
}

/** Everybody that problems name. */
export function hitNames(
  problems: readonly { readonly restorePoints: readonly RestorePointId[] }[],
): readonly RestorePointId[] {
  return [...new Set(problems.flatMap((problem) => problem.restorePoints))].sort();
}
