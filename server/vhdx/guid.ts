/** GUIDs: upper-case text without braces in memory, the mixed-endian form of MS-DTYP 2.3.4.2 in files. */
import { randomUUID } from 'node:crypto';

/** A GUID as upper-case text without braces. */
export type Guid = string;

export const zeroGuid: Guid = '00000000-0000-0000-0000-000000000000';
export const guidBytes = 16;

/** A new random GUID. */
export const newGuid = (): Guid => randomUUID().toUpperCase();

/** Reads the 16 bytes at `offset`. */
export function readGuid(source: Buffer, offset: number): Guid {
  const hex = (start: number, end: number): string => source.toString('hex', offset + start, offset + end);
  const number = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');
  const parts = [
    number(source.readUInt32LE(offset), 8),
    number(source.readUInt16LE(offset + 4), 4),
    number(source.readUInt16LE(offset + 6), 4),
    hex(8, 10),
    hex(10, 16),
  ];
  return parts.join('-').toUpperCase();
}

/** Writes a GUID as 16 bytes at `offset`. */
export function writeGuid(target: Buffer, guid: Guid, offset: number): void {
  const bytes = Buffer.from(guid.replaceAll('-', ''), 'hex');
  target.writeUInt32LE(bytes.readUInt32BE(0), offset);
  target.writeUInt16LE(bytes.readUInt16BE(4), offset + 4);
  target.writeUInt16LE(bytes.readUInt16BE(6), offset + 6);
  bytes.copy(target, offset + 8, 8);
}

const pattern = /^\{?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}?$/i;

/** The GUID that a text holds, with or without braces, in any case; undefined when it is none. */
export function parseGuid(text: string): Guid | undefined {
  return pattern.exec(text)?.[1]?.toUpperCase();
}
