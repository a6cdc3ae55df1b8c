import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as fc from 'fast-check';

import { describeCron } from '../../../../server/policy/schedule/cron-words.ts';
import { cronFields } from '../../../../server/policy/schedule/cron-fields.ts';
import { policyFields } from '../../../../server/policy/policy-schema.ts';
import type { Schema } from '../../../../server/policy/schema/schema.ts';
import { anyCron } from './support.ts';

const words: Record<string, string> = {
  '0 2 * * *': 'every day at 02:00',
  '0 2 * * MON-SAT': 'at 02:00 from Monday to Saturday',
  '0 2 * * SUN': 'at 02:00 on Sunday',
  '0 2 * * 7': 'at 02:00 on Sunday',
  '0 2 * * 0-6': 'at 02:00 from Monday to Sunday',
  '* * * * *': 'every minute',
  '*/15 * * * *': 'every 15 minutes',
  '0 * * * *': 'every hour',
  '5 * * * *': 'every hour at minute 5',
  '5 * * * MON-FRI': 'every hour at minute 5, from Monday to Friday',
  '5,7 * * * *': 'at minutes 5 and 7 past each hour',
  '*/7 * * * *': 'at minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56 past each hour',
  '0-29 * * * *': 'at minutes 0 to 29 past each hour',
  '30 */4 * * *': 'every 4 hours at minute 30',
  '0 */6 * * *': 'every day at 00:00, 06:00, 12:00 and 18:00',
  '0 1-23/2 * * *': 'every 2 hours from 01:00 to 23:00',
  '0 8-17 * * MON-FRI': 'every hour from 08:00 to 17:00, from Monday to Friday',
  '*/15 8-17 * * *': 'every 15 minutes from 08:00 to 17:45',
  '* 2 * * *': 'every minute from 02:00 to 02:59',
  '*/20 2 * * *': 'every day at 02:00, 02:20 and 02:40',
  '30 2,14 * * *': 'every day at 02:30 and 14:30',
  '1,7,13 3,9,20 * * *': 'every day at minutes 1, 7 and 13 past hours 3, 9 and 20',
  '0 3 1 * *': 'at 03:00 on the first day of the month',
  '0 3 L * *': 'at 03:00 on the last day of the month',
  '0 3 1,15 * *': 'at 03:00 on the 1st and the 15th of the month',
  '0 3 2-3,11,22 * *': 'at 03:00 on the 2nd, the 3rd, the 11th and the 22nd of the month',
  '0 3 1-7,31 * *': 'at 03:00 on the 31st and from the 1st to the 7th of the month',
  '0 3 */2 * *': 'at 03:00 on every 2nd day from the 1st to the 31st of the month',
  '0 3 LW * *': 'at 03:00 on the last weekday of the month',
  '0 3 15W * *': 'at 03:00 on the weekday nearest to the 15th of the month',
  '0 3 1,15W,L * *': 'at 03:00 on the 1st and on the weekday nearest to the 15th and the last day of the month',
  '0 3 * * FRI#2': 'at 03:00 on the second Friday of the month',
  '0 3 * * FRIL,SUN#1': 'at 03:00 on the last Friday and the first Sunday of the month',
  '0 3 * * MON,FRI#1': 'at 03:00 on Monday and on the first Friday of the month',
  '0 3 * * SUN#1,SUN#3': 'at 03:00 on the first and third Sunday of the month',
  '0 3 13 * FRI': 'at 03:00 on the 13th of the month, and also on Friday',
  '0 3 1-7 * +SAT': 'at 03:00 on Saturday, but only from the 1st to the 7th of the month',
  '0 3 1 1 *': 'at 03:00 on 1 January',
  '0 3 1 1,7 *': 'at 03:00 on 1 January and 1 July',
  '0 3 31 2 *': 'at 03:00 on 31 February',
  '0 3 L 2 *': 'at 03:00 on the last day of the month, in February',
  '0 3 * 4-9 MON': 'at 03:00 on Monday, from April to September',
  '0 3 * DEC *': 'every day at 03:00, in December',
  '*/10 * * 1,3-5 *': 'every 10 minutes, in January and from March to May',
  '@hourly': 'every hour',
  '@daily': 'every day at 00:00',
  '@weekly': 'at 00:00 on Sunday',
  '@monthly': 'at 00:00 on the first day of the month',
  '@yearly': 'at 00:00 on 1 January',
};

for (const [cron, text] of Object.entries(words)) {
  test(`in words: ${cron}`, () => assert.equal(describeCron(cron), text));
}

test('the expressions that completion offers are described in the same words', () => {
  const list: Schema<unknown> = policyFields.schedule.schema;
  const entry = list.kind === 'list' ? list.item : undefined;
  const cron = entry?.kind === 'mapping' ? entry.fields.get('cron')?.schema : undefined;
  const examples = cron?.kind === 'scalar' ? cron.examples : [];
  assert.ok(examples.length >= 5);
  for (const { value, description } of examples) assert.equal(describeCron(value.replaceAll('"', '')), description);
});

/** What counts of an expression. */
function meaning(cron: string): string {
  const { days, lastDay, lastWeekday, nearestTo, weekdays, daysBy, minutes, hours, months } = cronFields(cron);
  const ofMonth = daysBy === 'any' || daysBy === 'week' ? {} : { days, lastDay, lastWeekday, nearestTo };
  const ofWeek = daysBy === 'any' || daysBy === 'month' ? {} : { weekdays };
  return JSON.stringify({ minutes, hours, months, daysBy, ...ofMonth, ...ofWeek });
}

test('each expression has words, and expressions with other times or days have other words', () => {
  const seen = new Map<string, string>();
  fc.assert(
    fc.property(anyCron, (cron) => {
      const text = describeCron(cron);
      assert.match(text, /^(at|every) \S/);
      assert.doesNotMatch(text, /undefined|NaN| {2}|,,| ,|\.$/);
      const other = seen.get(text) ?? cron;
      seen.set(text, cron);
      assert.equal(meaning(other), meaning(cron), text);
    }),
    { numRuns: 2000 },
  );
});
