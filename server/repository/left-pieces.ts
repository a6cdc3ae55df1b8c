/**
 * Data packs that nobody will finish. Their names tell who began them, so that a writer that lives is never disturbed, and what a dead
 * one left need not wait until it is old.
 */
import { throwIfAborted, TidemarkError } from '../protocol/errors.ts';
import type { RepositoryCore } from './core.ts';
import { writerOf } from './leases.ts';

/** Where data packs are begun. */
export const pieceFolder = 'd';

/** Removes what writers left that have ended. Not being able to is a warning of the repository: the space is missing, and nothing else. */
export async function removeLeftPieces(core: RepositoryCore, signal: AbortSignal): Promise<void> {
  try {
    const pieces = await core.backend.listPieces(pieceFolder, signal);
    if (pieces.length === 0) return;
    // After the files: whoever began one of them had its lease before.
    const living = new Set((await core.liveLeases(signal)).map(({ file }) => writerOf(file)));
    for (const { name, writer } of pieces) if (!living.has(writer)) await core.backend.delete(name, signal);
  } catch (error) {
    throwIfAborted(signal);
    core.warn(`What an interrupted backup left could not be removed: ${TidemarkError.from(error).message}`);
  }
}

/** Removes what this writer began and nobody is at any more. Throws as `StorageBackend` does. */
export async function removePiecesOf(core: RepositoryCore, writer: string): Promise<void> {
  for (const piece of await core.backend.listPieces(pieceFolder)) {
    if (piece.writer === writer) await core.backend.delete(piece.name);
  }
}
