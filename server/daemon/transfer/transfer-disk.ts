/** A disk on its way from a host into a repository. */
import type { DiskId } from '../../protocol/ids.ts';
import type { ChunkSet } from './chunk-set.ts';
import { OrderedChanges } from './ordered-changes.ts';

/** What of a disk is read, what came of it so far. Byte counts grow during the transfer. */
export class TransferDisk {
  readonly diskId: DiskId;
  readonly name: string;
  readonly chunks: ChunkSet;
  /** What has to be read. */
  readonly totalBytes: number;
  readonly changes = new OrderedChanges();
  readBytes = 0;
  newBytes = 0;
  storedBytes = 0;

  constructor(diskId: DiskId, name: string, chunks: ChunkSet) {
    this.diskId = diskId;
    this.name = name;
    this.chunks = chunks;
    this.totalBytes = chunks.bytes();
  }
}
