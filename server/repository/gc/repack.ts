/** Moves what is still needed out of packs that a collection gives up. */
import { throwIfAborted, TidemarkError } from '../../protocol/errors.ts';
import type { ChunkIndex, IndexedPack } from '../chunk-index.ts';
import type { RepositoryCore } from '../core.ts';
import { PackBuilder } from '../pack-builder.ts';
import { maxPackBytes } from '../pack-toc.ts';
import type { PackKind } from '../pack-toc.ts';
import type { Bitmap } from './bitmap.ts';
import type { PackUsage } from './plan.ts';

/** What came of it. */
export interface Repacked {
  /** Packs whose needed blobs all lie in other, durable packs now. */
  readonly emptied: readonly PackUsage[];
  /** Ids of the packs they went to. */
  readonly written: ReadonlySet<string>;
  readonly copiedBytes: number;
}

/** What moving needs. */
export interface RepackOptions {
  readonly index: ChunkIndex;
  readonly live: Bitmap;
  readonly signal: AbortSignal;
  readonly log: (text: string) => void;
  /** `bytes` more were copied. */
  readonly onAdvance: (bytes: number) => void;
}

/**
 * Copies the live blobs of `packs` to new packs, each opened and checked on the way, and publishes those in the index. A pack
 * that cannot be read in full stays; the copies already made of its blobs do no harm. Memory: one pack read, one of each kind in hand.
 */
export async function repack(
  core: RepositoryCore,
  packs: readonly PackUsage[],
  options: RepackOptions,
): Promise<Repacked> {
  const repacker = new Repacker(core, options);
  const emptied: PackUsage[] = [];
  for (const pack of packs) {
    throwIfAborted(options.signal);
    if (await repacker.empty(pack)) emptied.push(pack);
  }
  await repacker.finish();
  return { emptied, written: repacker.written, copiedBytes: repacker.copiedBytes };
}

class Repacker {
  readonly written = new Set<string>();
  copiedBytes = 0;
  readonly #core: RepositoryCore;
  readonly #options: RepackOptions;
  readonly #builders = new Map<PackKind, PackBuilder>();

  constructor(core: RepositoryCore, options: RepackOptions) {
    this.#core = core;
    this.#options = options;
  }

  /** Whether everything needed of the pack was read and is in hand. */
  async empty(usage: PackUsage): Promise<boolean> {
    const { index, signal, log, onAdvance } = this.#options;
    const pack = index.pack(usage.packId);
    if (pack === undefined) return false;
    let records: readonly Uint8Array[];
    try {
      records = this.#liveRecords(pack, await this.#core.backend.get(pack.name, { maxBytes: maxPackBytes, signal }));
    } catch (error) {
      throwIfAborted(signal);
      log(`Pack ${pack.name} stays as it is: ${TidemarkError.from(error).message}`);
      return false;
    }
    for (const record of records) await this.#add(usage.kind, record);
    onAdvance(usage.liveBytes);
    return true;
  }

  async finish(): Promise<void> {
    for (const builder of this.#builders.values()) await this.#store(builder);
    this.#builders.clear();
    await this.#core.flushIndex(this.#options.signal);
  }

  /** Copies of the needed records, so that what is left of the pack does not stay in memory with them. Throws `TM4010`. */
  #liveRecords(pack: IndexedPack, bytes: Uint8Array): readonly Uint8Array[] {
    const { index, live } = this.#options;
    const records: Uint8Array[] = [];
    for (let ordinal = pack.first; ordinal < pack.first + pack.count; ordinal++) {
      if (!live.has(ordinal)) continue;
      const { offset, recordBytes } = index.location(ordinal);
      // `slice` of a `Buffer` would be no copy.
      const record = new Uint8Array(bytes.subarray(offset, offset + recordBytes));
      this.#core.opener.open(record, index.idOf(ordinal), { checkId: true });
      records.push(record);
    }
    return records;
  }

  async #add(kind: PackKind, record: Uint8Array): Promise<void> {
    const builder = this.#builders.get(kind) ?? new PackBuilder(kind);
    this.#builders.set(kind, builder);
    builder.addRecord(record);
    this.copiedBytes += record.length;
    if (!builder.full) return;
    await this.#store(builder);
    this.#builders.delete(kind);
  }

  async #store(builder: PackBuilder): Promise<void> {
    const { packId, kind, name, parts, toc, fileBytes } = builder.finish();
    await this.#core.backend.put(name, parts, { signal: this.#options.signal });
    this.#core.addPack({ packId, kind, toc, fileBytes });
    this.written.add(packId);
  }
}
