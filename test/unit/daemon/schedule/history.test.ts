import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import * as fc from 'fast-check';

import { PolicySite } from '../support/policy-site.ts';
import { settled } from '../support/virtual-clock.ts';

const minute = 60_000;
const hour = 60 * minute;
const start = '2026-03-28T22:10:00Z';

/** What happens to a daemon. */
const step = fc.oneof(
  fc.record({ kind: fc.constant('pass' as const), minutes: fc.integer({ min: 1, max: 200 }) }),
  fc.record({ kind: fc.constant('sleep' as const), minutes: fc.integer({ min: 1, max: 900 }) }),
  fc.record({ kind: fc.constant('crash' as const), minutes: fc.integer({ min: 0, max: 900 }) }),
  fc.record({ kind: fc.constant('set back' as const), minutes: fc.integer({ min: 1, max: 50 }) }),
);

describe('the scheduler, whatever happens', () => {
  it('stands up for every hour once: by a run of its own, or by one that says that it was missed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 10 }), async (steps) => {
        await using site = new PolicySite(start);
        site.addVm('hv01', 'sql01');
        site.apply('schedule:\n  - cron: "0 * * * *"\n    timezone: Europe/Warsaw\n');
        site.scheduler.start();
        await settled();
        let latest = site.clock.now();
        for (const { kind, minutes } of steps) {
          latest = Math.max(latest, site.clock.now());
          // From an hour on, also in several steps, the schedule begins anew: another test is about that.
          if (kind === 'set back' && latest - site.clock.now() + minutes * minute >= hour) continue;
          const later = new Date(site.clock.now() + minutes * minute).toISOString();
          if (kind === 'pass') await site.clock.pass(minutes * minute);
          else if (kind === 'set back') site.clock.set(new Date(site.clock.now() - minutes * minute).toISOString());
          else {
            if (kind === 'crash') await site.crash();
            site.clock.set(later);
            if (kind === 'crash') await site.restart();
          }
        }
        // Time to notice the last step, and for a clock that was set back to catch up.
        await site.clock.pass(minute);
        const now = site.clock.now();
        const stoodFor = site.policyRuns().flatMap(({ request }) => {
          assert(request.kind === 'policy');
          return [...(request.missed ?? []), request.scheduledFor ?? ''];
        });
        const due: string[] = [];
        for (let at = Math.ceil(Date.parse(start) / hour) * hour; at <= now; at += hour) {
          due.push(new Date(at).toISOString());
        }
        // A clock that was set back may not have come to hours that were there already.
        assert.deepEqual(stoodFor.toSorted().slice(0, due.length), due, 'each hour');
        assert.equal(new Set(stoodFor).size, stoodFor.length, 'none twice');
      }),
      { numRuns: 25 },
    );
  });
});
