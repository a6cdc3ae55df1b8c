import assert from 'node:assert/strict';
import { test } from 'node:test';

import { endMessage, notificationText, statusContent } from '../../../client/run-activity/activity-model.ts';
import { failureFacts, listVmsInput, newestFailure, runStatus } from '../../../client/ai/tool-model.ts';
import { fromPage } from '../../../client/run-page/messages.ts';
import { runChart, runPageState } from '../../../client/run-page/page-model.ts';
import { vmId } from '../../../server/protocol/ids.ts';
import type { RunInfo } from '../../../server/protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { sampleRun } from './support/samples.ts';

const mib = 1024 ** 2;
const now = Date.parse('2026-03-01T12:00:00Z');

/** A backup in the middle of its transfer, a quarter done. */
function transferring(): RunInfo {
  return {
    ...sampleRun(1, 'running'),
    title: 'hv01/sql01 → main',
    request: {
      kind: 'backup',
      vm: 'sql01',
      repository: 'main',
      type: 'full',
      consistency: 'crash',
      excludeDisks: [],
    },
    startedAt: '2026-03-01T11:59:50Z',
    progress: {
      phase: 'transfer',
      disks: [
        { name: 'os', doneBytes: 50 * mib, totalBytes: 100 * mib },
        { name: 'data', doneBytes: 0, totalBytes: 100 * mib },
        { name: 'empty', doneBytes: 0, totalBytes: 0 },
      ],
      doneBytes: 50 * mib,
      totalBytes: 200 * mib,
      bytesPerSecond: 5 * mib,
      etaSeconds: 30,
    },
  };
}

test('the page of a run under way shows each disk, the phases done and to come, and can cancel', () => {
  const state = runPageState(transferring(), now);
  assert.equal(state.tone, 'active');
  assert.equal(state.total?.percent, 25);
  assert.deepEqual(
    state.disks.map(({ name, percent }) => [name, percent]),
    [
      ['os', 50],
      ['data', 0],
      ['empty', 100],
    ],
  );
  assert.deepEqual(
    state.phases.map((phase) => phase.state),
    ['done', 'done', 'done', 'now', 'to-do', 'to-do'],
  );
  assert.equal(state.canCancel, true);
  assert.equal(state.canRetry, false);
  assert.ok(state.facts.some(({ name, value }) => name === 'Time left' && value === '30 s'));
});

test('the page of a failed run names the phase it ended in, the reason and the hint, and can run again', () => {
  const failed: RunInfo = {
    ...transferring(),
    state: 'failed',
    finishedAt: '2026-03-01T12:00:00Z',
    error: { code: 'TM2005', message: 'The agent is gone.', hint: 'Start it.' },
  };
  const state = runPageState(failed, now);
  assert.equal(state.tone, 'bad');
  assert.equal(state.phases[3]?.state, 'failed');
  assert.deepEqual(state.error, { code: 'TM2005', message: 'The agent is gone.', hint: 'Start it.' });
  assert.equal(state.canCancel, false);
  assert.equal(state.canRetry, true);
});

test('while a run cleans up, no phase before it is called done', () => {
  const run = transferring();
  const state = runPageState({ ...run, progress: { ...run.progress, phase: 'cleaning-up' } }, now);
  assert.equal(state.phases.at(-1)?.text, 'cleaning up');
  assert.equal(state.phases.at(-1)?.state, 'now');
  assert.ok(state.phases.every((phase) => phase.state !== 'done'));
});

test('the chart says in words what it draws', () => {
  const samples = [
    { atMs: 0, doneBytes: 0, bytesPerSecond: 0 },
    { atMs: 1000, doneBytes: 10 * mib, bytesPerSecond: 10 * mib },
    { atMs: 2000, doneBytes: 16 * mib, bytesPerSecond: 6 * mib },
  ];
  const chart = runChart(samples);
  assert.equal(chart.top, '10 MiB/s');
  assert.equal(chart.description, '16 MiB in 2.0 s: 8 MiB/s on average, 10 MiB/s at most.');
  assert.equal(runChart([]).description, 'No data has moved yet.');
});

test('data that comes in batches makes a line, not a saw', () => {
  const samples = Array.from({ length: 40 }, (_, index) => {
    const batches = Math.floor(index / 2);
    return { atMs: index * 500, doneBytes: batches * 4 * mib, bytesPerSecond: index % 2 === 0 ? 8 * mib : 0 };
  });
  const rates = runChart(samples)
    .points.slice(8)
    .map(({ bytesPerSecond }) => bytesPerSecond / mib);
  assert.ok(
    rates.every((rate) => rate >= 3.9 && rate <= 4.1),
    rates.join(' '),
  );
});

test('messages of the page that are none of ours are refused', () => {
  assert.deepEqual(fromPage({ type: 'cancel', extra: 1 }, ''), { type: 'cancel' });
  for (const message of [undefined, 'cancel', { type: 'delete' }, { type: '__proto__' }]) {
    assert.throws(
      () => fromPage(message, 'message'),
      (error) => TidemarkError.is(error, errorCodes.invalidInput),
    );
  }
});

