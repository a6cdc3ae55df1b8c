/** A year of hourly runs: what is left at its end is exactly what the rules name, and the repository is whole. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import type { YearResult, YearTask } from './support/year/year-child.ts';
import { ended } from './support/command.ts';

const childFile = fileURLToPath(new URL('./support/year/year-child.ts', import.meta.url));
const timezone = 'Europe/Warsaw';
const rules = { last: 3, hourly: 12, daily: 7, weekly: 5, monthly: 6, yearly: 2 };
const policy = `schedule:
  - cron: "0 * * * *"
    timezone: ${timezone}
retention:
  keepLast: ${rules.last}
  keepHourly: ${rules.hourly}
  keepDaily: ${rules.daily}
  keepWeekly: ${rules.weekly}
  keepMonthly: ${rules.monthly}
  keepYearly: ${rules.yearly}
`;

async function simulate(task: YearTask): Promise<YearResult> {
  const child = spawn(process.execPath, [childFile, JSON.stringify(task)], { stdio: ['ignore', 'pipe', 'pipe'] });
  const result = await ended(child, 900_000);
  assert.equal(result.code, 0, result.stderr);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- printed by year-child.ts of this same build
  return JSON.parse(result.stdout) as YearResult;
}

type Rule = Exclude<keyof typeof rules, 'last'>;
type Point = readonly [id: string, vm: string, at: number];

const fields = new Intl.DateTimeFormat('en-CA', {
  timeZone: timezone,
  year: 'numeric',
  month: '2-digit',
  day: '2-digit',
  hour: '2-digit',
  hourCycle: 'h23',
});

/** What is the same for all moments of a period, from what a calendar in the zone shows. */
function periodsOf(at: number): Record<Rule, string> {
  const part = Object.fromEntries(fields.formatToParts(at).map(({ type, value }) => [type, value]));
  const day = `${part['year']}-${part['month']}-${part['day']}`;
  const monday = new Date(`${day}T00:00:00Z`);
  while (monday.getUTCDay() !== 1) monday.setUTCDate(monday.getUTCDate() - 1);
  return {
    hourly: `${day} ${part['hour']}`,
    daily: day,
    weekly: monday.toISOString().slice(0, 10),
    monthly: day.slice(0, 7),
    yearly: day.slice(0, 4),
  };
}

/** The restore points of one VM that the rules name, out of all that were ever made, by what docs/policies.md says of them. */
function named(points: readonly Point[]): ReadonlySet<string> {
  const newestFirst = points.toSorted((a, b) => b[2] - a[2]);
  const kept = new Set(newestFirst.slice(0, rules.last).map(([id]) => id));
  const periods = newestFirst.map(([id, , at]) => ({ id, of: periodsOf(at) }));
  for (const rule of ['hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const) {
    const seen = new Set<string>();
    for (const { id, of } of periods) {
      if (seen.size === rules[rule]) break;
      if (!seen.has(of[rule])) kept.add(id);
      seen.add(of[rule]);
    }
  }
  return kept;
}

test('a year of hourly runs of 20 VMs leaves exactly what the rules name', { timeout: 900_000 }, async () => {
  const vms = 20;
  const hours = Number(process.env['TIDEMARK_TEST_YEAR_HOURS'] ?? 8760);
  const result = await simulate({ start: '2026-01-01T00:00:30Z', hours, vms, policy });

  const runs = Object.values(result.states).reduce((sum, count) => sum + count, 0);
  assert.equal(runs, hours, 'one run an hour, also when clocks change');
  assert.ok((result.states['succeeded'] ?? 0) > 0 && (result.states['failed'] ?? 0) > 0, 'some backups failed');
  assert.ok(result.made.length > hours * vms * 0.97);
  const byVm = Map.groupBy(result.made, ([, vm]) => vm);
  assert.equal(byVm.size, vms);
  const expected = [...byVm.values()].flatMap((points) => [...named(points)]);
  assert.deepEqual(result.left.toSorted(), expected.toSorted());
  assert.deepEqual(result.problems, []);
  assert.equal(result.verifiedPoints, expected.length);
  assert.ok(result.verifiedBytes > 0 && result.deletedPacks > 0, 'what nobody needs is gone, what is left was read');
});
