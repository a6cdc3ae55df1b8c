/** The guest at work: writes that go through the change tracker into the file that is the disk's leaf at that moment. */
import { randomInt } from 'node:crypto';
import { open } from 'node:fs/promises';

import { formatBytes } from '../../base/format.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../../protocol/errors.ts';
import type { Extent } from '../provider.ts';
import { withLeaf } from './disk-files.ts';
import type { LeafWriter } from './disk-files.ts';
import { fillLoad, loadWriteBytes, shuffled } from './load-pattern.ts';
import type { DiskState } from './state.ts';
import { failAtStep } from './steps.ts';
import { withVm } from './store.ts';
import type { LockedVm } from './store.ts';
import type { GuestLoadOptions, GuestLoadResult, GuestWriteOptions } from './api.ts';

/** Most that one hold of the VM's lock writes; between two, a checkpoint may be taken, as on a real host. */
const sliceBytes = 64 * 1024 * 1024;
const bufferBytes = 1024 * 1024;
const loadAlignment = 4096;

/** Carries out the writes of one slice: all are marked before the first byte reaches the disk. */
async function writeSlice(
  root: string,
  vmReference: string,
  diskReference: string,
  signal: AbortSignal | undefined,
  plan: (disk: DiskState) => readonly Extent[],
  carryOut: (writer: LeafWriter, writes: readonly Extent[]) => Promise<void>,
): Promise<void> {
  await withVm(root, vmReference, signal, async (vm) => {
    const disk = writableDisk(vm, diskReference);
    const writes = plan(disk);
    const tracker = await vm.tracker(disk);
    await tracker?.mark(writes);
    failAtStep('guest:marked');
    await withLeaf(vm.path(disk.leaf), async (writer) => {
      await carryOut(writer, writes);
      failAtStep('guest:written');
    });
  });
}

function writableDisk(vm: LockedVm, reference: string): DiskState {
  const { state, name } = vm.document;
  if (state === 'running') return vm.disk(reference);
  throw new TidemarkError(errorCodes.vmWrongState, `The VM ${name} is ${state}; its guest cannot write.`, {
    hint: `Start it with \`tidemark sim power ROOT ${name} on\`.`,
  });
}

function checkRange(disk: DiskState, offset: number, length: number): void {
  if (Number.isSafeInteger(offset) && offset >= 0 && offset + length <= disk.sizeBytes) return;
  throw new TidemarkError(
    errorCodes.diskOutOfRange,
    `${length} bytes at byte ${offset} do not fit on the disk ${disk.name} of ${disk.sizeBytes} bytes.`,
    { hint: `The disk is ${formatBytes(disk.sizeBytes)} large; choose a smaller offset.` },
  );
}

/** The guest of `vm` (name or id) writes to `disk` (name or id). Throws `TM2101`, `TM2102`, `TM2105` unless the VM runs, `TM3008` past the disk's end. */
export async function guestWrite(root: string, vm: string, disk: string, options: GuestWriteOptions): Promise<void> {
  const { offset, from, signal } = options;
  if (typeof from !== 'string') {
    await writeFrom(root, vm, disk, offset, from.byteLength, signal, async (target, at) => {
      target.set(from.subarray(at, at + target.byteLength));
    });
    return;
  }
  const file = await openSource(from);
  try {
    const { size } = await file.stat();
    await writeFrom(root, vm, disk, offset, size, signal, async (target, at) => {
      for (let done = 0; done < target.byteLength;) {
        const { bytesRead } = await file.read(target, done, target.byteLength - done, at + done);
        if (bytesRead === 0) {
          throw new TidemarkError(errorCodes.invalidFile, `${from} became shorter while it was read.`);
        }
        done += bytesRead;
      }
    });
  } finally {
    await file.close();
  }
}

async function openSource(path: string): ReturnType<typeof open> {
  try {
    return await open(path, 'r');
  } catch (error) {
    throw new TidemarkError(errorCodes.invalidFile, `${path} cannot be read.`, {
      hint: 'Give the path of a file whose bytes the guest shall write.',
      cause: error,
    });
  }
}

async function writeFrom(
  root: string,
  vm: string,
  disk: string,
  offset: number,
  length: number,
  signal: AbortSignal | undefined,
  read: (target: Uint8Array, at: number) => Promise<void>,
): Promise<void> {
  let done = 0;
  do {
    const slice = Math.min(sliceBytes, length - done);
    const start = done;
    const plan = (state: DiskState): readonly Extent[] => {
      checkRange(state, offset, length);
      return slice === 0 ? [] : [{ offset: offset + start, length: slice }];
    };
    await writeSlice(root, vm, disk, signal, plan, async (writer) => {
      const buffer = new Uint8Array(Math.min(bufferBytes, slice));
      for (let at = start; at < start + slice;) {
        throwIfAborted(signal);
        const part = buffer.subarray(0, Math.min(buffer.length, start + slice - at));
        await read(part, at);
        await writer.write(part, offset + at);
        at += part.length;
      }
    });
    done += slice;
  } while (done < length);
}

/** The guest writes at random places, about 100 KiB each, until `percent` of the disk changed. Throws as `guestWrite`. */
export async function guestLoad(
  root: string,
  vm: string,
  disk: string,
  options: GuestLoadOptions,
): Promise<GuestLoadResult> {
  const { percent, signal, seed = randomInt(2 ** 31) } = options;
  if (!(percent > 0 && percent <= 100) || !Number.isSafeInteger(seed)) {
    throw new TidemarkError(
      errorCodes.invalidInput,
      'The load must be above 0 and at most 100 percent, its seed a whole number.',
    );
  }
  const sizeBytes = await withVm(root, vm, signal, async (locked) => writableDisk(locked, disk).sizeBytes);
  const places = Math.ceil(sizeBytes / loadWriteBytes);
  const placeAt = shuffled(places, seed);
  const wanted = Math.min(sizeBytes, Math.ceil((sizeBytes * percent) / 100 / loadAlignment) * loadAlignment);
  let written = 0;
  for (let index = 0; index < places && written < wanted;) {
    const writes: (Extent & { readonly place: number })[] = [];
    for (let bytes = 0; bytes < sliceBytes && index < places && written < wanted; index++) {
      const place = placeAt(index);
      const offset = place * loadWriteBytes;
      const length = Math.min(loadWriteBytes, sizeBytes - offset, wanted - written);
      writes.push({ place, offset, length });
      bytes += length;
      written += length;
    }
    const plan = (state: DiskState): readonly Extent[] => {
      checkRange(state, 0, sizeBytes);
      return writes;
    };
    await writeSlice(root, vm, disk, signal, plan, async (writer) => {
      const buffer = new Uint8Array(loadWriteBytes);
      for (const { place, offset, length } of writes) {
        throwIfAborted(signal);
        const part = buffer.subarray(0, length);
        fillLoad(part, seed, place);
        await writer.write(part, offset);
      }
    });
  }
  return { writtenBytes: written, changedBytes: written };
}
