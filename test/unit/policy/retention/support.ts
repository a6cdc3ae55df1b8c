/** What the tests of retention share. */
import * as fc from 'fast-check';

import type { RetentionRules } from '../../../../server/policy/policy-schema.ts';
import type { RetentionPoint } from '../../../../server/policy/retention/decide.ts';
import { utc } from '../schedule/support.ts';

const minuteMs = 60_000;

/** Ages in minutes: many in one hour, some years back. */
const age = fc.oneof(
  fc.nat(3 * 60),
  fc.nat(3 * 24 * 60),
  fc.nat(60 * 24 * 60),
  fc.nat(6 * 365 * 24 * 60),
  fc.nat(300).map((hours) => hours * 60),
);

/** Restore points of one VM, some pinned, some damaged, some of the same time, in no order. */
export const anyPoints: fc.Arbitrary<readonly RetentionPoint[]> = fc
  .array(fc.tuple(age, fc.nat(9), fc.nat(9)), { maxLength: 60 })
  .map((ages) =>
    ages.map(([minutes, pin, damage], index) => ({
      id: `p${index}`,
      createdAt: utc('2027-01-05T12:00') - minutes * minuteMs,
      pinned: pin === 0,
      good: damage > 1,
    })),
  );

const count = fc.oneof(fc.nat(4), fc.nat(20));

/** Rules with at least one key. */
export const anyRules: fc.Arbitrary<RetentionRules> = fc
  .record(
    {
      keepLast: count,
      keepHourly: count,
      keepDaily: count,
      keepWeekly: count,
      keepMonthly: count,
      keepYearly: count,
    },
    { requiredKeys: [] },
  )
  .filter((rules) => Object.keys(rules).length > 0);

/** Every key of `retention`. */
export const ruleKeys = ['keepLast', 'keepHourly', 'keepDaily', 'keepWeekly', 'keepMonthly', 'keepYearly'] as const;
