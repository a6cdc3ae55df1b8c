import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';

import * as fc from 'fast-check';

import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { repositoryId } from '../../../server/protocol/ids.ts';
import { blobHeaderBytes, blobType, contentId } from '../../../server/repository/blob.ts';
import { BlobOpener } from '../../../server/repository/blob-opener.ts';
import { isZero, sealBlob } from '../../../server/repository/blob-sealer.ts';
import { deriveKeys } from '../../../server/repository/keys.ts';
import { openLocalBackend } from '../../../server/repository/local-backend.ts';
import { PackBuilder } from '../../../server/repository/pack-builder.ts';
import { checkToc, parsePackName, readToc, readTocEntry, tocEntryBytes } from '../../../server/repository/pack-toc.ts';
import { signal, temporaryFolder } from './support.ts';

import {
  id,
  repositoryBytes,
  keys,
  sealer,
  opener,
  content,
  sealChunk,
  packOf,
  store,
  assertRefused,
  never,
} from './format-support.ts';

describe('blobs', () => {
  it('open to what was sealed, whatever it is (property)', () => {
    fc.assert(
      fc.property(content, (plain) => {
        const { id: chunk, record } = sealChunk(plain);
        if (isZero(plain)) return;
        assert.deepEqual(new Uint8Array(opener.open(record, chunk, { checkId: true })), plain);
        assert.ok(record.length <= blobHeaderBytes + plain.length, 'never longer than the content');
      }),
    );
  });

  it('keep a zstd frame that the agent made, unless it saves nothing', () => {
    const plain = Buffer.alloc(65_536, 'text ');
    const own = sealer.seal(contentId(keys, blobType.chunk, plain), plain);
    assert.equal(own.compression, 1);
    assert.ok(own.storedBytes < 1000);
    const noise = randomBytes(65_536);
    assert.equal(sealer.seal(contentId(keys, blobType.chunk, noise), noise, randomBytes(65_000)).compression, 0);
  });

  it('of metadata open as chunks do', () => {
    const page = Buffer.alloc(32_768, 7);
    const pageId = contentId(keys, blobType.mapPage, page);
    const record = Buffer.concat(sealBlob(keys, repositoryBytes, blobType.mapPage, pageId, page).parts);
    assert.deepEqual(Buffer.from(opener.open(record, pageId, { checkId: true })), page);
  });

  it('of zeros have the id of zeros, and ids depend on the key and on the type', () => {
    const out = new Uint8Array(64).fill(1);
    sealer.id(new Uint8Array(5_000_000), out, 32);
    assert.deepEqual([...out], [...Buffer.alloc(32, 1), ...Buffer.alloc(32)]);
    const plain = Buffer.from('x');
    const other = deriveKeys(Buffer.alloc(32, 2), id);
    assert.notDeepEqual(contentId(keys, blobType.chunk, plain), contentId(other, blobType.chunk, plain));
    assert.notDeepEqual(contentId(keys, blobType.chunk, plain), contentId(keys, blobType.mapPage, plain));
  });

  it('with any byte changed are refused, and never give other bytes', () => {
    for (const plain of [Buffer.from('some text, some text, some text, some text'), randomBytes(64)]) {
      const { id: chunk, record } = sealChunk(plain);
      assertRefused(record, (bytes) => opener.open(bytes, chunk, { checkId: false }), never);
    }
  });

  it('of another id, another repository or with other content than their id says are refused', () => {
    const one = sealChunk(Buffer.from('one'));
    const two = sealChunk(Buffer.from('two'));
    const corrupt = { code: errorCodes.blobCorrupt };
    assert.throws(() => opener.open(one.record, two.id, { checkId: false }), corrupt);
    const elsewhere = new BlobOpener(keys, repositoryId('f'.repeat(32), 'id'));
    assert.throws(() => elsewhere.open(one.record, one.id, { checkId: false }), corrupt);
    const lying = Buffer.concat(sealer.seal(one.id, Buffer.from('two')).parts);
    assert.throws(() => opener.open(lying, one.id, { checkId: true }), corrupt);
  });

  it('that claim to unpack to gigabytes are refused without unpacking', () => {
    const { id: chunk, record } = sealChunk(Buffer.alloc(65_536, 'text '));
    record.writeUInt32LE(0xffff_ffff, 16);
    assert.throws(() => opener.open(record, chunk, { checkId: true }), { code: errorCodes.blobCorrupt });
  });
});

