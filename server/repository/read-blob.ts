/** Reads one metadata blob, from whichever pack holds a whole copy of it. */
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import { missingChunk } from './block-map.ts';
import type { RepositoryCore } from './core.ts';
import type { BlobId } from './model.ts';

/** The content of a blob, its id checked. Throws `TM4009` when no pack holds it, `TM4010` when every copy is damaged. */
export async function readMetadataBlob(core: RepositoryCore, id: BlobId, signal: AbortSignal): Promise<Uint8Array> {
  const idBytes = Buffer.from(id, 'hex');
  // A second look after the index was refreshed and, if need be, rebuilt: a copy may have moved to another pack.
  for (let look = 1; ; look++) {
    const found = await readAnyCopy(core, idBytes, signal);
    if (found.content !== undefined) return found.content;
    if (look === 1 && (await core.mapSource.recoverIndex(signal))) continue;
    throw found.failure ?? missingChunk(id);
  }
}

async function readAnyCopy(
  core: RepositoryCore,
  id: Uint8Array,
  signal: AbortSignal,
): Promise<{ readonly content?: Uint8Array; readonly failure?: TidemarkError | undefined }> {
  const { index } = core;
  const best = index.find(id);
  if (best < 0) return {};
  let failure: TidemarkError | undefined;
  for (const ordinal of new Set([best, ...index.ordinals(id)])) {
    const { pack, offset, recordBytes } = index.location(ordinal);
    try {
      const record = await core.backend.get(pack, { range: { offset, length: recordBytes }, signal });
      return { content: core.opener.open(record, id, { checkId: true }) };
    } catch (error) {
      if (!isDamage(error)) throw error;
      failure ??= error;
    }
  }
  return { failure };
}

function isDamage(error: unknown): error is TidemarkError {
  return (
    TidemarkError.is(error, errorCodes.blobCorrupt) ||
    TidemarkError.is(error, errorCodes.repositoryCorrupt) ||
    TidemarkError.is(error, errorCodes.repositoryFileMissing)
  );
}
