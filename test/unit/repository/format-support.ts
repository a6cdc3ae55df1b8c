/** One repository's keys, and ways to spoil what was made with them, for the tests of the formats. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import * as fc from 'fast-check';

import { TidemarkError } from '../../../server/protocol/errors.ts';
import { repositoryId } from '../../../server/protocol/ids.ts';
import { blobType, contentId } from '../../../server/repository/blob.ts';
import { BlobOpener } from '../../../server/repository/blob-opener.ts';
import { ChunkSealer } from '../../../server/repository/blob-sealer.ts';
import { deriveKeys } from '../../../server/repository/keys.ts';
import { PackBuilder } from '../../../server/repository/pack-builder.ts';
import type { FinishedPack } from '../../../server/repository/pack-builder.ts';
import { FileSealer } from '../../../server/repository/sealed-file.ts';

export const id = repositoryId('0123456789abcdef'.repeat(2), 'id');
export const repositoryBytes = Buffer.from(id, 'hex');
export const keys = deriveKeys(Buffer.alloc(32, 1), id);
export const sealer = new ChunkSealer(keys, id);
export const opener = new BlobOpener(keys, id);
export const files = new FileSealer(keys, id);

export const content = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 3000 }),
  fc
    .tuple(fc.uint8Array({ minLength: 1, maxLength: 8 }), fc.integer({ min: 1, max: 500 }))
    .map(([unit, times]) => new Uint8Array(Buffer.concat(Array.from({ length: times }, () => unit)))),
);

export function sealChunk(plain: Uint8Array): { readonly id: Uint8Array; readonly record: Buffer } {
  const chunk = new Uint8Array(32);
  sealer.id(plain, chunk, 0);
  return { id: chunk, record: Buffer.concat(sealer.seal(chunk, plain).parts) };
}

export function packOf(plains: readonly Uint8Array[]): FinishedPack {
  const pack = new PackBuilder();
  for (const plain of plains) {
    const chunk = contentId(keys, blobType.chunk, plain);
    pack.add(sealer.seal(chunk, plain));
  }
  return pack.finish();
}

export function store(folder: string, pack: { readonly name: string }, bytes: Uint8Array): void {
  mkdirSync(dirname(join(folder, pack.name)), { recursive: true });
  writeFileSync(join(folder, pack.name), bytes);
}

/** Runs `read` on `original` with one change at a time; it must throw a Tidemark error, or be one of the harmless ones. */
export function assertRefused(
  original: Uint8Array,
  read: (bytes: Uint8Array) => unknown,
  harmless: (at: number) => boolean,
): void {
  for (let at = 0; at < original.length; at++) {
    const bytes = Buffer.from(original);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
    try {
      read(bytes);
      assert.ok(harmless(at), `a flip at byte ${at} went unnoticed`);
    } catch (error) {
      if (!TidemarkError.is(error)) throw error;
    }
  }
  for (let length = 0; length < original.length; length += Math.max(1, Math.floor(original.length / 200))) {
    assert.throws(() => read(Buffer.from(original.subarray(0, length))), TidemarkError);
  }
  assert.throws(() => read(Buffer.concat([original, Buffer.alloc(1)])), TidemarkError);
}

export const never = (): boolean => false;
