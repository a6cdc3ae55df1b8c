/** Decides which packs a garbage collection gives up and which it rewrites: pure arithmetic, so that a dry run shows what a real one does. */

/** Rewriting a data pack pays when less than this share of it is needed. */
const repackBelow = 0.6;
/** Unneeded bytes that may stay in data packs, as a share of all: rewriting the last few costs more than it frees. */
const toleratedUnused = 0.05;
/** A pack below this size counts as small; this many small ones of one kind are joined. One alone would be rewritten for ever. */
const smallPackBytes = { data: 4 * 1024 * 1024, meta: 2 * 1024 * 1024 } as const;
const smallPacksJoined = 10;

/** What of one pack is still needed. */
export interface PackUsage {
  readonly packId: string;
  /** Position among the packs of the index. */
  readonly number: number;
  readonly kind: 'data' | 'meta';
  readonly fileBytes: number;
  /** Bytes of the records that a restore point needs, headers included. */
  readonly liveBytes: number;
  /** Bytes of all its records, headers included. */
  readonly recordBytes: number;
  /** Whether a verify found damage in it: what is whole moves to another pack. */
  readonly damaged: boolean;
  /** Whether a needed blob of it is damaged and has no other copy: then the pack stays as it is, until a backup stores the data again. */
  readonly stuck: boolean;
}

/** What a collection does. */
export interface GcPlan {
  /** Packs of which nothing is needed. */
  readonly dead: readonly PackUsage[];
  /** Packs whose needed blobs move to new packs, worst first. */
  readonly repack: readonly PackUsage[];
  /** Bytes that are copied. */
  readonly repackBytes: number;
  /** Bytes of the files that go: `dead` and `repack`. */
  readonly condemnedBytes: number;
}

/** Plans over all packs that are not condemned yet. */
export function planCollection(packs: readonly PackUsage[]): GcPlan {
  const dead = packs.filter((pack) => pack.liveBytes === 0);
  const alive = packs.filter((pack) => pack.liveBytes > 0 && !pack.stuck);
  const chosen = new Set<PackUsage>();
  for (const pack of alive) {
    const wasteful = pack.kind === 'meta' && pack.liveBytes < pack.recordBytes;
    if (wasteful || pack.damaged) chosen.add(pack);
  }
  for (const kind of ['data', 'meta'] as const) {
    const small = alive.filter((pack) => pack.kind === kind && pack.fileBytes < smallPackBytes[kind]);
    if (small.length >= smallPacksJoined) for (const pack of small) chosen.add(pack);
  }
  chooseSparse(alive, chosen);
  const repack = [...chosen].toSorted((a, b) => liveShare(a) - liveShare(b) || a.number - b.number);
  return {
    dead,
    repack,
    repackBytes: repack.reduce((sum, pack) => sum + pack.liveBytes, 0),
    condemnedBytes: [...dead, ...repack].reduce((sum, pack) => sum + pack.fileBytes, 0),
  };
}

/** Adds data packs that are mostly unneeded, the worst first, until what stays unneeded is little. */
function chooseSparse(alive: readonly PackUsage[], chosen: Set<PackUsage>): void {
  const kept = alive.filter((pack) => pack.kind === 'data' && !chosen.has(pack));
  let unused = kept.reduce((sum, pack) => sum + unusedBytes(pack), 0);
  const tolerated = alive.reduce((sum, pack) => sum + pack.liveBytes, 0) * toleratedUnused;
  for (const pack of kept.toSorted((a, b) => liveShare(a) - liveShare(b) || a.number - b.number)) {
    if (unused <= tolerated || liveShare(pack) >= repackBelow) return;
    chosen.add(pack);
    unused -= unusedBytes(pack);
  }
}

function unusedBytes(pack: PackUsage): number {
  return pack.recordBytes - pack.liveBytes;
}

function liveShare(pack: PackUsage): number {
  return pack.recordBytes === 0 ? 0 : pack.liveBytes / pack.recordBytes;
}
