import assert from 'node:assert/strict';
import { test } from 'node:test';

import { LineBudget } from '../../../server/base/line-budget.ts';
import { LoginGuard, lockOutPolicy } from '../../../server/base/login-guard.ts';
import type { LockOutPolicy, LoginEvent } from '../../../server/base/login-guard.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';

const minute = 60_000;

interface Watched {
  readonly guard: LoginGuard;
  readonly lines: string[];
  readonly events: LoginEvent[];
  readonly pass: (ms: number) => void;
  /** What an attempt with a wrong password comes to. */
  readonly attempt: (address: string) => 'checked' | 'refused';
}

function watched(policy: Partial<LockOutPolicy> = {}): Watched {
  let time = 1_000_000;
  const now = (): number => time;
  const lines: string[] = [];
  const events: LoginEvent[] = [];
  const guard = new LoginGuard({
    policy: { ...lockOutPolicy, ...policy },
    now,
    log: { log: (_level, message) => lines.push(message) },
    audit: { note: (event) => events.push(event) },
    budget: new LineBudget(250, 60 * minute, now),
  });
  return {
    guard,
    lines,
    events,
    pass: (ms) => {
      time += ms;
    },
    attempt: (address) => {
      try {
        guard.check(address);
      } catch (error) {
        assert.ok(TidemarkError.is(error, errorCodes.agentLockedOut));
        return 'refused';
      }
      guard.failed(address);
      return 'checked';
    },
  };
}

const attacker = '203.0.113.9';

test('the fifth failure in a row locks an address out for a minute, each further one for twice as long, up to an hour', () => {
  const { guard, attempt, pass } = watched();
  for (let failure = 1; failure <= 5; failure++) {
    assert.equal(guard.lockedMs(attacker), 0);
    assert.equal(attempt(attacker), 'checked');
  }
  for (const minutes of [1, 2, 4, 8, 16, 32, 60, 60, 60]) {
    assert.equal(guard.lockedMs(attacker), minutes * minute);
    pass(minutes * minute - 1);
    assert.equal(attempt(attacker), 'refused');
    pass(1);
    assert.equal(attempt(attacker), 'checked');
  }
});

test('attempts that are refused do not make it longer', () => {
  const { guard, attempt } = watched();
  for (let failure = 0; failure < 100; failure++) attempt(attacker);
  assert.equal(guard.lockedMs(attacker), minute);
});

test('a right password ends a row, and so does a day', () => {
  const { guard, attempt, pass } = watched();
  for (let failure = 0; failure < 4; failure++) attempt(attacker);
  guard.succeeded(attacker);
  for (let failure = 0; failure < 4; failure++) attempt(attacker);
  assert.equal(guard.lockedMs(attacker), 0);
  pass(24 * 60 * minute + 1);
  for (let failure = 0; failure < 4; failure++) assert.equal(attempt(attacker), 'checked');
  assert.equal(guard.lockedMs(attacker), 0);
});

test('other addresses are not touched; a /64 of IPv6 is one address', () => {
  const { guard, attempt } = watched();
  for (let host = 1; host <= 5; host++) attempt(`2001:db8::${host}`);
  assert.equal(attempt('2001:db8::6'), 'refused');
  assert.equal(attempt('2001:db8:0:1::6'), 'checked');
  for (let failure = 0; failure < 5; failure++) attempt(`::ffff:${attacker}`);
  assert.equal(attempt(attacker), 'refused');
  assert.equal(guard.lockedMs('203.0.113.8'), 0);
});

test('this computer itself is never locked out', () => {
  const { attempt } = watched();
  for (let failure = 0; failure < 200; failure++) {
    for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) assert.equal(attempt(address), 'checked');
  }
});

test('many addresses do not fill the memory, and do not free one that is locked out', () => {
  const { guard, attempt } = watched({ maxSources: 50 });
  for (let failure = 0; failure < 5; failure++) attempt(attacker);
  for (let host = 0; host < 500; host++) attempt(`10.0.${host >> 8}.${host & 255}`);
  assert.equal(attempt(attacker), 'refused');
  assert.ok(guard.lockedMs(attacker) > 0);
});

test('a thousand guesses are few lines, and every one of them is counted', () => {
  for (const waits of [true, false]) {
    const { guard, lines, events, attempt, pass } = watched();
    const counts = { checked: 0, refused: 0 };
    for (let guess = 0; guess < 1000; guess++) {
      counts[attempt(attacker)] += 1;
      if (waits) pass(guard.lockedMs(attacker));
    }
    assert.deepEqual(counts, waits ? { checked: 1000, refused: 0 } : { checked: 5, refused: 995 });
    assert.ok(lines.length < 70, `${lines.length} lines`);
    assert.equal(new Set(lines).size, lines.length);
    guard.close();
    const last = events.at(-1);
    assert.deepEqual([last?.['failures'], last?.['refused']], [counts.checked, counts.refused]);
    assert.equal(last?.['address'], attacker);
  }
});

test('strangers from everywhere do not fill the log either', () => {
  const { lines, events, attempt } = watched();
  for (let host = 0; host < 3000; host++) attempt(`10.1.${host >> 8}.${host & 255}`);
  assert.ok(lines.length <= 250 && events.length <= 250);
});
