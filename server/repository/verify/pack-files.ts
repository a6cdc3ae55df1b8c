/** Which packs are there, and whether they are as long as the index says. */
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { StoredFile } from '../backend.ts';
import type { ChunkIndex, IndexedPack } from '../chunk-index.ts';
import { Bitmap } from '../gc/bitmap.ts';
import { parsePackName } from '../pack-toc.ts';
import type { BlobDamage } from './blob-damage.ts';

/** Takes in the files of a storage one by one; others than packs of the index are passed over. */
export class PackFiles {
  readonly #index: ChunkIndex;
  readonly #present: Bitmap;
  readonly #wrongSizes: { readonly pack: IndexedPack; readonly bytes: number }[] = [];

  constructor(index: ChunkIndex) {
    this.#index = index;
    this.#present = new Bitmap(index.entryCount);
  }

  add(file: StoredFile): void {
    const pack = this.#index.pack(parsePackName(file.name)?.packId ?? '');
    if (pack?.name !== file.name) return;
    this.#present.add(pack.first);
    if (pack.fileBytes !== file.bytes) this.#wrongSizes.push({ pack, bytes: file.bytes });
  }

  /** Notes wrong sizes as damage. Returns the packs that are there, by the ordinal of their first blob. */
  finish(damage: BlobDamage): Bitmap {
    for (const { pack, bytes } of this.#wrongSizes) {
      const error = new TidemarkError(
        errorCodes.repositoryCorrupt,
        `Pack ${pack.name} has ${bytes} bytes instead of ${pack.fileBytes}.`,
        { hint: 'Check the disk of the repository.' },
      );
      damage.addPack(pack, error.report(), bytes);
    }
    return this.#present;
  }
}
