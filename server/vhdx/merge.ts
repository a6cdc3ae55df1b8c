/** Merging a differencing VHDX into its parent. */
import { realpath } from 'node:fs/promises';

import { throwIfAborted } from '../protocol/errors.ts';
import { openVirtualDisk } from './chain.ts';
import { parentMismatch } from './errors.ts';
import { prepareMerge } from './relink.ts';
import { openVhdxWriter } from './writer.ts';
import type { VhdxWriter } from './writer.ts';

const bufferBytes = 2 * 1024 * 1024;

/**
 * Writes what the differencing disk `child` holds into `parent`, durably; the child stays as it is and can be deleted
 * afterwards. Interrupted anywhere it can be done again, and until it is done the chain opens and reads the same.
 * `progress` gets the part that is done, from 0 to 1. Throws `TM3001` to `TM3009`, and the cancellation error.
 */
export async function mergeIntoParent(
  child: string,
  parent: string,
  signal: AbortSignal,
  progress: (part: number) => void = () => undefined,
): Promise<void> {
  const dataWriteGuid = await prepareMerge(child);
  await using disk = await openVirtualDisk(child);
  const { below } = disk;
  if (below === undefined || (await realpath(below.file.path)) !== (await realpath(parent))) {
    throw parentMismatch(parent, child, 'the disk names another file');
  }
  await using target = await openVhdxWriter(parent, { dataWriteGuid });
  const buffer = Buffer.alloc(bufferBytes);
  const { top, sizeBytes } = disk;
  for (let offset = 0; offset < sizeBytes;) {
    throwIfAborted(signal);
    const run = await top.locate(offset, sizeBytes - offset);
    if (run.kind === 'data') {
      for (let done = 0; done < run.length; done += bufferBytes) {
        throwIfAborted(signal);
        const part = buffer.subarray(0, Math.min(bufferBytes, run.length - done));
        await top.file.read(part, run.fileOffset + done);
        await target.write(part, offset + done);
        progress((offset + done) / sizeBytes);
      }
    } else if (run.kind === 'zero') {
      await writeZeros(target, offset, run.length, buffer, signal);
    }
    offset += run.length;
  }
  await target.flush();
  progress(1);
}

/** Zeros that hide what the parent has: only where it has something. */
async function writeZeros(
  target: VhdxWriter,
  offset: number,
  length: number,
  buffer: Buffer,
  signal: AbortSignal,
): Promise<void> {
  buffer.fill(0);
  const end = offset + length;
  for await (const extent of target.disk.allocated(offset, signal)) {
    if (extent.offset >= end) return;
    const stop = Math.min(end, extent.offset + extent.length);
    for (let at = extent.offset; at < stop; at += buffer.length) {
      throwIfAborted(signal);
      await target.write(buffer.subarray(0, Math.min(buffer.length, stop - at)), at);
    }
  }
}