test('a notification counts the data, and says the phase where none moves', () => {
  assert.deepEqual(notificationText(transferring()), {
    message: '25 % · 50 MiB of 200 MiB · 5 MiB/s · 30 s left',
    percent: 25,
  });
  const run = transferring();
  const waiting = notificationText({ ...run, progress: { ...run.progress, phase: 'checkpoint' } });
  assert.deepEqual(waiting, { message: 'creating checkpoint…', percent: 0 });
});

test('the end of a run is told once: the result, the first warning or the reason; a cancelled run says nothing', () => {
  const run = transferring();
  assert.equal(endMessage({ ...run, state: 'succeeded' })?.severity, 'info');
  const warned = endMessage({ ...run, state: 'succeeded', warnings: ['Only crash-consistent.', 'second'] });
  assert.equal(warned?.severity, 'warn');
  assert.match(warned?.message ?? '', /Only crash-consistent\./);
  const error = { code: 'TM2005', message: 'The agent is gone.', hint: 'Start it.' };
  assert.deepEqual(endMessage({ ...run, state: 'failed', error }), {
    severity: 'error',
    message: 'hv01/sql01 → main: failed. The agent is gone. Start it.',
  });
  assert.equal(endMessage({ ...run, state: 'cancelled' }), undefined);
});

test('the status bar is empty while nothing runs, and opens the run when there is one', () => {
  const connected = { kind: 'connected', daemonVersion: '1', instance: 'a' } as const;
  assert.equal(statusContent(connected, []), undefined);
  const one = statusContent(connected, [transferring()]);
  assert.equal(one?.text, '$(sync~spin) hv01/sql01 → main 25 %');
  assert.equal(one?.run?.title, 'hv01/sql01 → main');
  const two = statusContent(connected, [transferring(), sampleRun(2, 'queued')]);
  assert.match(two?.text ?? '', /2 runs/);
  assert.equal(two?.run, undefined);
  const lost = statusContent(
    { kind: 'failed', error: new TidemarkError(errorCodes.daemonNotRunning, 'No daemon.') },
    [],
  );
  assert.equal(lost?.problem, true);
});

test('what the tools answer is capped and says how to narrow', () => {
  const many = Array.from({ length: 30 }, (_, index) => sampleRun(index, 'succeeded'));
  const answer = JSON.stringify(runStatus(many));
  assert.match(answer, /"total":30/);
  assert.match(answer, /runId/);
  assert.ok(answer.length < 10_000);
  const failed = { ...sampleRun(3, 'failed'), error: { code: 'TM2001', message: 'Nobody is there.' } };
  assert.equal(newestFailure([sampleRun(4, 'succeeded'), failed])?.id, failed.id);
  const lines = Array.from({ length: 500 }, (_, index) => ({
    time: '2026-03-01T12:00:00Z',
    level: 'info' as const,
    text: `line ${index} ${'x'.repeat(1000)}`,
  }));
  const facts = JSON.stringify(failureFacts(failed, lines));
  assert.match(facts, /Nobody is there\./);
  assert.ok(facts.length < 12_000);
  assert.throws(() => listVmsInput({ onlyOverdue: 'yes' }, 'input'));
});

/** The run of a policy over these VMs. */
function policyRun(disks: RunInfo['progress']['disks']): RunInfo {
  const run = transferring();
  return {
    ...run,
    request: { kind: 'policy', policy: 'nightly', trigger: 'manual' },
    progress: { ...run.progress, disks },
  };
}

test('the page of the run of a policy shows its VMs, and one that has not begun is not done', () => {
  const run = policyRun([
    { name: 'hv01/sql01', doneBytes: mib, totalBytes: 2 * mib },
    { name: 'hv01/sql02', doneBytes: 0, totalBytes: 0 },
  ]);
  const state = runPageState(run, now);
  assert.deepEqual([state.parts, state.total?.name], ['VMs', 'All VMs']);
  assert.deepEqual(
    state.disks.map(({ percent, amount }) => [percent, amount]),
    [
      [50, '1 MiB of 2 MiB'],
      [undefined, 'nothing read yet'],
    ],
  );
  const ended = (result: 'succeeded' | 'failed') => {
    const vm = { host: 'hv01', vmId: vmId('00000000-0000-0000-0000-000000000002', ''), vm: 'sql02', result } as const;
    const figures = { attempts: 1, warnings: [], readBytes: 0, storedBytes: 0, durationMs: 0 };
    const outcome = { kind: 'policy', policy: 'nightly', version: 1, vms: [{ ...vm, ...figures }] } as const;
    return runPageState({ ...run, state: 'succeeded', finishedAt: '2026-03-01T12:00:00Z', outcome }, now).disks[1];
  };
  assert.equal(ended('succeeded')?.percent, 100, 'an incremental of a VM that did not change reads nothing');
  assert.deepEqual([ended('failed')?.percent, ended('failed')?.amount], [undefined, 'failed']);
});

test('of thousands of VMs the page has those that move', () => {
  const disks = Array.from({ length: 5000 }, (_, n) => ({ name: `hv01/vm${n}`, doneBytes: 0, totalBytes: 0 }));
  const moving = { name: 'hv01/moving', doneBytes: 1, totalBytes: mib };
  const { disks: bars } = runPageState(policyRun([...disks, moving]), now);
  assert.equal(bars.length, 100);
  assert.equal(bars[0]?.name, 'hv01/moving');
});
