/** Memory of large buffers that is given back at once. */

/**
 * Frees the memory that `bytes` lies in; nobody may look at it afterwards. The garbage collector would free it too, but only
 * after tens of megabytes of it, far away from the processor's caches: with chunk after chunk that costs twice the time
 * of the work itself. Small buffers share their memory with others, and are left alone.
 */
export function releaseMemory(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (buffer instanceof ArrayBuffer && buffer.byteLength > Math.max(Buffer.poolSize, 16 * 1024)) buffer.transfer(0);
}
