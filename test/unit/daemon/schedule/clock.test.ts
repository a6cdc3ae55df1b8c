import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { waitFor } from '../../../../server/daemon/schedule/clock.ts';
import { cancelledError, errorCodes } from '../../../../server/protocol/errors.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const minute = 60_000;
const never: AbortSignal = new AbortController().signal;

describe('a wait by the wall clock', () => {
  /** Waits ten minutes; says whether it is over. */
  function tenMinutes(clock: VirtualClock, signal = never): { over: boolean; readonly wait: Promise<void> } {
    const state = { over: false, wait: Promise.resolve() };
    state.wait = waitFor(clock, 10 * minute, signal).finally(() => (state.over = true));
    return state;
  }

  it('is as long as it says', async () => {
    const clock = new VirtualClock('2026-03-02T12:00:00Z');
    const waiting = tenMinutes(clock);
    await clock.pass(10 * minute - 1);
    assert.equal(waiting.over, false);
    await clock.pass(1);
    assert.equal(waiting.over, true);
  });

  it('is over when the machine has slept for that long', async () => {
    const clock = new VirtualClock('2026-03-02T12:00:00Z');
    const waiting = tenMinutes(clock);
    await clock.pass(minute);
    clock.set('2026-03-02T18:00:00Z');
    await clock.pass(minute);
    assert.equal(waiting.over, true);
  });

  it('does not get longer when the clock is set back', async () => {
    const clock = new VirtualClock('2026-03-02T12:00:00Z');
    const waiting = tenMinutes(clock);
    await clock.pass(5 * minute);
    clock.set('2025-03-02T12:00:00Z');
    await clock.pass(5 * minute);
    assert.equal(waiting.over, true);
  });

  it('ends with the reason of its cancellation, at once', async () => {
    const controller = new AbortController();
    const waiting = tenMinutes(new VirtualClock('2026-03-02T12:00:00Z'), controller.signal);
    controller.abort(cancelledError());
    await assert.rejects(waiting.wait, { code: errorCodes.cancelled });
  });
});
