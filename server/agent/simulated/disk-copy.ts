/** Copying disks and files without their zeros. */
import { open, rm } from 'node:fs/promises';

import { throwIfAborted } from '../../protocol/errors.ts';
import type { DiskId } from '../../protocol/ids.ts';
import { createVhdx, openVhdxWriter, openVirtualDisk, readVhdxInfo } from '../../vhdx/index.ts';
import type { ChainReader } from './disk-files.ts';

const bufferBytes = 1024 * 1024;
/** Zeros are left out in pieces of this size. */
const holeBytes = 64 * 1024;
const zeros = Buffer.alloc(holeBytes);

type Write = (part: Buffer, offset: number) => Promise<void>;

/** Gives the parts of `data` that are not zeros to `write`, as large as they are. */
async function writeData(data: Buffer, offset: number, write: Write): Promise<void> {
  let start = 0;
  const flush = async (end: number): Promise<void> => {
    if (end > start) await write(data.subarray(start, end), offset + start);
  };
  for (let at = 0; at < data.length; at += holeBytes) {
    const piece = data.subarray(at, at + holeBytes);
    if (!piece.equals(zeros.subarray(0, piece.length))) continue;
    await flush(at);
    start = at + piece.length;
  }
  await flush(data.length);
}

/** Gives all of a disk that is not zeros to `write`, ascending. */
export async function copyData(source: ChainReader, write: Write, signal: AbortSignal | undefined): Promise<void> {
  const buffer = Buffer.alloc(bufferBytes);
  for await (const { offset, length } of source.allocated(0, signal)) {
    for (let done = 0; done < length; done += bufferBytes) {
      throwIfAborted(signal);
      const part = buffer.subarray(0, Math.min(bufferBytes, length - done));
      await source.read(part, offset + done);
      await writeData(part, offset + done, write);
    }
  }
}

/**
 * Copies a VHDX or VHD, with all its parents, into a dynamic VHDX of its own: same content, same sector sizes, and the
 * same VirtualDiskId unless it has none (VHD) or that is among `takenIds`. Throws `TM1003`, `TM3xxx`.
 */
export async function importDisk(
  from: string,
  to: string,
  options: { readonly takenIds?: ReadonlySet<DiskId>; readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  await using source = await openVirtualDisk(from);
  const { top, sizeBytes } = source;
  const ownId = top.identity.format === 'vhdx' ? (await readVhdxInfo(from)).diskId : undefined;
  await createVhdx(to, {
    sizeBytes,
    logicalSectorBytes: top.logicalSectorBytes,
    physicalSectorBytes: top.physicalSectorBytes,
    diskId: ownId !== undefined && options.takenIds?.has(ownId) === true ? undefined : ownId,
  });
  await using target = await openVhdxWriter(to);
  await copyData(source, (part, offset) => target.write(part, offset), options.signal);
  await target.flush();
}

/** Copies any file durably into a new one, leaving zeros out; `progress` gets the part done, from 0 to 1. Returns the file's size. */
export async function copySparse(
  from: string,
  to: string,
  signal?: AbortSignal,
  progress: (part: number) => void = () => undefined,
): Promise<number> {
  const source = await open(from, 'r');
  try {
    const { size } = await source.stat();
    const target = await open(to, 'wx');
    try {
      await target.truncate(size);
      const buffer = Buffer.alloc(bufferBytes);
      const write: Write = async (part, offset) => {
        for (let done = 0; done < part.length;) {
          const { bytesWritten } = await target.write(part, done, part.length - done, offset + done);
          done += bytesWritten;
        }
      };
      for (let offset = 0; offset < size;) {
        throwIfAborted(signal);
        const { bytesRead } = await source.read(buffer, 0, buffer.length, offset);
        if (bytesRead === 0) break;
        await writeData(buffer.subarray(0, bytesRead), offset, write);
        offset += bytesRead;
        progress(Math.min(1, offset / size));
      }
      await target.sync();
    } catch (error) {
      await rm(to, { force: true });
      throw error;
    } finally {
      await target.close();
    }
    return size;
  } finally {
    await source.close();
  }
}
