/** Memory of large buffers that is given back at once. */

/** Less is not worth the call. */
const smallBytes = 4096;

/**
 * Frees the memory that `bytes` lies in; nobody may look at it afterwards. The garbage collector would free it too, but only
 * after tens of megabytes of it, far away from the processor's caches: with chunk after chunk that costs twice the time
 * of the work itself. Parts of the memory that small buffers share are left alone.
 */
export function releaseMemory(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength < smallBytes) return;
  if (bytes.length === buffer.byteLength || buffer.byteLength > Buffer.poolSize) buffer.transfer(0);
}
