/** The older VHD format, for reading: "Virtual Hard Disk Image Format Specification" 1.0. All integers are big-endian. */
import { dirname, resolve } from 'node:path';

import { corrupt, truncated, unsupported } from './errors.ts';
import type { Guid } from './guid.ts';
import type { DiskLayer, LayerIdentity, ParentReference, Run } from './layer.ts';
import type { RandomFile } from './random-file.ts';

const footerBytes = 512;
const sectorBytes = 512;
const dynamicHeaderBytes = 1024;
const cookie = 'conectix';
/** The largest VHD of Hyper-V. */
const maxDiskBytes = 2040 * 1024 ** 3;
const absent = 0xffff_ffff;
const diskType = { fixed: 2, dynamic: 3, differencing: 4 } as const;
/** Bounds the table of the largest disk to 16 MiB; the usual block has 2 MiB. */
const smallestBlockBytes = 512 * 1024;
const maxLocatorBytes = 64 * 1024;
const emptyGuid = '00000000-0000-0000-0000-000000000000';

/** Whether a file is a VHD: its last sector, or its first when the last is lost, is a footer. */
export async function isVhd(file: RandomFile, fileBytes: number): Promise<boolean> {
  return (await findFooter(file, fileBytes)) !== undefined;
}

async function findFooter(file: RandomFile, fileBytes: number): Promise<Buffer | undefined> {
  if (fileBytes < footerBytes) return undefined;
  const footer = Buffer.alloc(footerBytes);
  for (const position of [fileBytes - footerBytes, 0]) {
    await file.read(footer, position);
    if (footer.toString('latin1', 0, cookie.length) === cookie) return footer;
  }
  return undefined;
}

/** One's complement of the sum of all bytes outside the checksum field at `field`. */
function checksum(structure: Buffer, field: number): number {
  let sum = 0;
  for (const [at, byte] of structure.entries()) if (at < field || at >= field + 4) sum += byte;
  return ~sum >>> 0;
}

