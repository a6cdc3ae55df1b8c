/** The parent locator of a differencing VHDX: MS-VHDX 2.6.2.6. */
import { corrupt, unsupported } from './errors.ts';
import { parseGuid, readGuid, writeGuid } from './guid.ts';
import type { Guid } from './guid.ts';

const locatorType: Guid = 'B04AEFB7-D19E-4A81-B789-25B8E9445913';
const headerBytes = 20;
const entryBytes = 12;
/** A real locator has five entries at most. */
const maxEntries = 64;

/** How a differencing disk names its parent. */
export interface ParentLocator {
  /** DataWriteGuid that the parent must have. */
  readonly linkage: Guid;
  /** A second one that it may have, while it is being changed by a merge. */
  readonly linkage2?: Guid | undefined;
  /** From the child's directory, with backslashes. */
  readonly relativePath?: string | undefined;
  /** `\\?\Volume{GUID}\…`. */
  readonly volumePath?: string | undefined;
  /** `\\?\C:\…`. */
  readonly absolutePath?: string | undefined;
}

const keys = {
  linkage: 'parent_linkage',
  linkage2: 'parent_linkage2',
  relativePath: 'relative_path',
  volumePath: 'volume_path',
  absolutePath: 'absolute_win32_path',
} as const;

/** The locator as the data of its metadata item. */
export function encodeParentLocator(locator: ParentLocator): Buffer {
  const braces = (guid: Guid | undefined): string | undefined => guid && `{${guid.toLowerCase()}}`;
  const entries = [
    [keys.linkage, braces(locator.linkage)],
    [keys.linkage2, braces(locator.linkage2)],
    [keys.relativePath, locator.relativePath],
    [keys.volumePath, locator.volumePath],
    [keys.absolutePath, locator.absolutePath],
  ].flatMap(([key, value]) => (key === undefined || value === undefined ? [] : [{ key, value }]));
  const header = Buffer.alloc(headerBytes + entries.length * entryBytes);
  writeGuid(header, locatorType, 0);
  header.writeUInt16LE(entries.length, 18);
  const texts: Buffer[] = [];
  let end = header.length;
  const append = (text: string): readonly [number, number] => {
    const bytes = Buffer.from(text, 'utf16le');
    texts.push(bytes);
    end += bytes.length;
    return [end - bytes.length, bytes.length];
  };
  for (const [index, { key, value }] of entries.entries()) {
    const at = headerBytes + index * entryBytes;
    const [keyOffset, keyBytes] = append(key);
    const [valueOffset, valueBytes] = append(value);
    header.writeUInt32LE(keyOffset, at);
    header.writeUInt32LE(valueOffset, at + 4);
    header.writeUInt16LE(keyBytes, at + 8);
    header.writeUInt16LE(valueBytes, at + 10);
  }
  return Buffer.concat([header, ...texts]);
}

/** Reads a locator. Throws `TM3002`, and `TM3004` for another type of locator. */
export function decodeParentLocator(path: string, item: Buffer): ParentLocator {
  if (item.length < headerBytes) throw corrupt(path, 'its parent locator is too short');
  const type = readGuid(item, 0);
  if (type !== locatorType) throw unsupported(path, `its parent locator is of the unknown type ${type}`);
  const count = item.readUInt16LE(18);
  if (count > maxEntries || headerBytes + count * entryBytes > item.length) {
    throw corrupt(path, `its parent locator claims ${count} entries`);
  }
  const values = new Map<string, string>();
  for (let index = 0; index < count; index++) {
    const at = headerBytes + index * entryBytes;
    const key = textAt(path, item, item.readUInt32LE(at), item.readUInt16LE(at + 8));
    if (values.has(key)) throw corrupt(path, 'its parent locator holds a key twice');
    values.set(key, textAt(path, item, item.readUInt32LE(at + 4), item.readUInt16LE(at + 10)));
  }
  const linkage = parseGuid(values.get(keys.linkage) ?? '');
  if (linkage === undefined) throw corrupt(path, 'its parent locator does not identify the parent');
  return {
    linkage,
    linkage2: parseGuid(values.get(keys.linkage2) ?? ''),
    relativePath: values.get(keys.relativePath),
    volumePath: values.get(keys.volumePath),
    absolutePath: values.get(keys.absolutePath),
  };
}

function textAt(path: string, item: Buffer, offset: number, length: number): string {
  if (offset === 0 || length === 0 || length % 2 !== 0 || offset + length > item.length) {
    throw corrupt(path, 'its parent locator points outside itself');
  }
  return item.toString('utf16le', offset, offset + length);
}