describe('packs', () => {
  it('give back their table of contents, from the end of the file alone (property)', async () => {
    using folder = temporaryFolder();
    const backend = openLocalBackend(folder.path);
    await fc.assert(
      fc.asyncProperty(fc.array(content, { minLength: 1, maxLength: 20 }), async (plains) => {
        const pack = packOf(plains);
        const bytes = Buffer.concat(pack.parts);
        assert.equal(pack.packId, createHash('sha256').update(bytes).digest('hex'));
        assert.equal(bytes.length, pack.fileBytes);
        assert.deepEqual(parsePackName(pack.name), { kind: 'data', packId: pack.packId });
        store(folder.path, pack, bytes);
        const toc = await readToc(backend, pack.name, 'data', bytes.length, signal);
        assert.deepEqual(Buffer.from(toc), Buffer.from(pack.toc));
        for (const [index, plain] of plains.entries()) {
          const entry = readTocEntry(toc, index);
          const record = bytes.subarray(entry.offset, entry.offset + blobHeaderBytes + entry.storedBytes);
          assert.deepEqual(new Uint8Array(opener.open(record, entry.id, { checkId: true })), plain);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('with a changed or cut tail are refused, in bounded memory', async () => {
    using folder = temporaryFolder();
    const backend = openLocalBackend(folder.path);
    const pack = packOf([Buffer.from('a'), Buffer.from('b'), Buffer.from('c')]);
    const good = Buffer.concat(pack.parts);
    const read = async (bytes: Uint8Array): Promise<unknown> => {
      store(folder.path, pack, bytes);
      return readToc(backend, pack.name, 'data', bytes.length, signal);
    };
    // The last four bytes are padding.
    for (let at = good.length - 64 - 3 * tocEntryBytes; at < good.length - 4; at++) {
      // Two zero bytes after the version, which a later version may use.
      if (at === good.length - 54 || at === good.length - 53) continue;
      const bytes = Buffer.from(good);
      bytes[at] = (bytes[at] ?? 0) ^ 0x80;
      await assert.rejects(read(bytes), TidemarkError, `byte ${at - good.length}`);
    }
    for (const length of [0, 1, 63, 64, 65, good.length - 1])
      await assert.rejects(read(good.subarray(0, length)), TidemarkError);
    await assert.rejects(readToc(backend, pack.name, 'data', 2 ** 40, signal), { code: errorCodes.repositoryCorrupt });
    await assert.rejects(readToc(backend, pack.name, 'meta', good.length, signal), {
      code: errorCodes.repositoryCorrupt,
    });
  });

  it('take records of other packs unchanged', () => {
    const { record } = sealChunk(Buffer.from('moved'));
    const pack = new PackBuilder();
    pack.addRecord(record);
    const moved = pack.finish();
    assert.deepEqual(Buffer.concat(moved.parts).subarray(0, record.length), record);
    assert.throws(() => new PackBuilder('meta').addRecord(record), { code: errorCodes.internal });
    assert.throws(() => new PackBuilder().addRecord(Buffer.from('nonsense')), { code: errorCodes.blobCorrupt });
  });

  it('whose table of contents lies about gaps, lengths, kinds or types are refused', () => {
    const pack = packOf([Buffer.from('a'), Buffer.from('b')]);
    checkToc(pack.toc, 'data', pack.fileBytes, 'pack');
    for (const [at, value] of [
      [32, 9],
      [36, 200],
      [40, 0],
      [44, 2],
      [44, 9],
      [45, 7],
      [46, 0],
      [47, 1],
      [80, 1],
    ] as const) {
      const toc = Buffer.from(pack.toc);
      toc[at] = value;
      assert.throws(
        () => checkToc(toc, 'data', pack.fileBytes, 'pack'),
        { code: errorCodes.repositoryCorrupt },
        `${at}`,
      );
    }
  });
});
