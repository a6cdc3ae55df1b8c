import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as fc from 'fast-check';

import { decodeFrameHeader, frameHeader, FrameReceiver, messageFrame } from '../../../server/base/frames.ts';
import { frameEncoding, frameHeaderBytes, frameType, maxFrameBytes } from '../../../server/protocol/data.ts';
import type { FrameHeader } from '../../../server/protocol/data.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { maxDiskBytes } from '../../../server/protocol/model.ts';

const isViolation = (error: unknown): boolean => TidemarkError.is(error, errorCodes.agentProtocolViolation);

const anyHeader = (maxBytes: number): fc.Arbitrary<FrameHeader> =>
  fc.record(
    {
      type: fc.constantFrom(...Object.values(frameType)),
      encoding: fc.constantFrom(...Object.values(frameEncoding)),
      request: fc.nat({ max: 2 ** 32 - 1 }),
      offset: fc.nat({ max: maxDiskBytes }),
      rawBytes: fc.nat({ max: maxFrameBytes }),
      storedBytes: fc.nat({ max: maxBytes }),
    },
    { noNullPrototype: true },
  );

const pieceSizes = (max: number): fc.Arbitrary<number[]> => fc.array(fc.integer({ min: 1, max }), { minLength: 1 });

interface Frame {
  readonly header: FrameHeader;
  readonly payload: Buffer;
}

const anyFrames: fc.Arbitrary<readonly Frame[]> = fc.array(
  anyHeader(0).chain((header) =>
    fc
      .oneof(
        { weight: 1, arbitrary: fc.constant(new Uint8Array()) },
        { weight: 3, arbitrary: fc.uint8Array({ maxLength: 300 }) },
      )
      .map((payload) => ({ header: { ...header, storedBytes: payload.length }, payload: Buffer.from(payload) })),
  ),
  { maxLength: 12 },
);

const encode = (frames: readonly Frame[]): Buffer =>
  Buffer.concat(frames.flatMap(({ header, payload }) => [frameHeader(header), payload]));

function collector(extra: number): { readonly receiver: FrameReceiver; readonly frames: Frame[] } {
  const frames: Frame[] = [];
  const receiver = new FrameReceiver({
    allocate: (header) => Buffer.alloc(header.storedBytes + extra),
    frame: (header, payload) => frames.push({ header, payload: Buffer.from(payload) }),
  });
  return { receiver, frames };
}

test('a header comes back as it was written', () => {
  fc.assert(
    fc.property(anyHeader(maxFrameBytes), (header) => {
      const bytes = frameHeader(header);
      assert.equal(bytes.length, frameHeaderBytes);
      assert.deepEqual(decodeFrameHeader(bytes), header);
    }),
  );
});

test('a header is laid out as protocol/data.ts says', () => {
  const bytes = frameHeader({
    type: frameType.data,
    encoding: frameEncoding.zstd,
    request: 0x01020304,
    offset: 0x0001_0203_0405,
    rawBytes: 0x00200000,
    storedBytes: 0x0000abcd,
  });
  assert.equal(
    bytes.toString('hex'),
    '03010000 04030201 0504030201000000 00002000 cdab0000 00000000'.replaceAll(' ', ''),
  );
});

test('pushed bytes give the frames they were made of, however they are cut', () => {
  fc.assert(
    fc.property(anyFrames, pieceSizes(90), (sent, sizes) => {
      const bytes = encode(sent);
      const { receiver, frames } = collector(0);
      let index = 0;
      for (let at = 0; at < bytes.length;) {
        const size = sizes[index++ % sizes.length] ?? 1;
        receiver.push(bytes.subarray(at, at + size));
        at += size;
      }
      assert.deepEqual(frames, sent);
      assert.equal(receiver.midFrame, false);
    }),
  );
});

test('bytes read straight into the target, mixed with pushed ones, give the same frames', () => {
  fc.assert(
    fc.property(anyFrames, pieceSizes(400), (sent, sizes) => {
      const bytes = encode(sent);
      const { receiver, frames } = collector(frameHeaderBytes);
      let index = 0;
      for (let at = 0; at < bytes.length;) {
        const size = sizes[index++ % sizes.length] ?? 1;
        if (size % 5 === 0) {
          receiver.push(bytes.subarray(at, at + size));
          at += size;
          continue;
        }
        const target = receiver.target();
        assert.ok(target.length > 0);
        const count = bytes.copy(target, 0, at, at + Math.min(size, target.length));
        receiver.filled(count);
        at += count;
      }
      assert.deepEqual(frames, sent);
    }),
  );
});

test('any bytes are frames or TM2004, and no more memory is asked for than the largest frame', () => {
  const nearly = fc.tuple(anyFrames, fc.nat(), fc.nat(255)).map(([frames, at, value]) => {
    const bytes = encode(frames);
    if (bytes.length > 0) bytes[at % bytes.length] = value;
    return bytes;
  });
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
        nearly,
      ),
      (bytes) => {
        const receiver = new FrameReceiver({
          allocate: (header) => {
            assert.ok(header.storedBytes <= maxFrameBytes);
            return Buffer.allocUnsafe(header.storedBytes);
          },
          frame: () => undefined,
        });
        try {
          receiver.push(bytes);
        } catch (error) {
          assert.ok(isViolation(error), String(error));
        }
      },
    ),
    { numRuns: 1000 },
  );
});

test('sizes and offsets out of bounds, unknown types and fields that must be zero are refused', () => {
  const good = frameHeader({
    type: frameType.data,
    encoding: frameEncoding.raw,
    request: 1,
    offset: 0,
    rawBytes: 10,
    storedBytes: 10,
  });
  const changed = (change: (bytes: Buffer) => void): Buffer => {
    const bytes = Buffer.from(good);
    change(bytes);
    return bytes;
  };
  decodeFrameHeader(good);
  const bad = [
    changed((bytes) => bytes.writeUInt8(0, 0)),
    changed((bytes) => bytes.writeUInt8(8, 0)),
    changed((bytes) => bytes.writeUInt8(2, 1)),
    changed((bytes) => bytes.writeUInt16LE(1, 2)),
    changed((bytes) => bytes.writeUInt32LE(0xffff, 12)),
    changed((bytes) => bytes.writeUInt32LE(0xffffffff, 12)),
    changed((bytes) => bytes.writeUInt32LE(maxFrameBytes + 1, 16)),
    changed((bytes) => bytes.writeUInt32LE(0xffffffff, 20)),
    changed((bytes) => bytes.writeUInt8(1, 27)),
  ];
  for (const bytes of bad) assert.throws(() => decodeFrameHeader(bytes), isViolation);
});

test('a message frame carries JSON, or nothing', () => {
  const frame = messageFrame(frameType.failed, 7, { code: 'TM2101', message: 'é' });
  const header = decodeFrameHeader(frame);
  assert.deepEqual(
    [header.type, header.request, header.storedBytes],
    [frameType.failed, 7, frame.length - frameHeaderBytes],
  );
  assert.deepEqual(JSON.parse(frame.toString('utf8', frameHeaderBytes)), { code: 'TM2101', message: 'é' });
  assert.equal(messageFrame(frameType.end, 7).length, frameHeaderBytes);
});
