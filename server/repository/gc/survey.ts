/** What a garbage collection knows before it decides: what is needed, which packs are condemned, who is writing. */
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { ChunkIndex } from '../chunk-index.ts';
import type { RepositoryCore } from '../core.ts';
import type { Lease } from '../leases.ts';
import type { StoredRestorePoint } from '../model.ts';
import type { CondemnedRecord, DamageRecord, StoredRecord } from '../records.ts';
import { parsePackName } from '../pack-toc.ts';
import type { Bitmap } from './bitmap.ts';
import { markLive } from './mark.ts';
import type { PackUsage } from './plan.ts';

/** File times may lag the clock by this much, ms: FAT counts in steps of two seconds. */
const clockStepMs = 2000;

/** The state of a repository at one moment. */
export interface Survey {
  readonly index: ChunkIndex;
  readonly points: readonly StoredRestorePoint[];
  readonly live: Bitmap;
  /** Chunks that restore points name and no pack holds. */
  readonly missingChunks: number;
  /** The storage's clock, ms since 1970. */
  readonly nowMs: number;
  readonly condemned: readonly StoredRecord<CondemnedRecord>[];
  readonly damage: readonly StoredRecord<DamageRecord>[];
  /** Files in the folders of packs that are none, by pack id. Nothing can name what is in them. */
  readonly unreadablePacks: ReadonlySet<string>;
  /** Packs that a writer may be making, who will name them in a restore point. */
  readonly young: ReadonlySet<string>;
  /** Usage of every pack of the index, by pack id. */
  readonly usage: ReadonlyMap<string, PackUsage>;
}

/** How to survey. */
export interface SurveyOptions {
  /** The lease under which the survey is made; undefined in a dry run. */
  readonly lease: Lease | undefined;
  /** Nobody else can be writing, or shall be taken not to. */
  readonly alone: boolean;
  readonly signal: AbortSignal;
  readonly log: (text: string) => void;
  readonly onProgress: (doneBytes: number, totalBytes: number) => void;
}

/** Looks at everything. Throws `TM4016` when a restore point or a page of a map cannot be read: nothing is deleted on partial knowledge. */
export async function survey(core: RepositoryCore, options: SurveyOptions): Promise<Survey> {
  const { signal } = options;
  const sinceMs = options.alone ? Infinity : await writersSince(core, options.lease, signal);
  await core.refreshIndex(signal);
  const rescan = await core.rescanPacks(signal);
  const condemned = await core.condemned(signal);
  const damage = await core.damage(signal);
  const { index } = core;
  const { points, damaged } = await core.listRestorePoints(signal);
  const unread = damaged[0];
  if (unread !== undefined) throw partialKnowledge(unread.file, unread.error);
  const totalBytes = points.flatMap((point) => point.disks).reduce((sum, disk) => sum + disk.sizeBytes, 0);
  let doneBytes = 0;
  const { live, missingChunks } = await markLive(core, index, points, {
    signal,
    onUnreadable: (point, error) => {
      throw partialKnowledge(`The block map of restore point ${point.id}`, error);
    },
    onAdvance: (bytes) => options.onProgress((doneBytes += bytes), totalBytes),
  });
  if (missingChunks > 0) {
    options.log(`${missingChunks} chunks that restore points name are in no pack; verify the repository.`);
  }
  return {
    index,
    points,
    live,
    missingChunks,
    nowMs: await core.backend.now(),
    condemned,
    damage,
    unreadablePacks: new Set(rescan.damaged.flatMap(({ file }) => parsePackName(file)?.packId ?? [])),
    young: await packsSince(core, sinceMs, signal),
    usage: packUsage(index, live, damage),
  };
}

/** The moment, by the storage's clock, since when somebody may have been writing without a restore point to show for it yet. */
async function writersSince(core: RepositoryCore, own: Lease | undefined, signal: AbortSignal): Promise<number> {
  const writers = (await core.liveLeases(signal)).filter((lease) => lease.file !== own?.file);
  return Math.min((await core.backend.now()) - clockStepMs, ...writers.map((lease) => lease.createdMs));
}

/** Packs whose files were written at `sinceMs` or later. */
async function packsSince(
  core: Pick<RepositoryCore, 'backend'>,
  sinceMs: number,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const young = new Set<string>();
  if (sinceMs === Infinity) return young;
  for (const folder of ['d', 'm']) {
    for await (const file of core.backend.list(folder, signal)) {
      const packId = parsePackName(file.name)?.packId;
      if (packId !== undefined && file.modifiedMs >= sinceMs) young.add(packId);
    }
  }
  return young;
}

function packUsage(
  index: ChunkIndex,
  live: Bitmap,
  damage: readonly StoredRecord<DamageRecord>[],
): ReadonlyMap<string, PackUsage> {
  const damagedPacks = new Set(
    damage.flatMap(({ record }) => [...(record.packs ?? []), ...record.blobs.map((blob) => blob.pack)]),
  );
  const usage = new Map<string, PackUsage>();
  for (const [number, pack] of index.packs.entries()) {
    let liveBytes = 0;
    let recordBytes = 0;
    let stuck = false;
    const damaged = damagedPacks.has(pack.packId);
    for (let ordinal = pack.first; ordinal < pack.first + pack.count; ordinal++) {
      const bytes = index.location(ordinal).recordBytes;
      recordBytes += bytes;
      if (!live.has(ordinal)) continue;
      liveBytes += bytes;
      if (damaged && index.entry(ordinal).damaged) stuck = true;
    }
    const { packId, kind, fileBytes } = pack;
    usage.set(packId, { packId, number, kind, fileBytes, liveBytes, recordBytes, damaged, stuck });
  }
  return usage;
}

function partialKnowledge(what: string, cause: unknown): TidemarkError {
  return new TidemarkError(
    errorCodes.repositoryDamaged,
    `Nothing was deleted: ${what} cannot be read, so it is not known what it needs. ${TidemarkError.from(cause).message}`,
    {
      hint: 'Run `tidemark repo verify`, delete the restore points that it names (or repair the storage), then collect again.',
      cause,
    },
  );
}
