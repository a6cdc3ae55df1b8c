import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';

import type { DataFrame } from '../../../server/daemon/agent-client/data-connection.ts';
import { ChunkBatch } from '../../../server/daemon/transfer/chunk-batch.ts';
import { errorCodes } from '../../../server/protocol/errors.ts';
import { repositoryId } from '../../../server/protocol/ids.ts';
import { BlobOpener, ChunkSealer } from '../../../server/repository/index.ts';
import type { SealedBlob } from '../../../server/repository/index.ts';
import { deriveKeys } from '../../../server/repository/keys.ts';

const chunkBytes = 65_536;
const repository = repositoryId('ab'.repeat(16), 'id');
const keys = deriveKeys(new Uint8Array(32), repository);
const chunk = Buffer.alloc(chunkBytes, 'what a guest wrote ');

type ChunkFrame = Extract<DataFrame, { readonly type: 'data' }>;

function frameOf(payload: Buffer, encoding: 'raw' | 'zstd'): ChunkFrame {
  return { type: 'data', request: 1, offset: 0, encoding, payload, rawBytes: chunkBytes };
}

function batchOf(frame: ChunkFrame): ChunkBatch {
  const batch = new ChunkBatch(new ChunkSealer(keys, repository), () => undefined);
  batch.add(frame, chunkBytes);
  return batch;
}

/** The one chunk of the batch, sealed. */
function sealed(batch: ChunkBatch): SealedBlob {
  const [blob] = batch.sealNew(Uint8Array.of(1));
  assert.ok(blob);
  return blob;
}

/** What a restore gets of it. */
function restored(blob: SealedBlob): Uint8Array {
  return new BlobOpener(keys, repository).open(Buffer.concat(blob.parts), blob.id, { checkId: true });
}

describe('a chunk that the agent compressed', () => {
  test('has the id of the raw chunk, is stored as the agent made it, and restores', () => {
    const compressed = zstdCompressSync(chunk);
    const batch = batchOf(frameOf(compressed, 'zstd'));
    assert.deepEqual(batch.describe().ids, batchOf(frameOf(chunk, 'raw')).describe().ids);
    const blob = sealed(batch);
    assert.equal(blob.storedBytes, compressed.length);
    assert.ok(chunk.equals(restored(blob)));
  });

  const [head, tail] = [chunk.subarray(0, 16_384), chunk.subarray(16_384)];
  const lies = {
    'in several frames': Buffer.concat([zstdCompressSync(head), zstdCompressSync(tail)]),
    'and cut off': zstdCompressSync(chunk).subarray(0, -3),
    'with something behind it': Buffer.concat([zstdCompressSync(chunk), Buffer.from('garbage')]),
    'and made longer': zstdCompressSync(Buffer.concat([chunk, chunk])),
    'and made shorter': zstdCompressSync(head),
  };
  for (const [how, payload] of Object.entries(lies)) {
    test(`${how} is refused, since it could not be restored`, () => {
      assert.throws(() => batchOf(frameOf(payload, 'zstd')), { code: errorCodes.agentProtocolViolation });
    });
  }
});
