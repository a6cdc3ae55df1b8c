/** What a garbage collection sets right besides packs: healed damage, leftovers of interrupted writes, an index in many pieces. */
import { hash } from 'node:crypto';

import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { RepositoryCore } from '../core.ts';
import { removeLeftPieces } from '../left-pieces.ts';
import { maxSealedBytes } from '../sealed-file.ts';

/** An index in more segments than this is merged: each is a file to open and a request to an object store. */
const mergedSegments = 16;
/** Whatever a write leaves unfinished for so long, ms, will never be finished. */
const unfinishedMs = 60 * 60 * 1000;

/** File times may lag the clock by this much, ms: FAT counts in steps of two seconds. */
const clockStepMs = 2000;

const recordName = /^(gc\/condemned-|damage\/)[0-9A-Z]{26}$/;
const segmentName = /^index\/[0-9a-f]{64}$/;

/** Deletes records of damage of which nothing is left: the packs are gone, and what was in them was stored again or is not needed. */
export async function forgetHealedDamage(core: RepositoryCore, signal: AbortSignal): Promise<void> {
  for (const { file, record } of await core.damage(signal)) {
    const packs = [...(record.packs ?? []), ...record.blobs.map((blob) => blob.pack)];
    if (packs.every((packId) => core.index.pack(packId) === undefined)) await core.deleteRecord(file, signal);
  }
}

/** Deletes records that cannot be opened: they have no effect, and what they said is found again. */
export async function removeUnreadableRecords(core: RepositoryCore, signal: AbortSignal): Promise<void> {
  const files: string[] = [];
  for (const folder of ['gc', 'damage']) {
    for await (const { name } of core.backend.list(folder, signal)) if (recordName.test(name)) files.push(name);
  }
  // Listed after the files, so that a record that is written just now is not taken for one that cannot be opened.
  const known = new Set([...(await core.condemned(signal)), ...(await core.damage(signal))].map(({ file }) => file));
  for (const file of files) if (!known.has(file)) await core.deleteRecord(file, signal);
}

/**
 * Deletes what interrupted writes left. With `alone`, when nobody else can be writing, at once; leases are written by anybody.
 * A writer that lives may be filling a pack for longer than an hour, while it reads what is stored already.
 */
export async function removeUnfinished(core: RepositoryCore, alone: boolean, signal: AbortSignal): Promise<void> {
  await removeLeftPieces(core, signal);
  const nowMs = await core.backend.now();
  const writers = alone ? [] : await core.liveLeases(signal);
  const sinceMs = Math.min(...writers.map((lease) => lease.createdMs - clockStepMs));
  for await (const file of core.backend.listUnfinished('', signal)) {
    const atOnce = alone && !file.name.startsWith('leases/');
    const leftOver = file.modifiedMs + unfinishedMs <= nowMs && file.modifiedMs < sinceMs;
    if (atOnce || leftOver) await core.backend.delete(file.name, signal);
  }
}

/** Deletes segments that others supersede, which an interrupted merge left; young ones may be news that were not read yet. */
export async function removeSuperseded(core: RepositoryCore, alone: boolean, signal: AbortSignal): Promise<void> {
  await core.refreshIndex(signal);
  const known = new Set(core.segments.map((segment) => segment.file));
  const nowMs = await core.backend.now();
  for await (const file of core.backend.list('index', signal)) {
    if (known.has(file.name) || !segmentName.test(file.name)) continue;
    if (alone || file.modifiedMs + unfinishedMs <= nowMs) await core.backend.delete(file.name, signal);
  }
}

/** Merges the index when it is in many segments, and replaces segments that cannot be read, or not any more. */
export async function mergeIndex(core: RepositoryCore, signal: AbortSignal): Promise<void> {
  let replace = core.segments.length > mergedSegments;
  for (const segment of core.segments) {
    replace ||= segment.error !== undefined || !(await isWhole(core, segment.file, signal));
  }
  if (replace) await core.rewriteIndex(new Set(), signal);
}

async function isWhole(core: RepositoryCore, file: string, signal: AbortSignal): Promise<boolean> {
  try {
    const bytes = await core.backend.get(file, { maxBytes: 2 * maxSealedBytes, signal });
    return file.endsWith(hash('sha256', bytes, 'hex'));
  } catch (error) {
    if (TidemarkError.is(error, errorCodes.repositoryCorrupt)) return false;
    if (TidemarkError.is(error, errorCodes.repositoryFileMissing)) return false;
    throw error;
  }
}
