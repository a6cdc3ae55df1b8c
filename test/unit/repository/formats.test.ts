import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import * as fc from 'fast-check';

import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { integer, json, object } from '../../../server/protocol/parse.ts';
import { defaultChunkBytes, isChunkBytes } from '../../../server/repository/chunk-size.ts';
import { encodeConfig, newConfig, readConfig } from '../../../server/repository/config.ts';
import { decodeSegment, encodeSegment } from '../../../server/repository/index-segment.ts';
import { openLocalBackend } from '../../../server/repository/local-backend.ts';
import { storedRestorePoint } from '../../../server/repository/model.ts';
import { newRecoveryKey, parseRecoveryKey } from '../../../server/repository/recovery-key.ts';
import { sealedKind } from '../../../server/repository/sealed-file.ts';
import { canonicalJson, decodeSelfChecked, encodeSelfChecked } from '../../../server/repository/self-checked.ts';
import { newPoint, signal, storedDisk, temporaryFolder } from './support.ts';

import { id, files, packOf, assertRefused, never } from './format-support.ts';

describe('index segments', () => {
  const segment = fc.record(
    {
      supersedes: fc.array(
        fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex')),
        {
          maxLength: 3,
        },
      ),
      packs: fc.array(
        fc.array(fc.string({ minLength: 1, maxLength: 50 }), { minLength: 1, maxLength: 5 }).map((texts) => {
          const { packId, kind, fileBytes, toc } = packOf(texts.map((text) => Buffer.from(`${text}.`)));
          return { packId, kind, fileBytes, toc };
        }),
        { maxLength: 4 },
      ),
    },
    { noNullPrototype: true },
  );

  it('decode to what was encoded (property)', () => {
    fc.assert(
      fc.property(segment, (value) => {
        const decoded = decodeSegment(encodeSegment(value), 'segment');
        const plain = { ...decoded, packs: decoded.packs.map((pack) => ({ ...pack, toc: new Uint8Array(pack.toc) })) };
        assert.deepEqual(plain, value);
      }),
      { numRuns: 50 },
    );
  });

  it('with huge counts or any change are refused, in bounded memory', () => {
    const { packId, kind, fileBytes, toc } = packOf([Buffer.from('a'), Buffer.from('b')]);
    const bytes = encodeSegment({ supersedes: ['00'.repeat(32)], packs: [{ packId, kind, fileBytes, toc }] });
    for (const at of [4, 8, 12, 16 + 32 + 44]) {
      const hostile = Buffer.from(bytes);
      hostile.writeUInt32LE(0xffff_ffff, at);
      assert.throws(() => decodeSegment(hostile, 'segment'), { code: errorCodes.repositoryCorrupt });
    }
    const sealed = files.seal(sealedKind.segment, 'index', bytes);
    assertRefused(
      sealed,
      (file) => decodeSegment(files.open(sealedKind.segment, 'index', file, 'file'), 'file'),
      never,
    );
  });

  it('of random bytes are refused (property)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        assert.throws(() => decodeSegment(Uint8Array.of(1, 0, ...bytes, 1), 'segment'), TidemarkError);
      }),
    );
  });
});

