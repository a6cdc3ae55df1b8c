/** The repository library. */
export type * from './api.ts';
export { openLocalBackend } from './local-backend.ts';
export type { PieceWriter, StorageBackend, StoredFile, UnfinishedFile } from './backend.ts';
export type { SealedBlob } from './blob.ts';
export { BlobOpener } from './blob-opener.ts';
export { ChunkSealer } from './blob-sealer.ts';
export { defaultChunkBytes, isChunkBytes } from './chunk-size.ts';
export { pieceFolder } from './left-pieces.ts';
export type { RepositoryKeys } from './keys.ts';
export type { BlobId, NewRestorePoint, StoredDisk, StoredMap, StoredRestorePoint } from './model.ts';
export { createRepository, openRepository } from './open.ts';
export type { RestorePointPin } from './pin-store.ts';
export { PackBuilder } from './pack-builder.ts';
export type { FinishedPack } from './pack-builder.ts';
export { unpackFrame } from './unpack.ts';