/** VHD stores GUIDs in the order in which they are read. */
function guidAt(source: Buffer, offset: number): Guid {
  const hex = source.toString('hex', offset, offset + 16).toUpperCase();
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** Where blocks lie: their sector numbers, each block preceded by its sector bitmap. */
interface BlockMap {
  readonly blockBytes: number;
  readonly bitmapBytes: number;
  readonly sectors: Uint32Array;
}

/** An open VHD. */
export class VhdFile implements DiskLayer {
  readonly file: RandomFile;
  readonly identity: LayerIdentity;
  readonly diskId = undefined;
  readonly sizeBytes: number;
  readonly logicalSectorBytes = sectorBytes;
  readonly physicalSectorBytes = sectorBytes;
  readonly parent: ParentReference | undefined;
  readonly #map: BlockMap | undefined;
  /** The sector bitmap used last. */
  #bitmap: { readonly block: number; readonly bits: Buffer } | undefined;

  private constructor(file: RandomFile, guid: Guid, sizeBytes: number, map?: BlockMap, parent?: ParentReference) {
    this.file = file;
    this.identity = { format: 'vhd', guid };
    this.sizeBytes = sizeBytes;
    this.#map = map;
    this.parent = parent;
  }

  /** Throws `TM3002`, `TM3003`, `TM3004`. */
  static async open(file: RandomFile, fileBytes: number): Promise<VhdFile> {
    const { path } = file;
    const footer = await findFooter(file, fileBytes);
    if (footer === undefined || footer.readUInt32BE(64) !== checksum(footer, 64)) {
      throw corrupt(path, 'the checksum of its footer is wrong');
    }
    const sizeBytes = Number(footer.readBigUInt64BE(48));
    if (sizeBytes === 0 || sizeBytes > maxDiskBytes || sizeBytes % sectorBytes !== 0) {
      throw corrupt(path, `its virtual disk is ${sizeBytes} bytes large`);
    }
    const type = footer.readUInt32BE(60);
    const guid = guidAt(footer, 68);
    if (type === diskType.fixed) {
      if (sizeBytes + footerBytes > fileBytes) throw truncated(path, 'it ends before its disk does');
      return new VhdFile(file, guid, sizeBytes);
    }
    if (type !== diskType.dynamic && type !== diskType.differencing) throw unsupported(path, `its type is ${type}`);
    const header = await readDynamicHeader(file, Number(footer.readBigUInt64BE(16)), fileBytes);
    const map = await readBlockMap(file, header, sizeBytes, fileBytes);
    const parent = type === diskType.differencing ? await readParent(file, header, fileBytes) : undefined;
    return new VhdFile(file, guid, sizeBytes, map, parent);
  }

  async locate(offset: number, length: number): Promise<Run> {
    if (this.#map === undefined) return { kind: 'data', length, fileOffset: offset };
    const { blockBytes, bitmapBytes, sectors } = this.#map;
    const block = Math.floor(offset / blockBytes);
    const within = offset - block * blockBytes;
    const available = Math.min(length, blockBytes - within);
    const sector = sectors[block] ?? absent;
    if (sector === absent) return { kind: 'absent', length: available };
    const fileOffset = sector * sectorBytes + bitmapBytes + within;
    if (this.parent === undefined) return { kind: 'data', length: available, fileOffset };
    const bits = await this.#bitmapOf(block, sector, bitmapBytes);
    const first = Math.floor(within / sectorBytes);
    const isSet = (at: number): boolean => ((bits[at >>> 3] ?? 0) & (0x80 >>> (at & 7))) !== 0;
    const end = Math.ceil((within + available) / sectorBytes);
    let last = first + 1;
    while (last < end && isSet(last) === isSet(first)) last += 1;
    const bytes = Math.min(available, last * sectorBytes - within);
    return isSet(first) ? { kind: 'data', length: bytes, fileOffset } : { kind: 'absent', length: bytes };
  }

  async #bitmapOf(block: number, sector: number, bytes: number): Promise<Buffer> {
    if (this.#bitmap?.block === block) return this.#bitmap.bits;
    const bits = Buffer.alloc(bytes);
    await this.file.read(bits, sector * sectorBytes);
    this.#bitmap = { block, bits };
    return bits;
  }
}

async function readDynamicHeader(file: RandomFile, offset: number, fileBytes: number): Promise<Buffer> {
  if (offset + dynamicHeaderBytes > fileBytes) throw truncated(file.path, 'its dynamic header lies past its end');
  const header = Buffer.alloc(dynamicHeaderBytes);
  await file.read(header, offset);
  if (header.toString('latin1', 0, 8) !== 'cxsparse' || header.readUInt32BE(36) !== checksum(header, 36)) {
    throw corrupt(file.path, 'its dynamic header is not valid');
  }
  return header;
}

async function readBlockMap(file: RandomFile, header: Buffer, sizeBytes: number, fileBytes: number): Promise<BlockMap> {
  const { path } = file;
  const blockBytes = header.readUInt32BE(32);
  const entries = header.readUInt32BE(28);
  const offset = Number(header.readBigUInt64BE(16));
  if (blockBytes > 256 * 1024 ** 2 || (blockBytes & (blockBytes - 1)) !== 0) {
    throw corrupt(path, `its block size is ${blockBytes} bytes`);
  }
  if (blockBytes < smallestBlockBytes) throw unsupported(path, `its blocks have only ${blockBytes} bytes`);
  const blocks = Math.ceil(sizeBytes / blockBytes);
  if (blocks > entries) throw corrupt(path, 'its block allocation table is too short for the disk');
  if (offset + blocks * 4 > fileBytes) throw truncated(path, 'its block allocation table lies past its end');
  const table = Buffer.alloc(blocks * 4);
  await file.read(table, offset);
  const bitmapBytes = Math.ceil(blockBytes / sectorBytes / 8 / sectorBytes) * sectorBytes;
  const sectors = new Uint32Array(blocks);
  for (let block = 0; block < blocks; block++) {
    const sector = table.readUInt32BE(block * 4);
    sectors[block] = sector;
    if (sector === absent) continue;
    const used = Math.min(blockBytes, sizeBytes - block * blockBytes);
    if (sector * sectorBytes + bitmapBytes + used > fileBytes)
      throw truncated(path, `block ${block} lies past its end`);
  }
  checkOverlap(path, sectors, bitmapBytes + blockBytes);
  return { blockBytes, bitmapBytes, sectors };
}

function checkOverlap(path: string, sectors: Uint32Array, bytes: number): void {
  const placed = sectors.filter((sector) => sector !== absent).sort();
  for (let at = 1; at < placed.length; at++) {
    const gap = (placed[at] ?? 0) - (placed[at - 1] ?? 0);
    if (gap * sectorBytes < bytes) throw corrupt(path, `two blocks overlap at sector ${placed[at]}`);
  }
}

const locatorCodes = { relative: 'W2ru', absolute: 'W2ku' } as const;

async function readParent(file: RandomFile, header: Buffer, fileBytes: number): Promise<ParentReference> {
  const found = new Map<string, string>();
  for (let at = 576; at < 576 + 8 * 24; at += 24) {
    const code = header.toString('latin1', at, at + 4);
    const length = header.readUInt32BE(at + 8);
    const offset = Number(header.readBigUInt64BE(at + 16));
    if (code !== locatorCodes.relative && code !== locatorCodes.absolute) continue;
    if (length > maxLocatorBytes || length % 2 !== 0 || offset + length > fileBytes) {
      throw corrupt(file.path, 'its parent locator lies outside the file');
    }
    const text = Buffer.alloc(length);
    await file.read(text, offset);
    found.set(code, text.toString('utf16le'));
  }
  const directory = dirname(file.path);
  const native = (path: string): string => (process.platform === 'win32' ? path : path.replaceAll('\\', '/'));
  const name = Buffer.from(header.subarray(64, 576)).swap16().toString('utf16le').replace(/\0.*$/s, '');
  const texts = [found.get(locatorCodes.relative), found.get(locatorCodes.absolute), name];
  const candidates = texts.flatMap((text) =>
    text === undefined || text === '' || text.includes('\0') ? [] : [resolve(directory, native(text))],
  );
  const guid = guidAt(header, 40);
  if (guid === emptyGuid) throw corrupt(file.path, 'it does not identify its parent');
  return { format: 'vhd', candidates, guids: [guid] };
}