describe('sealed files', () => {
  it('open to what was sealed, under their own name and kind only (property)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), fc.string({ maxLength: 40 }), (bytes, name) => {
        const file = files.seal(sealedKind.damage, name, bytes);
        assert.deepEqual(new Uint8Array(files.open(sealedKind.damage, name, file, 'file')), bytes);
        assert.throws(() => files.open(sealedKind.damage, `${name}x`, file, 'file'), {
          code: errorCodes.repositoryCorrupt,
        });
        assert.throws(() => files.open(sealedKind.condemned, name, file, 'file'), {
          code: errorCodes.repositoryCorrupt,
        });
      }),
    );
  });

  it('of restore points come back whole, and with any byte changed are refused', () => {
    const map = { root: { type: 'inline' as const, pages: Buffer.alloc(64, 3).toString('base64') }, dataBytes: 5 };
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- 64 hex digits
    const configuration = 'ab'.repeat(32) as Parameters<typeof newPoint>[1];
    const point = storedRestorePoint(
      {
        ...newPoint([storedDisk(70_000, map)], configuration),
        id: '01ARZ3NDEKTSV4RRFFQ69G5FAV',
        finishedAt: '2026-01-02T03:04:05Z',
      },
      'point',
    );
    const file = files.seal(sealedKind.restorePoint, 'name', Buffer.from(JSON.stringify(point)));
    const read = (bytes: Uint8Array): unknown =>
      json(
        Buffer.from(files.open(sealedKind.restorePoint, 'name', bytes, 'file')).toString(),
        storedRestorePoint,
        'file',
      );
    assert.deepEqual(read(file), point);
    assertRefused(file, read, never);
  });

  it('that claim to unpack to gigabytes are refused', () => {
    const file = files.seal(sealedKind.damage, 'name', Buffer.alloc(100));
    file.writeUInt32LE(0xffff_ffff, 12);
    assert.throws(() => files.open(sealedKind.damage, 'name', file, 'file'), { code: errorCodes.repositoryCorrupt });
  });
});

describe('self-checked JSON', () => {
  it('has one canonical form, whatever the order of its fields (property)', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const turned = Object.fromEntries(Object.entries(value).toReversed());
        assert.equal(canonicalJson(turned), canonicalJson(value));
        assert.deepEqual(JSON.parse(canonicalJson(value)), JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('of a configuration with any change that means something is refused', async () => {
    using folder = temporaryFolder();
    const good = encodeConfig(newConfig(id, '2026-01-02T03:04:05Z'));
    const backend = openLocalBackend(folder.path);
    for (let at = 0; at < good.length; at++) {
      const bytes = Buffer.from(good);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      writeFileSync(join(folder.path, 'config.json'), bytes);
      try {
        const { config } = await readConfig(backend, folder.path, signal);
        assert.deepEqual(config, newConfig(id, '2026-01-02T03:04:05Z'), `byte ${at}`);
      } catch (error) {
        if (!TidemarkError.is(error)) throw error;
      }
    }
  });

  it('nested deeper than a stack is refused with an error of ours', () => {
    const deep = Buffer.from(`{"sum":"x","a":${'['.repeat(30_000)}${']'.repeat(30_000)}}`);
    assert.throws(() => decodeSelfChecked(deep, (value) => value, 'file'), { code: errorCodes.repositoryCorrupt });
    const good = encodeSelfChecked({ a: 1 });
    assert.deepEqual(decodeSelfChecked(good, object({ a: integer() }), 'file'), { a: 1 });
  });
});

describe('recovery keys', () => {
  it('survive case and spacing, and one wrong character is noticed', () => {
    const key = newRecoveryKey();
    const digits = parseRecoveryKey(key);
    assert.equal(digits?.length, 52);
    assert.equal(parseRecoveryKey(` ${key.toLowerCase().replaceAll('-', '')}`), digits);
    let noticed = 0;
    for (let at = 0; at < key.length; at++) {
      if (key[at] === '-') continue;
      const wrong = key.slice(0, at) + (key[at] === 'A' ? 'B' : 'A') + key.slice(at + 1);
      if (parseRecoveryKey(wrong) === undefined) noticed += 1;
    }
    assert.equal(noticed, 56);
    assert.equal(parseRecoveryKey('correct horse'), undefined);
  });
});

describe('chunk sizes', () => {
  it('are 256 KiB until the index of one disk would be too large, and always possible ones', () => {
    const gib = 1024 ** 3;
    assert.equal(defaultChunkBytes(4 * gib), 262_144);
    assert.equal(defaultChunkBytes(512 * gib), 262_144);
    assert.equal(defaultChunkBytes(512 * gib + 1), 524_288);
    assert.equal(defaultChunkBytes(64 * 1024 * gib), 4_194_304);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 64 * 1024 ** 4 }), (bytes) => isChunkBytes(defaultChunkBytes(bytes))),
    );
    for (const bad of [0, 65_537, 32_768, 8_388_608, 100_000]) assert.equal(isChunkBytes(bad), false);
  });
});
