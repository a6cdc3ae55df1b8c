import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';

import type { BackupRequest, PolicyRequest, RunInfo } from '../../../../server/protocol/daemon.ts';
import { errorCodes } from '../../../../server/protocol/errors.ts';
import type { RunContext } from '../../../../server/daemon/runs/context.ts';
import { untilAborted } from '../../../integration/support/fake-parts.ts';
import { PolicySite } from '../support/policy-site.ts';
import { settled } from '../support/virtual-clock.ts';

const minute = 60_000;
const hour = 60 * minute;

const schedule = (cron: string, more = ''): string => `schedule:\n  - cron: "${cron}"\n${more}`;
const hangs = (_request: BackupRequest, context: RunContext): Promise<never> => untilAborted(context.signal);

describe('the scheduler', () => {
  let site: PolicySite;
  /** When each run of a policy began, by the clock. */
  let begun: string[];

  const open = async (start: string, policy: string): Promise<void> => {
    site = new PolicySite(start);
    begun = [];
    site.addVm('hv01', 'sql01');
    site.backups.set('sql01', async () => void begun.push(new Date(site.clock.now()).toISOString()));
    site.apply(policy);
    site.scheduler.start();
    await settled();
  };
  const request = (run: RunInfo | undefined): PolicyRequest => {
    assert(run?.request.kind === 'policy');
    return run.request;
  };
  const requests = (): readonly PolicyRequest[] => site.policyRuns().map(request);

  beforeEach(() => (begun = []));
  afterEach(async () => site[Symbol.asyncDispose]());

  it('starts a run when it is due, once', async () => {
    await open('2026-03-02T12:00:00Z', schedule('30 * * * *'));
    assert.deepEqual(site.scheduler.nextRun('nightly'), { at: '2026-03-02T12:30:00.000Z', type: 'incremental' });
    await site.clock.pass(3 * hour);
    assert.deepEqual(begun, ['2026-03-02T12:30:00.000Z', '2026-03-02T13:30:00.000Z', '2026-03-02T14:30:00.000Z']);
    assert.deepEqual(requests()[0], {
      kind: 'policy',
      policy: 'nightly',
      type: 'incremental',
      trigger: 'schedule',
      scheduledFor: '2026-03-02T12:30:00.000Z',
    });
    assert.equal(site.policyRuns()[0]?.title, 'Policy nightly (by schedule)');
  });

  it('starts one full when a full and an incremental are due at the same time', async () => {
    await open('2026-03-02T12:00:00Z', 'schedule:\n  - cron: "0 * * * *"\n  - cron: "0 14 * * *"\n    type: full\n');
    await site.clock.pass(3 * hour);
    assert.deepEqual(
      requests().map(({ type }) => type),
      ['incremental', 'full', 'incremental'],
    );
  });

  it('follows the clocks of its zone when they change: once a night in Warsaw, every hour in New York', async () => {
    const berlin = schedule('30 2 * * *', '    timezone: Europe/Warsaw\n');
    await open('2026-03-28T00:00:00Z', berlin);
    await site.clock.pass(72 * hour);
    assert.deepEqual(begun, ['2026-03-28T01:30:00.000Z', '2026-03-29T01:00:00.000Z', '2026-03-30T00:30:00.000Z']);
    await site[Symbol.asyncDispose]();
    await open('2026-10-24T12:00:00Z', berlin);
    await site.clock.pass(48 * hour);
    assert.deepEqual(begun, ['2026-10-25T00:30:00.000Z', '2026-10-26T01:30:00.000Z']);
    await site[Symbol.asyncDispose]();
    await open('2026-11-01T04:30:00Z', schedule('0 * * * *', '    timezone: America/New_York\n'));
    await site.clock.pass(4 * hour);
    assert.equal(begun.length, 4, 'every hour that passes, also the one that comes twice');
  });

  it('catches up with one run after a downtime of ten hours, and says which were missed', async () => {
    await open('2026-03-02T12:00:00Z', schedule('0 * * * *'));
    await site.clock.pass(hour);
    await site.crash();
    site.clock.set('2026-03-02T23:20:00Z');
    await site.restart();
    assert.equal(begun.length, 2);
    const [, caughtUp] = requests();
    assert.equal(caughtUp?.trigger, 'missed');
    assert.equal(caughtUp?.scheduledFor, '2026-03-02T23:00:00.000Z');
    assert.equal(caughtUp?.missed?.length, 9);
    assert.equal(caughtUp?.missed?.[0], '2026-03-02T14:00:00.000Z');
    const lines = site.runs.logLines(site.policyRuns()[1]?.id ?? assert.fail(), 0, 100).map(({ text }) => text);
    assert.match(lines.join('\n'), /runs that were missed: 2026-03-02T14:00:00\.000Z/);
    await site.clock.pass(hour);
    assert.equal(begun.length, 3, 'and goes on as before');
  });

  it('leaves missed runs out when the policy says so', async () => {
    await open('2026-03-02T12:00:00Z', `missedRuns: skip\n${schedule('0 * * * *')}`);
    await site.crash();
    site.clock.set('2026-03-02T23:20:00Z');
    await site.restart();
    assert.deepEqual(begun, []);
    const [leftOut, ...others] = site.policyRuns();
    assert.equal(leftOut?.state, 'cancelled');
    assert.equal(leftOut.error?.code, errorCodes.policyRunLeftOut);
    assert.match(leftOut.error.message, /11 runs were missed\. The policy says to leave them out/);
    assert.deepEqual(others, [], 'one record stands for all of them');
    await site.clock.pass(hour);
    assert.deepEqual(begun, ['2026-03-03T00:00:00.000Z']);
  });

  it('makes a full of what it catches up when one of the missed runs was to be one', async () => {
    await open('2026-03-02T12:00:00Z', 'schedule:\n  - cron: "0 * * * *"\n  - cron: "0 14 * * *"\n    type: full\n');
    await site.crash();
    site.clock.set('2026-03-02T18:30:00Z');
    await site.restart();
    assert.equal(requests()[0]?.type, 'full');
  });

  it('takes a machine that slept for a daemon that was not there', async () => {
    await open('2026-03-02T12:00:00Z', schedule('0 * * * *'));
    await site.clock.pass(10 * minute);
    site.clock.set('2026-03-02T20:30:00Z');
    await site.clock.pass(minute);
    assert.deepEqual(begun, ['2026-03-02T20:31:00.000Z'], 'within a minute of its waking up');
    assert.equal(requests()[0]?.trigger, 'missed');
  });

  it('starts no run twice when the clock is set back a little, and goes on at once when it is set back far', async () => {
    await open('2026-03-02T12:00:00Z', schedule('0 * * * *'));
    await site.clock.pass(hour + minute);
    site.clock.set('2026-03-02T12:31:00Z');
    await site.clock.pass(hour);
    assert.deepEqual(begun, ['2026-03-02T13:00:00.000Z'], 'the run at 13:00 was there already');
    await site.clock.pass(hour);
    assert.equal(begun.length, 2);
    site.clock.set('2025-01-01T05:30:00Z');
    await site.clock.pass(hour);
    assert.deepEqual(begun.slice(2), ['2025-01-01T06:00:00.000Z'], 'a clock that was a year ahead puts nothing off');
  });

  it('starts nothing while the policy is paused, and does not catch that up', async () => {
    await open('2026-03-02T12:00:00Z', schedule('0 * * * *'));
    site.policies.pause('nightly', 'test', undefined);
    assert.equal(site.scheduler.nextRun('nightly'), undefined);
    assert.equal(site.scheduler.isNeeded, false);
    await site.clock.pass(3 * hour + 30 * minute);
    site.policies.resume('nightly', 'test');
    await settled();
    assert.deepEqual(begun, []);
    await site.clock.pass(30 * minute);
    assert.deepEqual(begun, ['2026-03-02T16:00:00.000Z']);
    assert.equal(requests()[0]?.trigger, 'schedule');
  });

  it('goes on by itself when the pause is over, also when it ended while the daemon was not there', async () => {
    await open('2026-03-02T12:00:00Z', schedule('0 * * * *'));
    site.policies.pause('nightly', 'test', '2026-03-02T14:30:00Z');
    assert.equal(site.scheduler.isNeeded, true);
    await site.clock.pass(3 * hour);
    assert.deepEqual(begun, ['2026-03-02T15:00:00.000Z']);
    site.policies.pause('nightly', 'test', '2026-03-02T18:30:00Z');
    await site.crash();
    site.clock.set('2026-03-02T20:30:00Z');
    await site.restart();
    assert.deepEqual(requests()[1]?.missed, ['2026-03-02T19:00:00.000Z'], 'what came due after the pause was missed');
  });

  it('waits for the window to open, and with what was missed as well', async () => {
    await open('2026-03-02T12:00:00Z', `window: {from: "22:00", to: "06:00"}\n${schedule('0 13 * * *')}`);
    assert.equal(site.scheduler.nextRun('nightly')?.at, '2026-03-02T22:00:00.000Z');
    await site.clock.pass(12 * hour);
    assert.deepEqual(begun, ['2026-03-02T22:00:00.000Z']);
    await site.crash();
    site.clock.set('2026-03-04T09:00:00Z');
    await site.restart();
    assert.equal(begun.length, 1, 'the run of the night before was missed, and the window is closed');
    assert.equal(site.scheduler.nextRun('nightly')?.at, '2026-03-04T22:00:00.000Z');
    await site.clock.pass(14 * hour);
    assert.deepEqual(begun.slice(1), ['2026-03-04T22:00:00.000Z']);
    assert.equal(requests().length, 2, 'which is the time of the next one as well: one run for both');
  });

  it('starts each run equally much later by its jitter', async () => {
    await open('2026-03-02T12:00:00Z', schedule('0 * * * *', '    jitter: 30m\n'));
    await site.clock.pass(3 * hour);
    const late = begun.map((at) => Date.parse(at) % hour);
    assert.equal(new Set(late).size, 1);
    assert.ok((late[0] ?? 0) > 0 && (late[0] ?? hour) < 30 * minute);
  });

  it('lets one run wait while another of the policy is active, and merges what comes due meanwhile', async () => {
    await open('2026-03-02T12:00:00Z', schedule('0 * * * *'));
    let release = (): void => undefined;
    site.backups.set('sql01', () => new Promise((resolve) => (release = resolve)));
    await site.clock.pass(3 * hour + minute);
    assert.equal(site.policyRuns().length, 1);
    assert.match(site.logged.join('\n'), /due at 2026-03-02T14:00:00\.000Z waits for/);
    release();
    await settled();
    const second = requests()[1];
    assert.equal(second?.scheduledFor, '2026-03-02T15:00:00.000Z');
    assert.deepEqual(second.missed, ['2026-03-02T14:00:00.000Z']);
    assert.equal(site.policyRuns().length, 2, 'one for both');
    release();
    await settled();
  });

  it('leaves a run out while another of the policy is active when the policy says to skip', async () => {
    await open('2026-03-02T12:00:00Z', `overlap: skip\n${schedule('0 * * * *')}`);
    let release = (): void => undefined;
    site.backups.set('sql01', () => new Promise((resolve) => (release = resolve)));
    await site.clock.pass(2 * hour + minute);
    release();
    await settled();
    const [first, leftOut, ...others] = site.policyRuns();
    assert.equal(first?.state, 'succeeded');
    assert.equal(leftOut?.state, 'cancelled');
    assert.match(leftOut.error?.message ?? '', /due at 2026-03-02T14:00:00\.000Z is left out/);
    assert.deepEqual(others, []);
  });

  it('records once that runs are left out, however many come due while one is active', async () => {
    await open('2026-03-02T12:00:00Z', `overlap: skip\n${schedule('*/10 * * * *')}`);
    let release = (): void => undefined;
    site.backups.set('sql01', () => new Promise((resolve) => (release = resolve)));
    await site.clock.pass(2 * hour);
    assert.equal(site.policyRuns().length, 2);
    release();
    await settled();
    await site.clock.pass(hour);
    assert.equal(site.policyRuns().filter(({ error }) => error !== undefined).length, 2, 'again for the next one');
    release();
    await settled();
  });

  it('follows a new version from when it was applied on', async () => {
    await open('2026-03-02T12:00:00Z', schedule('0 14 * * *'));
    await site.clock.pass(hour);
    site.apply(schedule('30 12 * * *'));
    assert.equal(site.scheduler.nextRun('nightly')?.at, '2026-03-03T12:30:00.000Z');
    await site.clock.pass(2 * hour);
    assert.deepEqual(begun, [], 'neither what the old one said, nor what the new one would have said before');
    await site.clock.passUntil('2026-03-03T13:00:00Z');
    assert.deepEqual(begun, ['2026-03-03T12:30:00.000Z']);
  });

  it('does not lose what was due when a new version is applied before anybody looked, as after a sleep', async () => {
    await open('2026-03-02T12:00:00Z', schedule('0 14 * * *'));
    site.clock.set('2026-03-02T16:00:00Z');
    site.apply(schedule('0 15 * * *'));
    await settled();
    assert.deepEqual(begun, ['2026-03-02T16:00:00.000Z']);
    assert.equal(requests()[0]?.scheduledFor, '2026-03-02T14:00:00.000Z');
    await site.clock.pass(hour);
    assert.equal(begun.length, 1);
  });

  it('starts nothing of a policy that was deleted', async () => {
    await open('2026-03-02T12:00:00Z', schedule('0 * * * *'));
    site.policies.delete('nightly', 'test');
    await site.clock.pass(3 * hour);
    assert.deepEqual(begun, []);
    assert.deepEqual(site.store.schedules.all(), []);
    assert.equal(site.scheduler.isNeeded, false);
  });

  it('goes on with the others when the state of a deleted policy cannot be deleted', async () => {
    await open('2026-03-02T12:00:00Z', schedule('0 13 * * *'));
    site.apply(schedule('0 14 * * *'), 'other');
    const remove = mock.method(site.store.schedules, 'delete', () => {
      throw new Error('database or disk is full');
    });
    site.policies.delete('nightly', 'test');
    await site.clock.pass(2 * hour);
    assert.deepEqual(begun, ['2026-03-02T14:00:00.000Z']);
    remove.mock.restore();
    await site.clock.pass(minute);
    assert.deepEqual(
      site.store.schedules.all().map(({ policy }) => policy),
      ['other'],
    );
  });

  it('catches up a run that the end of the daemon interrupted, three times in a row at most', async () => {
    await open('2026-03-02T12:00:00Z', schedule('0 13 * * *'));
    site.backups.set('sql01', hangs);
    await site.clock.pass(hour);
    for (let round = 0; round < 5; round++) {
      await site.crash();
      await site.restart();
    }
    assert.deepEqual(
      requests().map(({ trigger }) => trigger),
      ['schedule', 'missed', 'missed', 'missed'],
    );
    site.backups.delete('sql01');
    await site.clock.pass(24 * hour);
    assert.equal(requests()[4]?.trigger, 'schedule', 'the next day is another run');
  });

  it('does not catch up an interrupted run when the policy says to leave out missed ones', async () => {
    await open('2026-03-02T12:00:00Z', `missedRuns: skip\n${schedule('0 13 * * *')}`);
    site.backups.set('sql01', hangs);
    await site.clock.pass(hour);
    await site.crash();
    await site.restart();
    assert.equal(site.policyRuns().length, 1);
    assert.match(site.logged.join('\n'), /It is left out/);
  });

  it('takes a run that was about to start when the daemon ended for missed, and starts it once', async () => {
    await open('2026-03-02T12:00:00Z', schedule('0 13 * * *'));
    const start = mock.method(site.runs, 'start', () => {
      throw new Error('the process is gone');
    });
    await site.clock.pass(hour);
    start.mock.restore();
    assert.equal(site.policyRuns().length, 0);
    assert.ok(site.store.schedules.all()[0]?.waiting);
    await site.crash();
    await site.restart();
    await site.clock.pass(3 * hour);
    assert.deepEqual(
      requests().map(({ trigger, scheduledFor }) => [trigger, scheduledFor]),
      [['missed', '2026-03-02T13:00:00.000Z']],
    );
  });

  it('starts also when the run that it started last cannot be read, and catches it up', async () => {
    await open('2026-03-02T12:00:00Z', schedule('0 13 * * *'));
    site.backups.set('sql01', hangs);
    await site.clock.pass(hour);
    const [run] = site.policyRuns();
    assert(run);
    await site.crash();
    await site.restart((store) => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as another version may have written it
      store.updateRun({ ...run, state: 'suspended' as 'running' });
    });
    assert.deepEqual(
      requests().map(({ trigger, scheduledFor }) => [trigger, scheduledFor]),
      [['missed', '2026-03-02T13:00:00.000Z']],
      'of those that can be read',
    );
  });

  it('tries again a minute later when a run cannot be started', async () => {
    await open('2026-03-02T12:00:00Z', schedule('0 13 * * *'));
    await site.clock.pass(hour - minute);
    const start = mock.method(site.runs, 'start', () => {
      throw new Error('too many');
    });
    await site.clock.pass(minute);
    start.mock.restore();
    await site.clock.pass(minute);
    assert.deepEqual(begun, ['2026-03-02T13:01:00.000Z']);
  });

  it('leaves a run alone that somebody cancelled', async () => {
    await open('2026-03-02T12:00:00Z', schedule('0 13 * * *'));
    site.backups.set('sql01', hangs);
    await site.clock.pass(hour);
    site.runs.cancel(site.policyRuns()[0]?.id ?? assert.fail());
    await settled();
    await site.crash();
    await site.restart();
    assert.equal(site.policyRuns().length, 1);
  });
});
