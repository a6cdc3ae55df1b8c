import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { PlannedVm, RetentionDecision } from '../../../../server/protocol/daemon.ts';
import { applyDetail, planPage, retentionPage, summaryLines } from '../../../../client/commands/flows/plan-page.ts';
import { pauseChoices } from '../../../../client/commands/flows/pause-choices.ts';
import { policyPlan, policyVersion } from '../support/policies.ts';
import { samplePoint } from '../support/samples.ts';
import { vmIdOf } from '../views/support/world.ts';

const vm = (n: number, change: PlannedVm['change'], name = `sql0${n}`): PlannedVm => ({
  host: 'hv01',
  vmId: vmIdOf(n),
  vm: name,
  change,
});
const decision = (n: number, keep: boolean, reasons: readonly string[]): RetentionDecision => ({
  restorePoint: samplePoint(n).id,
  vmId: vmIdOf(1),
  vm: 'sql01',
  createdAt: '2026-01-31T02:00:00Z',
  keep,
  reasons,
});
const finding = {
  code: 'TM7201',
  severity: 'warning',
  message: 'No VM matches web-*.',
  start: { line: 4, character: 6 },
  end: { line: 4, character: 11 },
} as const;

const plan = policyPlan({
  base: policyVersion(2, 'x'),
  changes: [
    { path: 'retention.keepDaily', before: '7', after: '14' },
    { path: 'verify', after: 'weekly' },
    { path: 'window', before: '{ from: "22:00" }' },
  ],
  vms: [vm(1, 'kept'), vm(2, 'new'), vm(3, 'dropped')],
  nextRuns: [{ at: '2026-02-01T01:00:00Z', type: 'full' }],
  timezone: 'Europe/Warsaw',
  retention: [decision(1, true, ['daily 1 of 14']), decision(2, false, ['no rule keeps it'])],
  findings: [finding],
  warnings: ['Host hv09 does not answer.'],
});

test('the lines before a policy is applied say what matters', () => {
  const [vms, next, removed, notes] = summaryLines(plan);
  assert.equal(vms, '2 VMs taken in: 1 new, 1 as before, 1 dropped');
  assert.equal(next, 'next run 2026-02-01 02:00 Europe/Warsaw, full', 'where the policy counts its hours');
  assert.equal(removed, '1 restore point would be removed by the retention');
  assert.equal(notes, '2 warnings');
  const detail = applyDetail(plan);
  for (const part of ['retention.keepDaily: 7 → 14', 'verify: weekly (added)', '⚠ Host hv09 does not answer.'])
    assert.ok(detail.includes(part), detail);
  for (const timezone of ['UTC', 'Asia/Kathmandu'])
    assert.match(summaryLines({ ...plan, timezone })[1] ?? '', new RegExp(`${timezone}, full$`));
  assert.match(summaryLines({ ...plan, timezone: 'Mars/Olympus' })[1] ?? '', /^next run 2026-[\d: -]+, full$/);
  assert.equal(summaryLines(policyPlan())[1], 'no run by schedule');
});

test('what is good to know is no warning, and comes after those', () => {
  const note = { ...finding, code: 'TM7202', severity: 'information', message: 'The clocks skip 02:00.' } as const;
  const noted = policyPlan({ findings: [note, finding] });
  assert.deepEqual(summaryLines(noted).slice(-2), ['1 warning', '1 note']);
  assert.match(applyDetail(noted), /⚠ No VM matches web-\*\.\nℹ The clocks skip 02:00\./);
  const page = planPage(noted);
  assert.ok(page.indexOf('## Warnings') < page.indexOf('TM7201'), page);
  assert.ok(
    page.indexOf('TM7201') < page.indexOf('## Notes') && page.indexOf('## Notes') < page.indexOf('TM7202'),
    page,
  );
  assert.doesNotMatch(planPage(policyPlan({ findings: [note] })), /Warnings|1 warning/);
});

test('a paused policy stays paused when it is applied, which is said before the next run', () => {
  const since = '2026-01-31T02:00:00Z';
  const lines = summaryLines({ ...plan, paused: { since, by: 'anna' } });
  assert.match(lines[1] ?? '', /^paused: .*resumes/);
  assert.ok(!lines.some((line) => line.startsWith('next run')), 'nobody knows when it is resumed');
  const until = summaryLines({ ...plan, paused: { since, by: 'anna', until: '2026-02-03T05:00:00Z' } });
  assert.equal(until[1], 'paused until 2026-02-03 06:00 Europe/Warsaw');
  assert.match(until[2] ?? '', /^next run/);
});

test('it is said that nobody knows what the retention would remove', () => {
  const lines = summaryLines(policyPlan({ retentionUnknown: true }));
  assert.ok(lines.includes('what the retention would remove is not known'), lines.join('\n'));
});

test('a dialog names a few changes and counts the rest', () => {
  const changes = Array.from({ length: 40 }, (_, n) => ({ path: `select.${n}`, before: 'a', after: 'b' }));
  assert.match(applyDetail(policyPlan({ base: policyVersion(1, 'x'), changes })), /and 35 more/);
});

test('the page has VMs, changes, runs, restore points with their reasons, and warnings with their lines', () => {
  const page = planPage(plan);
  for (const part of [
    '# Plan of nightly',
    '| retention\\.keepDaily | 7 | 14 |',
    '| sql02 | hv01 | new |',
    'Europe/Warsaw',
    'no rule keeps it',
    'is removed after the next successful run',
    'Line 5\\: No VM matches web\\-\\*\\. \\(TM7201\\)',
    'Host hv09 does not answer\\.',
  ])
    assert.ok(page.includes(part), `${part} in:\n${page}`);
  assert.ok(page.indexOf('sql02') < page.indexOf('sql01'), 'what changes comes first');
  assert.ok(page.indexOf('no rule keeps it') < page.indexOf('daily 1 of 14'), 'what goes comes first');
});

test('names in a page are no markup, whatever they are', () => {
  const evil = '[x](command:evil) <img src=x> | **b** `c`';
  const page = planPage(policyPlan({ vms: [vm(1, 'new', evil)], warnings: [evil] }));
  assert.doesNotMatch(page, /(?<!\\)\[x(?<!\\)\]\(command/);
  assert.doesNotMatch(page, /(?<!\\)</);
});

test('a page of thousands of VMs is cut, and says so', () => {
  const page = planPage(policyPlan({ vms: Array.from({ length: 5000 }, (_, n) => vm(n, 'new', `vm${n}`)) }));
  assert.ok(page.split('\n').length < 600);
  assert.match(page, /and 4[.,\s\u202f]?500 more/);
});

test('a preview of the retention says what would stay and go', () => {
  const page = retentionPage('nightly', { decisions: plan.retention, warnings: [] });
  assert.match(page, /1 restore point would stay, 1 restore point would be removed/);
  assert.match(retentionPage('nightly', { decisions: [], warnings: [] }), /nothing is removed/);
});

test('pauses end in the future, or not by themselves', () => {
  const now = new Date(2026, 0, 31, 12).getTime();
  const [forever, ...others] = pauseChoices(now);
  assert.equal(forever?.until, undefined);
  for (const { until } of others) assert.ok(until !== undefined && Date.parse(until) > now, until);
  const tomorrow = others.find(({ label }) => label.includes('2026-02-01 06:00'));
  assert.equal(Date.parse(tomorrow?.until ?? ''), new Date(2026, 1, 1, 6).getTime());
});
