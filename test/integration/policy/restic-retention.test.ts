import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import * as fc from 'fast-check';

import type { RetentionRules } from '../../../server/policy/policy-schema.ts';
import { decideRetention } from '../../../server/policy/retention/decide.ts';
import { hasTool } from '../acceptance/support/command.ts';
import { ResticRepository } from './support/restic-repository.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** Restore points of one VM. */
interface Series {
  readonly host: string;
  readonly timezone: string;
  readonly times: readonly number[];
}

function every(step: number, from: string, to: string): readonly number[] {
  const times: number[] = [];
  for (let at = Date.parse(`${from}Z`); at <= Date.parse(`${to}Z`); at += step) times.push(at);
  return times;
}

/** Times that nobody chose, the same at each run of the test. */
function irregular(seed: number): readonly number[] {
  const age = fc.oneof(fc.nat(2 * 24 * 3600), fc.nat(90 * 24 * 3600), fc.nat(6 * 365 * 24 * 3600));
  const ages = fc.sample(age, { seed, numRuns: 200 });
  return [...new Set(ages)].map((seconds) => Date.parse('2027-01-04T12:00Z') - seconds * 1000);
}

const series: readonly Series[] = [
  { host: 'daily', timezone: 'UTC', times: every(dayMs, '2024-01-01T03:00', '2026-12-31T03:00') },
  { host: 'turn', timezone: 'Europe/Warsaw', times: every(6 * hourMs, '2026-11-20T01:00', '2027-01-05T13:00') },
  { host: 'spring', timezone: 'Europe/Warsaw', times: every(hourMs, '2026-03-27T00:00', '2026-03-30T12:00') },
  { host: 'autumn', timezone: 'Europe/Warsaw', times: every(hourMs, '2026-10-23T00:00', '2026-10-26T12:00') },
  { host: 'newyork', timezone: 'America/New_York', times: every(hourMs / 2, '2026-10-30T00:00', '2026-11-01T18:00') },
  {
    host: 'lordhowe',
    timezone: 'Australia/Lord_Howe',
    times: every(hourMs / 4, '2026-04-03T12:00', '2026-04-05T00:00'),
  },
  { host: 'kathmandu', timezone: 'Asia/Kathmandu', times: every(hourMs, '2024-02-27T00:00', '2024-03-02T00:00') },
  { host: 'gaps', timezone: 'Asia/Kathmandu', times: irregular(1) },
  { host: 'more-gaps', timezone: 'America/New_York', times: irregular(2) },
];

const ruleSets: readonly RetentionRules[] = [
  { keepLast: 3, keepDaily: 14, keepWeekly: 8, keepMonthly: 12, keepYearly: 3 },
  { keepHourly: 26 },
  { keepDaily: 5 },
  { keepWeekly: 60 },
  { keepMonthly: 7, keepYearly: 2 },
  { keepLast: 1, keepHourly: 48, keepWeekly: 3 },
];

const names = {
  keepLast: 'last',
  keepHourly: 'hourly',
  keepDaily: 'daily',
  keepWeekly: 'weekly',
  keepMonthly: 'monthly',
  keepYearly: 'yearly',
} as const;

/** As restic writes it down: what the clocks showed, and how far they were from UTC. */
function resticTime(at: number, timezone: string): string {
  const local = new Date(at).toLocaleString('sv-SE', { timeZone: timezone }).replace(' ', 'T');
  const parts = new Intl.DateTimeFormat('en-US', { timeZone: timezone, timeZoneName: 'longOffset' }).formatToParts(at);
  const offset = parts.find(({ type }) => type === 'timeZoneName')?.value.replace('GMT', '') ?? '';
  return `${local}${offset === '' ? 'Z' : offset}`;
}

/** The rules that keep a restore point, by name. What restic has besides is left out: it also keeps the oldest while places are left. */
function resticRules(matches: readonly string[]): string {
  const own = matches.filter((match) => !match.startsWith('oldest '));
  return own
    .map((match) => match.replace(' snapshot', ''))
    .toSorted()
    .join(', ');
}

/** The same of our reasons: each is `daily 3 of 14`. Besides, the newest good one has a reason of its own. */
function ourRules(reasons: readonly string[]): string {
  return reasons
    .flatMap((reason) => (/ \d+ of \d+$/.test(reason) ? [reason.replace(/ .*$/, '')] : []))
    .toSorted()
    .join(', ');
}

function shown(at: number, rules: string): string {
  return `${new Date(at).toISOString()} ${rules}`;
}

describe('Retention, judged by restic', { skip: !hasTool('restic') && 'restic is not installed' }, () => {
  let folder: string;
  let repository: ResticRepository;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tidemark-restic-'));
    repository = await ResticRepository.create(folder, '2026-01-01 10:00:00');
    for (const { host, timezone, times } of series) {
      for (const at of times) repository.add(host, resticTime(at, timezone));
    }
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('has the snapshot that restic made itself', async () => {
    const hosts = await repository.forget(['--keep-last', '1']);
    assert.deepEqual(hosts.get('restic'), new Map([[Date.parse('2026-01-01T10:00Z'), ['last snapshot']]]));
    assert.equal(hosts.size, series.length + 1);
  });

  for (const rules of ruleSets) {
    const options = Object.entries(names).flatMap(([key, name]) => {
      const limit = new Map<string, number | undefined>(Object.entries(rules)).get(key);
      return limit === undefined ? [] : [`--keep-${name}`, String(limit)];
    });
    it(`keeps for the same rules: ${options.join(' ').replaceAll('--', '')}`, async () => {
      const hosts = await repository.forget(options);
      for (const { host, timezone, times } of series) {
        const points = times.map((at) => ({ id: `${at}`, createdAt: at, pinned: false, good: true }));
        const ours = decideRetention(points, rules, timezone).map(({ point, keep, reasons }) =>
          shown(point.createdAt, keep ? ourRules(reasons) : 'goes'),
        );
        const theirs = [...(hosts.get(host) ?? [])]
          .toSorted(([a], [b]) => b - a)
          .map(([at, matches]) => shown(at, resticRules(matches) || 'goes'));
        assert.deepEqual(ours, theirs, host);
      }
    });
  }
});
