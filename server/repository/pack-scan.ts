/** Compares the packs that are stored with those that the index knows, and reads the tables of contents of the others. */
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import type { StorageBackend } from './backend.ts';
import type { ChunkIndex } from './chunk-index.ts';
import type { NewPack, RescanResult } from './core.ts';
import { parsePackName, readToc } from './pack-toc.ts';

/** What a scan found. */
export interface PackScan extends Pick<RescanResult, 'damaged' | 'missing'> {
  /** Packs that the index does not know. */
  readonly unknown: readonly NewPack[];
}

/** Lists all packs. Files that are no packs, or cannot be read, are among `damaged`; a pack of a newer version throws `TM4004`. */
export async function scanPacks(backend: StorageBackend, index: ChunkIndex, signal: AbortSignal): Promise<PackScan> {
  const unknown: NewPack[] = [];
  const damaged: { file: string; error: unknown }[] = [];
  const missing = new Set(index.packs.map((pack) => pack.name));
  for (const folder of ['d', 'm']) {
    for await (const file of backend.list(folder, signal)) {
      if (missing.delete(file.name)) continue;
      const pack = parsePackName(file.name);
      try {
        if (pack === undefined) throw notAPack(file.name);
        const toc = await readToc(backend, file.name, pack.kind, file.bytes, signal);
        unknown.push({ ...pack, toc, fileBytes: file.bytes });
      } catch (error) {
        if (TidemarkError.is(error, errorCodes.repositoryFileMissing)) continue;
        if (!TidemarkError.is(error, errorCodes.repositoryCorrupt)) throw error;
        damaged.push({ file: file.name, error });
      }
    }
  }
  return { unknown, damaged, missing: [...missing] };
}

function notAPack(file: string): TidemarkError {
  return new TidemarkError(errorCodes.repositoryCorrupt, `${file} in the repository is not named like a pack.`);
}
