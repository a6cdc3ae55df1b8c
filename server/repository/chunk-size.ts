/** The size of chunks a disk is cut into. */

const kib = 1024;
const smallest = 256 * kib;
const largest = 4096 * kib;
/**
 * Chunks a disk may have before its chunks grow. The index keeps about 56 bytes of memory for each chunk that is not a
 * duplicate: 2 Mi of them are 115 MiB, which a daemon has.
 */
const maxChunks = 2 * 1024 * kib;

/**
 * The chunk size for a disk of `diskBytes`. Guests write in small places all over a disk, and each place costs whole chunks:
 * a scattered increment of 39 MiB stores 73 MiB with chunks of 256 KiB and 200 MiB with chunks of 1 MiB, at the same
 * processor time. So 256 KiB up to 512 GiB; beyond, the chunks double with the disk until 4 MiB, the largest there is.
 */
export function defaultChunkBytes(diskBytes: number): number {
  let chunkBytes = smallest;
  while (chunkBytes < largest && diskBytes / chunkBytes > maxChunks) chunkBytes *= 2;
  return chunkBytes;
}

/** Whether a repository can hold chunks of this size: a power of two from 64 KiB to 4 MiB. */
export function isChunkBytes(bytes: number): boolean {
  return bytes >= 64 * kib && bytes <= largest && Number.isInteger(Math.log2(bytes));
}
