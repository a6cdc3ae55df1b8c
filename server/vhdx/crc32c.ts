/** CRC-32C (Castagnoli), the checksum of all VHDX structures: RFC 3720 appendix B.4. */

const polynomial = 0x82f63b78;
/** Bytes that one step takes in: "slicing by eight". */
const slices = 8;

function makeTables(): Int32Array {
  const tables = new Int32Array(slices * 256);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = (value & 1) === 0 ? value >>> 1 : (value >>> 1) ^ polynomial;
    tables[byte] = value;
  }
  for (let at = 256; at < tables.length; at++) {
    const before = tables[at - 256] ?? 0;
    tables[at] = (before >>> 8) ^ (tables[before & 0xff] ?? 0);
  }
  return tables;
}

const tables = makeTables();
const table = (slice: number, byte: number): number => tables[slice * 256 + byte] ?? 0;

/** The CRC-32C of `data`, going on from that of what came before it. */
export function crc32c(data: Uint8Array, before = 0): number {
  let crc = ~before;
  let at = 0;
  const byte = (offset: number): number => data[at + offset] ?? 0;
  for (; at + slices <= data.length; at += slices) {
    crc ^= byte(0) | (byte(1) << 8) | (byte(2) << 16) | (byte(3) << 24);
    crc =
      table(7, crc & 0xff) ^
      table(6, (crc >>> 8) & 0xff) ^
      table(5, (crc >>> 16) & 0xff) ^
      table(4, crc >>> 24) ^
      table(3, byte(4)) ^
      table(2, byte(5)) ^
      table(1, byte(6)) ^
      table(0, byte(7));
  }
  for (; at < data.length; at++) crc = (crc >>> 8) ^ table(0, (crc ^ byte(0)) & 0xff);
  return ~crc >>> 0;
}

/** The CRC-32C of a structure whose checksum field is the four bytes at `field`, which count as zero. */
export function structureChecksum(structure: Uint8Array, field: number): number {
  const start = crc32c(structure.subarray(0, field));
  return crc32c(structure.subarray(field + 4), crc32c(new Uint8Array(4), start));
}
