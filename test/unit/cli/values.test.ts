import assert from 'node:assert/strict';
import { test } from 'node:test';

import { InvalidArgumentError } from 'commander';

import {
  namedValue,
  parsePercent,
  parseSize,
  parseThreads,
  repeated,
  parseMoment,
} from '../../../server/cli/values.ts';

test('Sizes are bytes, with or without a unit', () => {
  assert.equal(parseSize('65536'), 65_536);
  assert.equal(parseSize('4GiB'), 4 * 1024 ** 3);
  assert.equal(parseSize('1.5k'), 1536);
  for (const wrong of ['', 'x', '4 potatoes', '-1', '0.3', '1e9']) {
    assert.throws(() => parseSize(wrong), InvalidArgumentError, wrong);
  }
});

test('Threads are a whole number from 1 to 16', () => {
  assert.equal(parseThreads('16'), 16);
  for (const wrong of ['0', '17', '2.5', '', '-1', 'two']) {
    assert.throws(() => parseThreads(wrong), InvalidArgumentError, wrong);
  }
});

test('A percentage is above 0 and at most 100', () => {
  assert.equal(parsePercent('0.5'), 0.5);
  assert.equal(parsePercent('100'), 100);
  for (const wrong of ['0', '100.1', 'NaN', '', '-3']) {
    assert.throws(() => parsePercent(wrong), InvalidArgumentError, wrong);
  }
});

test('Repeated options gather; a named value is split at its first equals sign', () => {
  assert.deepEqual(repeated('b', ['a']), ['a', 'b']);
  const first = namedValue('os=C:\\disks\\a=b.vhdx');
  assert.deepEqual(first, [{ name: 'os', value: 'C:\\disks\\a=b.vhdx' }]);
  assert.deepEqual(namedValue('data=4GiB', first).length, 2);
  for (const wrong of ['os', '=4GiB', 'os=']) assert.throws(() => namedValue(wrong), InvalidArgumentError, wrong);
});

test('A moment to come is a duration from now, a local time, or one with a zone; what is past is refused', () => {
  const now = Date.parse('2026-11-28T12:00:00Z');
  const moment = (text: string): string => parseMoment(text, undefined, now);
  assert.equal(moment('2h'), '2026-11-28T14:00:00.000Z');
  assert.equal(moment('3d'), '2026-12-01T12:00:00.000Z');
  assert.equal(moment('2026-12-24T18:00:00+01:00'), '2026-12-24T17:00:00.000Z');
  assert.equal(moment('2026-12-24 18:00'), new Date(2026, 11, 24, 18).toISOString());
  assert.equal(moment('2026-12-24'), new Date(2026, 11, 24).toISOString());
  for (const wrong of ['', 'tomorrow', '2', '0h', '2w', '2026-13-01', '2026-11-28T11:59:00Z', '12:00', '1e9d']) {
    assert.throws(() => moment(wrong), InvalidArgumentError, wrong);
  }
});
