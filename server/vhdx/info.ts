/** What a VHDX says of itself. */
import type { DiskId } from '../protocol/ids.ts';
import { zeroGuid } from './guid.ts';
import type { Guid } from './guid.ts';
import { readCurrentHeader } from './header.ts';
import { replayLog } from './log-replay.ts';
import { openRandomFile } from './random-file.ts';
import { readStructures } from './vhdx-file.ts';

/** The facts of a VHDX. Sizes in bytes. */
export interface VhdxInfo {
  /** VirtualDiskId: equal in all files of a chain. */
  readonly diskId: DiskId;
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly logicalSectorBytes: number;
  readonly physicalSectorBytes: number;
  readonly type: 'dynamic' | 'fixed' | 'differencing';
  /** Another one than before means that the disk's content may have changed. */
  readonly dataWriteGuid: Guid;
}

/** Reads header and metadata; neither the table nor the parents. Throws `TM1003`, `TM3001` to `TM3004`. */
export async function readVhdxInfo(path: string): Promise<VhdxInfo> {
  const file = await openRandomFile(path, 'read');
  try {
    const { header, metadata } = await readStructures(file);
    const { parent, fixed, ...disk } = metadata;
    const own = fixed ? 'fixed' : 'dynamic';
    return { ...disk, type: parent === undefined ? own : 'differencing', dataWriteGuid: header.dataWriteGuid };
  } finally {
    await file.close();
  }
}

/** Replays the log of a VHDX that was not closed, so that tools which do not can read it. Returns whether there was one. Throws as `readVhdxInfo`, and `TM3009`. */
export async function settleVhdx(path: string): Promise<boolean> {
  const reading = await openRandomFile(path, 'read');
  try {
    const { header } = await readStructures(reading);
    if (header.logGuid === zeroGuid) return false;
  } finally {
    await reading.close();
  }
  const file = await openRandomFile(path, 'write');
  try {
    await replayLog(file, await readCurrentHeader(file));
    return true;
  } finally {
    await file.close();
  }
}
