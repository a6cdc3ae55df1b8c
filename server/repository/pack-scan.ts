/** Compares the packs that are stored with those that the index knows, and reads the tables of contents of the others. */
import { hash } from 'node:crypto';

import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import type { StorageBackend, StoredFile } from './backend.ts';
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
        damaged.push({ file: file.name, error: await damageOf(error, file, backend, signal) });
      }
    }
  }
  return { unknown, damaged, missing: [...missing] };
}

/** The damage that an error tells of; what is none is thrown. A version that is not known is damage when the file is not what its name says. */
async function damageOf(
  error: unknown,
  file: StoredFile,
  backend: StorageBackend,
  signal: AbortSignal,
): Promise<unknown> {
  if (TidemarkError.is(error, errorCodes.repositoryCorrupt)) return error;
  if (!TidemarkError.is(error, errorCodes.repositoryTooNew)) throw error;
  const bytes = await backend.get(file.name, { maxBytes: file.bytes, signal });
  if (parsePackName(file.name)?.packId === hash('sha256', bytes, 'hex')) throw error;
  return new TidemarkError(errorCodes.repositoryCorrupt, `Pack ${file.name} is damaged: its bytes have changed.`, {
    hint: '`tidemark repo verify` names the restore points that need it.',
  });
}

function notAPack(file: string): TidemarkError {
  return new TidemarkError(errorCodes.repositoryCorrupt, `${file} in the repository is not named like a pack.`);
}
