/** Checks one pack, byte for byte. */
import { hash } from 'node:crypto';

import { releaseMemory } from '../../base/memory.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../../protocol/errors.ts';
import { blobHeaderBytes, idBytes } from '../blob.ts';
import type { BlobOpener } from '../blob-opener.ts';
import { checkToc, footerBytes, parseFooter, parsePackName, tocEntryBytes } from '../pack-toc.ts';
import { expectedEntryBytes } from './verify-messages.ts';
import type { BadBlob, CheckedPack, PackTask } from './verify-messages.ts';

/** A blob that should be in the pack. */
interface Entry {
  readonly id: Uint8Array;
  readonly offset: number;
  readonly recordBytes: number;
}

/** Waits for a pack, checks it and frees its memory. One that cannot be read is a result, not an error; only the cancellation is thrown. */
export async function readAndCheckPack(
  task: PackTask,
  reading: Promise<Uint8Array>,
  opener: BlobOpener,
  signal: AbortSignal,
): Promise<CheckedPack> {
  let bytes: Uint8Array;
  try {
    bytes = await reading;
  } catch (error) {
    throwIfAborted(signal);
    return { name: task.name, bytes: 0, blobs: 0, fileError: TidemarkError.from(error).report(), bad: [] };
  }
  try {
    return checkPack(task, bytes, opener);
  } finally {
    releaseMemory(bytes);
  }
}

/**
 * Checks that the hash of `bytes` is the pack's name, that its table of contents is whole and says what the index says, and
 * that every blob opens to the content that its id names. The hash alone would find a flipped bit; the blobs tell whom it hits,
 * and find what was wrong before it was written.
 */
export function checkPack(task: PackTask, bytes: Uint8Array, opener: BlobOpener): CheckedPack {
  const { toc, error: tocError } = readTable(task.name, bytes);
  const entries = task.expected === undefined ? tocEntries(toc) : expectedEntries(task.expected);
  const bad: BadBlob[] = [];
  for (const entry of entries) {
    try {
      const record = bytes.subarray(entry.offset, entry.offset + entry.recordBytes);
      releaseMemory(opener.open(record, entry.id, { checkId: true }));
    } catch (error) {
      const id = Buffer.from(entry.id).toString('hex');
      bad.push({ id, offset: entry.offset, error: TidemarkError.from(error).report() });
    }
  }
  let fileError = hashError(task.name, bytes) ?? tocError;
  if (fileError === undefined && task.expected !== undefined && !sameEntries(toc, task.expected)) {
    fileError = damaged(task.name, 'it holds other blobs than the index says');
  }
  return { name: task.name, bytes: bytes.length, blobs: entries.length, fileError: fileError?.report(), bad };
}

function hashError(name: string, bytes: Uint8Array): TidemarkError | undefined {
  if (parsePackName(name)?.packId === hash('sha256', bytes, 'hex')) return undefined;
  return damaged(name, 'its bytes have changed');
}

function readTable(
  name: string,
  bytes: Uint8Array,
): { readonly toc: Uint8Array | undefined; readonly error: TidemarkError | undefined } {
  try {
    const footer = parseFooter(bytes.subarray(Math.max(0, bytes.length - footerBytes)), name, bytes.length);
    const toc = bytes.subarray(footer.tocOffset, footer.tocOffset + footer.tocBytes);
    if (!hash('sha256', toc, 'buffer').equals(footer.sha256)) {
      return { toc: undefined, error: damaged(name, 'its table of contents has changed') };
    }
    checkToc(toc, parsePackName(name)?.kind ?? 'data', bytes.length, name);
    return { toc, error: undefined };
  } catch (error) {
    return { toc: undefined, error: TidemarkError.from(error) };
  }
}

function tocEntries(toc: Uint8Array | undefined): Entry[] {
  if (toc === undefined) return [];
  const view = new DataView(toc.buffer, toc.byteOffset, toc.byteLength);
  return Array.from({ length: toc.length / tocEntryBytes }, (_, index) => {
    const position = index * tocEntryBytes;
    return {
      id: toc.subarray(position, position + idBytes),
      offset: view.getUint32(position + 32, true),
      recordBytes: blobHeaderBytes + view.getUint32(position + 36, true),
    };
  });
}

function expectedEntries(expected: Uint8Array): Entry[] {
  const view = new DataView(expected.buffer, expected.byteOffset, expected.byteLength);
  return Array.from({ length: expected.length / expectedEntryBytes }, (_, index) => {
    const position = index * expectedEntryBytes;
    return {
      id: expected.subarray(position, position + idBytes),
      offset: view.getUint32(position + 32, true),
      recordBytes: view.getUint32(position + 36, true),
    };
  });
}

/** Whether table and index name the same blobs at the same places; the index may list them in another order. */
function sameEntries(toc: Uint8Array | undefined, expected: Uint8Array): boolean {
  const places = new Map(expectedEntries(expected).map((entry) => [entry.offset, entry]));
  const entries = tocEntries(toc);
  return (
    entries.length === places.size &&
    entries.every((entry) => {
      const place = places.get(entry.offset);
      return place?.recordBytes === entry.recordBytes && Buffer.compare(place.id, entry.id) === 0;
    })
  );
}

function damaged(name: string, why: string): TidemarkError {
  return new TidemarkError(errorCodes.repositoryCorrupt, `Pack ${name} is damaged: ${why}.`, {
    hint: 'Check the disk of the repository. What is whole in the pack moves to another one with the next garbage collection.',
  });
}
