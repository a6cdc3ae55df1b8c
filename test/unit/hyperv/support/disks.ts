/** Real disk files as they lie on a host that has taken a checkpoint. */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { AttachedDisk } from '../../../../server/agent/hyperv/commands/index.ts';
import type { CheckpointDisk } from '../../../../server/agent/hyperv/exports/frozen-disks.ts';
import { diskId } from '../../../../server/protocol/ids.ts';
import {
  createDifferencingVhdx,
  createVhdx,
  openVhdxWriter,
  openVirtualDisk,
  readVhdxInfo,
} from '../../../../server/vhdx/index.ts';
import { MiB, noise } from '../../vhdx/support.ts';

/** Bytes at a place of a disk. */
export interface Piece {
  readonly offset: number;
  readonly data: Buffer;
}

/** A piece of noise. */
export const piece = (offset: number, length: number, seed: number): Piece => ({ offset, data: noise(length, seed) });

/** A new dynamic disk with these bytes; returns its path. */
export async function makeDisk(
  folder: string,
  name: string,
  pieces: readonly Piece[],
  sizeBytes = 8 * MiB,
): Promise<string> {
  const path = join(folder, `${name}.vhdx`);
  await createVhdx(path, { sizeBytes });
  await writeTo(path, pieces);
  return path;
}

/** The differencing file of a checkpoint above a disk, with bytes of its own; returns its path. */
export async function makeChild(
  parent: string,
  pieces: readonly Piece[],
  id = '0A1B2C3D-0000-1111-2222-333344445555',
): Promise<string> {
  const path = parent.replace(/(_[0-9A-F-]{36})?\.a?vhdx$/, `_${id}.avhdx`);
  await createDifferencingVhdx(path, parent);
  await writeTo(path, pieces);
  return path;
}

export async function writeTo(path: string, pieces: readonly Piece[]): Promise<void> {
  await using writer = await openVhdxWriter(path);
  for (const { offset, data } of pieces) await writer.write(data, offset);
  await writer.flush();
}

/** Writes to a disk and leaves a file at `copy` as a power failure would: with a log to replay. */
export async function copyDirty(path: string, pieces: readonly Piece[], copy: string): Promise<void> {
  await using writer = await openVhdxWriter(path);
  for (const { offset, data } of pieces) await writer.write(data, offset);
  await writer.flush();
  await copyFile(path, copy);
}

/** The whole content of a disk. */
export async function contentAt(path: string): Promise<Buffer> {
  await using disk = await openVirtualDisk(path);
  const image = Buffer.alloc(disk.sizeBytes);
  await disk.read(image, 0);
  return image;
}

/** A disk of a checkpoint as Hyper-V and the inventory describe it. */
export async function checkpointDisk(path: string, name: string, location = 0): Promise<CheckpointDisk> {
  const { diskId: id, sizeBytes, logicalSectorBytes, physicalSectorBytes } = await readVhdxInfo(path);
  return {
    attached: attachedDisk(path, location),
    frozen: { id, name, sizeBytes, logicalSectorBytes, physicalSectorBytes, trackable: true },
  };
}

export function attachedDisk(path: string, location = 0): AttachedDisk {
  return {
    instanceId: `Microsoft:11111111-0000-0000-0000-000000000000\\disk${location}\\0\\${location}\\L`,
    kind: 'virtual',
    path,
    controller: 'SCSI',
    controllerNumber: 0,
    location,
    shared: false,
  };
}

export const someDiskId = diskId('99999999-0000-0000-0000-000000000000', 'diskId');
