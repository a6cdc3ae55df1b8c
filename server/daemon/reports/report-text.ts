/** The report of a run as a page for people, in Markdown. */
import { formatBytes } from '../../base/format.ts';
import { missedRuns } from '../../base/missed-runs.ts';
import type { NotificationInfo, RunInfo, RunReport } from '../../protocol/daemon.ts';
import { headline } from '../notifications/mail-text.ts';
import { carriedOutVersion } from '../notifications/run-result.ts';
import { isFinished } from '../../protocol/daemon.ts';
import { blocks, escaped, facts, list, section, table } from './markdown.ts';
import { outcomeText } from './outcome-text.ts';
import { policyText } from './policy-text.ts';
import { errorText, time, took } from './texts.ts';

const maxLines = 2000;

/** The page. Everything that comes from elsewhere shows as it is. */
export function reportText({ run, children, notifications, omittedChildren }: RunReport): string {
  const { outcome } = run;
  const page = blocks([
    `# ${escaped(titleOf(run))}`,
    factsOf(run),
    section('Error', run.error === undefined ? '' : list([errorText(run.error)], 1)),
    section('Warnings', list(run.warnings, maxLines)),
    outcome === undefined ? '' : outcome.kind === 'policy' ? policyText(outcome, children) : outcomeText(outcome),
    section('Runs it worked through', childTable(children), omittedText(omittedChildren)),
    section('Notifications', notificationTable(notifications)),
  ]);
  return `${page}\n`;
}

function titleOf(run: RunInfo): string {
  if (!isFinished(run.state)) return `${run.title}: ${run.state}`;
  if (run.request.kind === 'policy') return headline({ run, policy: run.request.policy });
  const warned = run.state === 'succeeded' && run.warnings.length > 0 ? ' with warnings' : '';
  return `${run.title}: ${run.state}${warned}`;
}

const startedBy = { manual: 'by hand', schedule: 'by schedule', missed: 'late, since it was missed' } as const;

function factsOf(run: RunInfo): string {
  const { progress, request } = run;
  const going = isFinished(run.state)
    ? undefined
    : `${progress.phase}, ${formatBytes(progress.doneBytes)} of ${formatBytes(progress.totalBytes)}`;
  const policy = request.kind === 'policy' ? request : undefined;
  const missed = missedRuns(request);
  return facts([
    ['Run', run.id],
    ['What', run.title],
    ['State', run.state],
    ['Now', going],
    ['Part of', run.parent],
    ['Policy version', carriedOutVersion(run)?.toString()],
    ['Started', policy === undefined ? undefined : startedBy[policy.trigger]],
    ['Due', policy?.scheduledFor === undefined ? undefined : time(policy.scheduledFor)],
    ['Stands for', missed === undefined ? undefined : `${missed.text} since ${time(missed.since)}`],
    ['Queued', time(run.queuedAt)],
    ['Began', run.startedAt === undefined ? undefined : time(run.startedAt)],
    ['Ended', run.finishedAt === undefined ? undefined : time(run.finishedAt)],
    ['Took', took(run.startedAt, run.finishedAt)],
  ]);
}

function childTable(children: readonly RunInfo[]): string {
  const rows = children
    .slice(0, maxLines)
    .map((child) => [child.id, child.title, child.state, took(child.startedAt, child.finishedAt) ?? '']);
  return table([{ title: 'Run' }, { title: 'What' }, { title: 'State' }, { title: 'Took', align: 'right' }], rows);
}

function omittedText(omitted: number): string {
  return omitted === 0 ? '' : `${omitted} more are not shown.`;
}

function notificationTable(notifications: readonly NotificationInfo[]): string {
  const rows = notifications.map(({ channel, target, state, attempts, deliveredAt, nextAttemptAt, error }) => [
    channel,
    target,
    state,
    String(attempts),
    deliveredAt === undefined ? (nextAttemptAt === undefined ? '' : `next ${time(nextAttemptAt)}`) : time(deliveredAt),
    error === undefined ? '' : errorText(error),
  ]);
  return table(
    [
      { title: 'How' },
      { title: 'To' },
      { title: 'State' },
      { title: 'Attempts', align: 'right' },
      { title: 'When' },
      { title: 'Error' },
    ],
    rows,
  );
}
