import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as fc from 'fast-check';

import { formatBytes, formatDuration, parseBytes } from '../../../server/base/format.ts';

test('bytes are shown in the largest unit that fits, with a decimal only where it says something', () => {
  const cases: readonly (readonly [number, string])[] = [
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1 KiB'],
    [1536, '1.5 KiB'],
    [512 * 1024, '512 KiB'],
    [1024 ** 2 - 1, '1 MiB'],
    [1.5 * 1024 ** 3, '1.5 GiB'],
    [123.4 * 1024 ** 3, '123 GiB'],
    [64 * 1024 ** 4, '64 TiB'],
    [5000 * 1024 ** 5, '5000 PiB'],
  ];
  for (const [bytes, text] of cases) assert.equal(formatBytes(bytes), text);
});

test('durations round to what people can use and carry over', () => {
  const cases: readonly (readonly [number, string])[] = [
    [0, '0.0 s'],
    [449, '0.4 s'],
    [9949, '9.9 s'],
    [9999, '10 s'],
    [59_400, '59 s'],
    [59_700, '1 min 0 s'],
    [200_000, '3 min 20 s'],
    [3_599_900, '1 h 0 min'],
    [7_500_000, '2 h 5 min'],
  ];
  for (const [milliseconds, text] of cases) assert.equal(formatDuration(milliseconds), text);
});

test('sizes are read as people write them, with binary units', () => {
  const cases: readonly (readonly [string, number | undefined])[] = [
    ['4GiB', 4 * 1024 ** 3],
    ['512M', 512 * 1024 ** 2],
    ['512mb', 512 * 1024 ** 2],
    ['1.5 KiB', 1536],
    [' 1048576 ', 1_048_576],
    ['0', 0],
    ['7B', 7],
    ['0.1K', undefined],
    ['-1', undefined],
    ['', undefined],
    ['K', undefined],
    ['1e3', undefined],
    ['99999999T', undefined],
  ];
  for (const [text, bytes] of cases) assert.equal(parseBytes(text), bytes, text);
});

test('what is a round number of units is shown so that it can be read back', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 99 }), fc.nat({ max: 4 }), (count, power) => {
      const bytes = count * 1024 ** power;
      assert.equal(parseBytes(formatBytes(bytes)), bytes);
    }),
  );
});
