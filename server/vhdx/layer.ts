/** One file of a disk chain, whatever its format. */
import type { DiskId } from '../protocol/ids.ts';
import type { Guid } from './guid.ts';
import type { RandomFile } from './random-file.ts';

/** A range of a virtual disk, in bytes. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

/** What a file says of the beginning of a range: its bytes lie in the file, are zeros, or are the parent's (zeros without one). */
export type Run =
  | { readonly kind: 'data'; readonly length: number; readonly fileOffset: number }
  | { readonly kind: 'zero' | 'absent'; readonly length: number };

/** What identifies a parent to its children. */
export interface LayerIdentity {
  readonly format: 'vhdx' | 'vhd';
  /** DataWriteGuid of a VHDX, unique id of a VHD. */
  readonly guid: Guid;
}

/** How a file names its parent. */
export interface ParentReference {
  /** Where to look, in this order; absolute paths of this machine. */
  readonly candidates: readonly string[];
  readonly format: LayerIdentity['format'];
  /** The parent's guid is one of these. */
  readonly guids: readonly Guid[];
}

/** An open file of a chain. */
export interface DiskLayer {
  readonly file: RandomFile;
  readonly identity: LayerIdentity;
  /** VirtualDiskId; a VHD has none. */
  readonly diskId: DiskId | undefined;
  readonly sizeBytes: number;
  readonly logicalSectorBytes: number;
  readonly physicalSectorBytes: number;
  /** Undefined when this file is a disk of its own. */
  readonly parent: ParentReference | undefined;
  /** The longest run from `offset` on that is easily found, between 1 and `length` bytes. The range must lie on the disk. */
  locate(offset: number, length: number): Promise<Run>;
}
