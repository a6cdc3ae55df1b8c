/** Reads packs and notes what is damaged in them. */
import type { VerifyOptions } from '../api.ts';
import type { ChunkIndex, IndexedPack } from '../chunk-index.ts';
import type { RepositoryCore } from '../core.ts';
import { parsePackName } from '../pack-toc.ts';
import type { BlobDamage } from './blob-damage.ts';
import { checkPacks, expectedEntries } from './check-packs.ts';
import type { Findings } from './findings.ts';
import type { BadBlob, CheckedPack, PackTask } from './verify-messages.ts';

/** Where what is found goes. */
export interface DataCheckTargets {
  readonly index: ChunkIndex;
  readonly damage: BlobDamage;
  readonly findings: Findings;
}

/** Checks every byte of packs. */
export class DataCheck {
  /** Packs whose file as a whole is damaged while all of their blobs are fine, hex ids. */
  readonly damagedPacks: string[] = [];
  readBytes = 0;
  /** Blobs in the packs that were read. */
  blobs = 0;
  readonly #core: RepositoryCore;
  readonly #targets: DataCheckTargets;

  constructor(core: RepositoryCore, targets: DataCheckTargets) {
    this.#core = core;
    this.#targets = targets;
  }

  async read(packs: readonly IndexedPack[], options: VerifyOptions): Promise<void> {
    const totalBytes = packs.reduce((sum, pack) => sum + pack.fileBytes, 0);
    options.log?.(`Reading ${packs.length} packs.`);
    options.onProgress?.(0, totalBytes);
    await checkPacks(this.#core, {
      totalBytes,
      tasks: packTasks(this.#targets.index, packs),
      signal: options.signal,
      onChecked: (checked) => {
        this.readBytes += checked.bytes;
        this.blobs += checked.blobs;
        options.onProgress?.(Math.min(this.readBytes, totalBytes), totalBytes);
        this.#note(checked);
      },
      log: (text) => options.log?.(text),
    });
  }

  #note(checked: CheckedPack): void {
    const { index, damage, findings } = this.#targets;
    const pack = index.pack(parsePackName(checked.name)?.packId ?? '');
    if (pack === undefined) return;
    if (checked.bytes === 0 && checked.fileError !== undefined) {
      damage.addPack(pack, checked.fileError);
      return;
    }
    const byOffset = new Map<number, BadBlob>(checked.bad.map((bad) => [bad.offset, bad]));
    for (let ordinal = pack.first; byOffset.size > 0 && ordinal < pack.first + pack.count; ordinal++) {
      const bad = byOffset.get(index.location(ordinal).offset);
      if (bad !== undefined) damage.add(ordinal, bad.error);
    }
    // A damaged blob is why the hash of its pack is wrong; only damage outside of blobs is a problem of its own.
    if (checked.fileError === undefined || checked.bad.length > 0) return;
    this.damagedPacks.push(pack.packId);
    if (!damage.hasPack(pack)) findings.addReport(checked.name, checked.fileError, []);
  }
}

function* packTasks(index: ChunkIndex, packs: readonly IndexedPack[]): Generator<PackTask> {
  for (const pack of packs) yield { name: pack.name, expected: expectedEntries(index, pack) };
}
