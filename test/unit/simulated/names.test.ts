import assert from 'node:assert/strict';
import { test } from 'node:test';

import { checkName, plainFileName } from '../../../server/agent/simulated/layout.ts';
import { fillLoad, shuffled } from '../../../server/agent/simulated/load-pattern.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';

const hostile = [
  '',
  '.',
  '..',
  '../x',
  'a/b',
  'a\\b',
  'C:',
  'a:b',
  'con',
  'CON.txt',
  'nul',
  'COM1',
  'lpt9.log',
  'a\0b',
  'a\nb',
  ' a',
  'a ',
  'a.',
  '.hidden',
  'x'.repeat(200),
  'a*',
  'a?',
  '<a>',
  '"',
  'a|b',
];

test('names that could leave their folder, or that Windows reserves, are refused', () => {
  for (const name of hostile) {
    for (const what of ['VM', 'disk'] as const) {
      assert.throws(
        () => checkName(name, what),
        (error) => TidemarkError.is(error, errorCodes.invalidInput),
        JSON.stringify(name),
      );
    }
    if (name.length < 200) assert.throws(() => plainFileName(name, 'file'), JSON.stringify(name));
  }
});

test('everyday names are taken', () => {
  for (const name of ['os', 'SQL 01', 'données', 'web-1_a.b', 'console', 'com10']) {
    assert.doesNotThrow(() => checkName(name, 'VM'), name);
  }
});

test('a shuffle visits every place once, in an order its seed decides', () => {
  for (const count of [1, 2, 3, 100, 1023]) {
    const at = shuffled(count, 7);
    const order = Array.from({ length: count }, (_, index) => at(index));
    assert.equal(new Set(order).size, count);
    assert.ok(order.every((place) => place >= 0 && place < count));
  }
  const first = Array.from({ length: 100 }, (_, index) => shuffled(100, 1)(index));
  assert.deepEqual(
    first,
    Array.from({ length: 100 }, (_, index) => shuffled(100, 1)(index)),
  );
  assert.notDeepEqual(
    first,
    Array.from({ length: 100 }, (_, index) => shuffled(100, 2)(index)),
  );
});

test('a load writes the same bytes for the same seed and others for another', () => {
  const bytes = (seed: number, place: number): Buffer => {
    const target = Buffer.alloc(4099);
    fillLoad(target, seed, place);
    return target;
  };
  for (let place = 0; place < 16; place++) {
    assert.ok(bytes(1, place).equals(bytes(1, place)));
    assert.ok(!bytes(1, place).equals(bytes(2, place)));
    assert.ok(!bytes(1, place).equals(bytes(1, place + 1)));
  }
});
