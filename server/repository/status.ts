/** The figures of a repository. */
import { formatBytes } from '../base/format.ts';
import { TidemarkError } from '../protocol/errors.ts';
import type { RepositoryFigures, RestorePointList } from './api.ts';
import type { ChunkIndex } from './chunk-index.ts';
import type { RepositoryCore } from './core.ts';
import type { Bitmap } from './gc/bitmap.ts';
import { markLive } from './gc/mark.ts';

/** Below this many free bytes, or this share of what is stored, a backup may not fit any more. */
const lowSpaceBytes = 10 * 1024 ** 3;
const lowSpaceShare = 0.05;
/** More index segments than this slow down opening; a garbage collection merges them. */
const manySegments = 64;
const maxWarnings = 64;
const maxWarningLength = 4096;

/** What the walk over all block maps gives; it is the slow part. */
interface Usage {
  /** Distinct chunks that restore points need, before compression. */
  readonly uniqueBytes: number;
  readonly unusedBytes: number;
  readonly warnings: readonly string[];
}

/** Walks done before, by repository; the key says for which restore points and index. */
const walks = new WeakMap<RepositoryCore, { readonly key: string; readonly usage: Usage }>();

/** Gathers the figures. Block maps are walked again only when restore points or packs came or went. */
export async function repositoryStatus(core: RepositoryCore, signal: AbortSignal): Promise<RepositoryFigures> {
  await core.refreshIndex(signal);
  const list = await core.listRestorePoints(signal);
  const { points } = list;
  const { uniqueBytes, unusedBytes, warnings } = await usageOf(core, list, signal);
  let storedBytes = 0;
  for await (const file of core.backend.list('', signal)) storedBytes += file.bytes;
  const freeBytes = await core.backend.freeBytes();
  const all = [...core.warnings, ...(await stateWarnings(core, list, storedBytes, freeBytes, signal)), ...warnings];
  return {
    restorePoints: points.length,
    vms: new Set(points.map((point) => point.vmId)).size,
    storedBytes,
    logicalBytes: points.flatMap((point) => point.disks).reduce((sum, disk) => sum + disk.stats.dataBytes, 0),
    uniqueBytes,
    unusedBytes,
    freeBytes,
    warnings: all.slice(0, maxWarnings).map((text) => text.slice(0, maxWarningLength)),
  };
}

async function usageOf(core: RepositoryCore, list: RestorePointList, signal: AbortSignal): Promise<Usage> {
  const { index } = core;
  const damage = (await core.damage(signal)).map(({ file }) => file);
  const condemned = (await core.condemned(signal)).map(({ file }) => file);
  const ids = list.points.map((point) => point.id);
  const key = [
    index.entryCount,
    index.packs.length,
    ...core.segments.map(({ file }) => file),
    ...damage,
    ...condemned,
    ...ids,
  ].join();
  const before = walks.get(core);
  if (before?.key === key) return before.usage;
  const unreadable = new Set<string>();
  const { live, missingChunks } = await markLive(core, index, list.points, {
    signal,
    onUnreadable: (point, error) => unreadable.add(`Restore point ${point.id}: ${TidemarkError.from(error).message}`),
  });
  const warnings = [...unreadable];
  if (missingChunks > 0) warnings.push('Restore points name chunks that are in no pack: verify the repository.');
  const usage = { ...addUp(index, live), warnings };
  walks.set(core, { key, usage });
  return usage;
}

function addUp(index: ChunkIndex, live: Bitmap): { readonly uniqueBytes: number; readonly unusedBytes: number } {
  let uniqueBytes = 0;
  let unusedBytes = 0;
  for (const pack of index.packs) {
    for (let ordinal = pack.first; ordinal < pack.first + pack.count; ordinal++) {
      const { rawBytes, recordBytes } = index.location(ordinal);
      if (!live.has(ordinal)) unusedBytes += recordBytes;
      else if (pack.kind === 'data') uniqueBytes += rawBytes;
    }
  }
  return { uniqueBytes, unusedBytes };
}

async function stateWarnings(
  core: RepositoryCore,
  list: RestorePointList,
  storedBytes: number,
  freeBytes: number | null,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const warnings: string[] = [];
  if (list.damaged.length > 0) {
    warnings.push(`${list.damaged.length} restore points cannot be read; \`tidemark repo verify\` names them.`);
  }
  const damagedBlobs = (await core.damage(signal)).reduce(
    (sum, { record }) => sum + record.blobs.length + (record.packs ?? []).length,
    0,
  );
  if (damagedBlobs > 0) {
    warnings.push(
      `A verification found damage in ${damagedBlobs} places; full backups and garbage collections heal what can be healed.`,
    );
  }
  if (freeBytes !== null && freeBytes < Math.max(Math.min(lowSpaceBytes, storedBytes), storedBytes * lowSpaceShare)) {
    warnings.push(`Only ${formatBytes(freeBytes)} are free where the repository lies.`);
  }
  if (core.segments.length > manySegments) {
    warnings.push(`The index is in ${core.segments.length} segments; \`tidemark repo gc\` merges them.`);
  }
  return warnings;
}
