import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';

import { PauseEnds } from '../../../../server/daemon/policies/pause-ends.ts';
import { PolicySite } from '../support/policy-site.ts';

const hour = 3_600_000;

describe('the end of a pause', () => {
  let site: PolicySite;
  let ends: PauseEnds;
  let told: string[];
  beforeEach(() => {
    site = new PolicySite('2026-03-02T12:00:00Z');
    told = [];
    site.apply('', 'a');
    site.apply('', 'b');
    ends = new PauseEnds(site.policies, site.clock, () => told.push(new Date(site.clock.now()).toISOString()));
  });
  afterEach(async () => {
    ends[Symbol.dispose]();
    await site[Symbol.asyncDispose]();
  });

  it('is told when its time comes, once for each', async () => {
    site.policies.pause('a', 'anna', '2026-03-02T15:00:00.000Z');
    site.policies.pause('b', 'anna', '2026-03-02T14:00:00.000Z');
    await site.clock.pass(24 * hour);
    assert.deepEqual(told, ['2026-03-02T14:00:00.000Z', '2026-03-02T15:00:00.000Z']);
  });

  it('is not told of a pause without an end, nor of one that somebody ended before', async () => {
    site.policies.pause('a', 'anna', undefined);
    site.policies.pause('b', 'anna', '2026-03-02T14:00:00.000Z');
    site.policies.resume('b', 'anna');
    await site.clock.pass(24 * hour);
    assert.deepEqual(told, []);
  });

  it('is told soon after a sleep that it came in, and of a pause that an earlier process set', async () => {
    site.policies.pause('a', 'anna', '2026-03-02T15:00:00.000Z');
    ends[Symbol.dispose]();
    ends = new PauseEnds(site.policies, site.clock, () => told.push(new Date(site.clock.now()).toISOString()));
    site.clock.set('2026-03-02T20:00:00Z');
    await site.clock.pass(60_000);
    assert.deepEqual(told, ['2026-03-02T20:01:00.000Z']);
  });
});
