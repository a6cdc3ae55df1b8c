/** What a garbage collection sets right besides packs: healed damage, leftovers of interrupted writes, an index in many pieces. */
import type { RepositoryCore } from '../core.ts';

/** An index in more segments than this is merged: each is a file to open and a request to an object store. */
const mergedSegments = 16;
/** Whatever a write leaves unfinished for so long, ms, will never be finished. */
const unfinishedMs = 60 * 60 * 1000;

const segmentName = /^index\/[0-9a-f]{64}$/;

/** Deletes records of damage of which nothing is left: the packs are gone, and what was in them was stored again or is not needed. */
export async function forgetHealedDamage(core: RepositoryCore, signal: AbortSignal): Promise<void> {
  for (const { file, record } of await core.damage(signal)) {
    const packs = [...(record.packs ?? []), ...record.blobs.map((blob) => blob.pack)];
    if (packs.every((packId) => core.index.pack(packId) === undefined)) await core.deleteRecord(file, signal);
  }
}

/** Deletes what interrupted writes left. With `alone`, when nobody else can be writing, at once; leases are written by anybody. */
export async function removeUnfinished(core: RepositoryCore, alone: boolean, signal: AbortSignal): Promise<void> {
  const nowMs = await core.backend.now();
  for await (const file of core.backend.listUnfinished('', signal)) {
    const atOnce = alone && !file.name.startsWith('leases/');
    if (atOnce || file.modifiedMs + unfinishedMs <= nowMs) await core.backend.delete(file.name, signal);
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

/** Merges the index when it is in many segments, and replaces segments that cannot be read. */
export async function mergeIndex(core: RepositoryCore, signal: AbortSignal): Promise<void> {
  const unreadable = core.segments.some((segment) => segment.error !== undefined);
  if (unreadable || core.segments.length > mergedSegments) await core.rewriteIndex(new Set(), signal);
}
