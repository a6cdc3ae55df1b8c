/** An open VHDX: its structures, checked, and where the data of its blocks lies. */
import type { DiskId } from '../protocol/ids.ts';
import { blockState, checkBat, isPresent } from './bat.ts';
import { BlockTable } from './block-table.ts';
import { truncated, unknownFormat } from './errors.ts';
import { blockLength, geometryOf } from './geometry.ts';
import { headerSectionBytes, isVhdx, readCurrentHeader } from './header.ts';
import type { CurrentHeader } from './header.ts';
import type { DiskLayer, LayerIdentity, ParentReference, Run } from './layer.ts';
import { replayLog, withLogInMemory } from './log-replay.ts';
import { readMetadata } from './metadata.ts';
import type { MetadataItem, VhdxMetadata } from './metadata.ts';
import { parentCandidates } from './parent-paths.ts';
import type { RandomFile } from './random-file.ts';
import { readRegions } from './region-table.ts';
import type { Regions } from './region-table.ts';
import { SectorCache } from './sector-cache.ts';
import { SpaceMap } from './space-map.ts';

/** Runs that one `locate` joins: a bound on the time between two looks at an abort signal. */
const maxRuns = 4096;

/** The structures of a VHDX. `file` is seen through its log. */
export interface VhdxStructures {
  readonly file: RandomFile;
  readonly header: CurrentHeader;
  readonly regions: Regions;
  readonly metadata: VhdxMetadata;
  readonly items: readonly MetadataItem[];
}

/** Reads everything but the block allocation table. With `replay` a dirty log is replayed onto the file, else in memory. Throws `TM3001` to `TM3004`. */
export async function readStructures(raw: RandomFile, replay = false): Promise<VhdxStructures> {
  const start = Buffer.alloc(8);
  const fileBytes = await raw.size();
  if (fileBytes < start.length) throw unknownFormat(raw.path);
  await raw.read(start, 0);
  if (!isVhdx(start)) throw unknownFormat(raw.path);
  if (fileBytes < headerSectionBytes) throw truncated(raw.path, 'it ends within its headers');
  let header = await readCurrentHeader(raw);
  if (header.logOffset + header.logBytes > fileBytes) throw truncated(raw.path, 'its log lies past its end');
  if (replay) header = await replayLog(raw, header);
  const file = await withLogInMemory(raw, header);
  const regions = await readRegions(file, await file.size());
  const { metadata, items } = await readMetadata(file, regions.metadata);
  return { file, header, regions, metadata, items };
}

/** A VHDX open for reading, and for a writer that changes its table. */
export class VhdxFile implements DiskLayer {
  readonly structures: VhdxStructures;
  readonly table: BlockTable;
  readonly sectors: SectorCache;
  /** Where the last structure or block in the file ends. */
  readonly usedBytes: number;

  private constructor(structures: VhdxStructures, usedBytes: number) {
    const { file, regions, metadata } = structures;
    this.structures = structures;
    this.usedBytes = usedBytes;
    this.sectors = new SectorCache(file);
    this.table = new BlockTable(file.path, regions.bat.offset, geometryOf(metadata), this.sectors);
  }

  /** Checks the whole file's structure. Throws `TM3001` to `TM3004`. */
  static async open(raw: RandomFile, replay = false): Promise<VhdxFile> {
    const structures = await readStructures(raw, replay);
    const { file, header, regions, metadata } = structures;
    const space = new SpaceMap(file.path, await file.size());
    space.claim({ offset: header.logOffset, length: header.logBytes }, 'the log');
    space.claim(regions.bat, 'the block allocation table');
    space.claim(regions.metadata, 'the metadata');
    for (const region of regions.others) space.claim(region, 'a region');
    await checkBat(file, regions.bat, geometryOf(metadata), space);
    return new VhdxFile(structures, space.end);
  }

  get file(): RandomFile {
    return this.structures.file;
  }

  get identity(): LayerIdentity {
    return { format: 'vhdx', guid: this.structures.header.dataWriteGuid };
  }

  get diskId(): DiskId {
    return this.structures.metadata.diskId;
  }

  get sizeBytes(): number {
    return this.structures.metadata.sizeBytes;
  }

  get logicalSectorBytes(): number {
    return this.structures.metadata.logicalSectorBytes;
  }

  get physicalSectorBytes(): number {
    return this.structures.metadata.physicalSectorBytes;
  }

  get parent(): ParentReference | undefined {
    const { parent } = this.structures.metadata;
    if (parent === undefined) return undefined;
    const guids = [parent.linkage, ...(parent.linkage2 === undefined ? [] : [parent.linkage2])];
    return { format: 'vhdx', candidates: parentCandidates(this.file.path, parent), guids };
  }

  async locate(offset: number, length: number): Promise<Run> {
    const first = await this.#runFrom(offset, length);
    let found = first.length;
    for (let runs = 1; found < length && runs < maxRuns; runs++) {
      // Runs go on from block to block where kind and place do.
      if ((offset + found) % this.table.geometry.blockBytes !== 0) break;
      const next = await this.#runFrom(offset + found, length - found);
      if (next.kind !== first.kind) break;
      if (first.kind === 'data' && next.kind === 'data' && next.fileOffset !== first.fileOffset + found) break;
      found += next.length;
    }
    return { ...first, length: found };
  }

  /** The run from `offset` on: of one block, or of empty ones side by side. */
  async #runFrom(offset: number, length: number): Promise<Run> {
    const { geometry } = this.table;
    const block = Math.floor(offset / geometry.blockBytes);
    const within = offset - block * geometry.blockBytes;
    const available = Math.min(length, blockLength(geometry, block) - within);
    const entry = await this.table.block(block);
    if (entry.state === blockState.notPresent) {
      const empty = await this.table.emptyBlocks(block, Math.ceil((within + length) / geometry.blockBytes));
      const end = Math.min((block + empty) * geometry.blockBytes, geometry.sizeBytes);
      return { kind: 'absent', length: Math.min(length, end - offset) };
    }
    if (!isPresent(entry)) return { kind: 'zero', length: available };
    const data = { kind: 'data', fileOffset: entry.offset + within } as const;
    if (entry.state === blockState.fullyPresent) return { ...data, length: available };
    const { sectorBytes } = geometry;
    const sector = Math.floor(within / sectorBytes);
    const inSector = within - sector * sectorBytes;
    const limit = Math.ceil((inSector + available) / sectorBytes);
    const { present, sectors } = await this.table.sectorRun(block, sector, limit);
    const bytes = Math.min(available, sectors * sectorBytes - inSector);
    return present ? { ...data, length: bytes } : { kind: 'absent', length: bytes };
  }
}
