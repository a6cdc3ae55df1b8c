import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as fc from 'fast-check';

import { isOpen, nextClosing, nextOpening, startOf } from '../../../../server/policy/schedule/window.ts';
import { offsetChanges } from '../../../../server/policy/schedule/zoned.ts';
import { anyZone, utc, utcText, windowOf } from './support.ts';

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

test('a window within a day takes its beginning in, and not its end', () => {
  const open = (at: string) => isOpen(windowOf('09:00-17:00'), 'Asia/Kathmandu', utc(at));
  assert.equal(open('2026-05-01T03:14:59.999'), false);
  assert.equal(open('2026-05-01T03:15'), true);
  assert.equal(open('2026-05-01T11:14:59.999'), true);
  assert.equal(open('2026-05-01T11:15'), false);
});

test('a window over midnight is open before and after it', () => {
  const open = (at: string) => isOpen(windowOf('22:00-06:00'), 'UTC', utc(at));
  assert.equal(open('2026-05-01T21:59'), false);
  assert.equal(open('2026-05-01T22:00'), true);
  assert.equal(open('2026-05-02T05:59'), true);
  assert.equal(open('2026-05-02T06:00'), false);
  assert.equal(isOpen(windowOf('18:00-00:00'), 'UTC', utc('2026-05-01T23:59')), true);
  assert.equal(isOpen(windowOf('18:00-00:00'), 'UTC', utc('2026-05-02T00:00')), false);
});

test('a run that is due outside the window waits until it opens; one inside does not wait', () => {
  const start = (at: string, zone = 'Europe/Warsaw') => {
    const found = startOf(utc(at), windowOf('22:00-06:00'), zone);
    return found === undefined ? 'never' : utcText(found);
  };
  assert.equal(start('2026-05-01T10:00'), '2026-05-01T20:00Z');
  assert.equal(start('2026-05-01T20:00'), '2026-05-01T20:00Z');
  assert.equal(start('2026-05-02T03:59'), '2026-05-02T03:59Z');
  assert.equal(start('2026-05-02T04:00'), '2026-05-02T20:00Z');
  assert.equal(startOf(5, undefined, 'UTC'), 5);
});

test('the hour that is skipped or repeated moves a window by what the clocks show', () => {
  const opens = (window: string, at: string) => utcText(nextOpening(windowOf(window), 'Europe/Warsaw', utc(at)) ?? NaN);
  const closes = (window: string, at: string) =>
    utcText(nextClosing(windowOf(window), 'Europe/Warsaw', utc(at)) ?? NaN);
  // It begins in the gap: clocks jump into it.
  assert.equal(opens('02:30-04:00', '2026-03-28T12:00'), '2026-03-29T01:00Z');
  // It lies in the gap: not on that day.
  assert.equal(opens('02:10-02:50', '2026-03-28T12:00'), '2026-03-30T00:10Z');
  // In autumn it opens, closes when clocks are put back, and opens again.
  assert.equal(opens('02:30-04:00', '2026-10-24T12:00'), '2026-10-25T00:30Z');
  assert.equal(closes('02:30-04:00', '2026-10-25T00:30'), '2026-10-25T01:00Z');
  assert.equal(opens('02:30-04:00', '2026-10-25T01:00'), '2026-10-25T01:30Z');
  assert.equal(opens('00:00-02:30', '2026-10-25T00:30'), '2026-10-25T01:00Z');
});

test('a window whose ends are the same never opens', () => {
  assert.equal(isOpen(windowOf('06:00-06:00'), 'UTC', utc('2026-05-01T06:00')), false);
  assert.equal(nextOpening(windowOf('06:00-06:00'), 'UTC', 0), undefined);
  assert.equal(nextClosing(windowOf('06:00-06:00'), 'UTC', 0), undefined);
  assert.equal(startOf(0, windowOf('06:00-06:00'), 'UTC'), undefined);
});

test('openings and closings are those that a walk over all minutes finds', () => {
  const time = fc.constantFrom(0, 1, 60, 90, 115, 120, 150, 165, 180, 185, 360, 720, 1380, 1439);
  fc.assert(
    fc.property(
      anyZone,
      time,
      time,
      fc.nat(4),
      fc.integer({ min: -1500, max: 300 }),
      (zone, from, to, skip, minutes) => {
        fc.pre(from !== to);
        const window = { from, to };
        const changes = offsetChanges(zone, utc('2025-12-01T00:00'), utc('2028-01-01T00:00'));
        const at = (changes[skip]?.at ?? utc('2026-02-28T12:00')) + minutes * minuteMs;
        for (const [opens, next] of [
          [true, nextOpening],
          [false, nextClosing],
        ] as const) {
          let walk = at + minuteMs;
          while (!(isOpen(window, zone, walk) === opens && isOpen(window, zone, walk - minuteMs) !== opens)) {
            walk += minuteMs;
            assert.ok(walk < at + 4 * dayMs, 'a window opens within days');
          }
          assert.equal(utcText(next(window, zone, at) ?? NaN), utcText(walk));
        }
      },
    ),
    { numRuns: 150 },
  );
});
