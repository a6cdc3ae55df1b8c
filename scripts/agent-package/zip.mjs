// A zip archive (PKWARE's APPNOTE, 4.3) that is the same for the same files: entries in order of their names, one fixed time,
// no owner. A zip program of the machine would write times, and is not there on Windows.
import { readFileSync } from 'node:fs';
import { crc32, deflateRawSync } from 'node:zlib';

/** 1980-01-01 00:00, the first moment that a zip can tell, as MS-DOS has it: date above, time below. */
const fixedTime = 0x00210000;

/** Bit 11: the name is UTF-8. */
const flags = 0x0800;
const versionNeeded = 20;

function entryOf({ name, file }) {
  const content = readFileSync(file);
  const deflated = deflateRawSync(content, { level: 6 });
  const stored = deflated.length >= content.length;
  const data = stored ? content : deflated;
  const common = Buffer.alloc(26);
  common.writeUInt16LE(versionNeeded, 0);
  common.writeUInt16LE(flags, 2);
  common.writeUInt16LE(stored ? 0 : 8, 4);
  common.writeUInt32LE(fixedTime, 6);
  common.writeUInt32LE(crc32(content), 10);
  common.writeUInt32LE(data.length, 14);
  common.writeUInt32LE(content.length, 18);
  common.writeUInt16LE(Buffer.byteLength(name), 22);
  return { name: Buffer.from(name), common, data };
}

const uint32 = (...values) => {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => bytes.writeUInt32LE(value, index * 4));
  return bytes;
};

function endOf(count, directoryBytes, directoryAt) {
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(count, 8);
  end.writeUInt16LE(count, 10);
  end.writeUInt32LE(directoryBytes, 12);
  end.writeUInt32LE(directoryAt, 16);
  return end;
}

/** The archive of files: `name` is the path in it, with `/`. Files and archive must be smaller than 4 GiB. */
export function zipOf(files) {
  const parts = [];
  const directory = [];
  let at = 0;
  const sorted = [...files].sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const { name, common, data } of sorted.map(entryOf)) {
    const local = [uint32(0x04034b50), common, name, data];
    // Made by version 2.0 on MS-DOS; no comment, first disk, no attributes; where the local header is.
    directory.push(uint32(0x02014b50), Buffer.from([versionNeeded, 0]), common, Buffer.alloc(10), uint32(at), name);
    parts.push(...local);
    at += local.reduce((sum, part) => sum + part.length, 0);
  }
  const central = Buffer.concat(directory);
  return Buffer.concat([...parts, central, endOf(sorted.length, central.length, at)]);
}
