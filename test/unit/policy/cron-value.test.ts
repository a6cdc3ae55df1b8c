import assert from 'node:assert/strict';
import { it } from 'node:test';

import { diagnosticCodes, parsePolicy } from '../../../server/policy/index.ts';

const codes = (cron: string): readonly string[] =>
  parsePolicy(
    `name: x\nrepository: main\nselect: [{ host: "*", vms: ["*"] }]\nschedule: [{ cron: ${JSON.stringify(cron)} }]\n`,
  ).diagnostics.map(({ code }) => code);

it('takes five fields and names', () => {
  for (const cron of ['0 2 * * *', '@daily', '0 3 L * *', '0 2 * * FRI#2']) assert.deepEqual(codes(cron), [], cron);
});

it('refuses whatever is no cron expression, also what looks like a date', () => {
  for (const cron of [
    '0: 2 * * SUN',
    '2026-01-01T00:00:00 * * * *',
    '@a:b',
    '@',
    '61 * * * *',
    '0 2 * *',
    '0 0 2 * * *',
  ]) {
    assert.deepEqual(codes(cron), [diagnosticCodes.invalidCron], cron);
  }
});

it('says how many fields there are, or which one is wrong', () => {
  const why = (cron: string): string | undefined =>
    /"0 2 \* \* MON-SAT"\. ?(.*)$/.exec(
      parsePolicy(
        `name: x\nrepository: main\nselect: [{ host: "*", vms: ["*"] }]\nschedule: [{ cron: ${JSON.stringify(cron)} }]\n`,
      ).diagnostics[0]?.message ?? '',
    )?.[1];
  assert.equal(why('0 2 * *'), 'This has 4.');
  assert.equal(why('daily'), 'This has one.');
  assert.equal(why('61 2 * * *'), '"61" is no minute.');
  assert.equal(why('0 2 * * FOO'), '"FOO" is no day of the week.');
  assert.equal(why('@a:b'), '');
});
