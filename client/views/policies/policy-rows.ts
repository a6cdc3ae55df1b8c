/** The line and the tooltip of a policy. */
import type { AppliedPolicy } from '../../../server/protocol/daemon.ts';
import { l10n } from '../../base/l10n.ts';
import type { PolicyEntry } from '../../policy/policy-entries.ts';
import { hasEnded } from '../../stores/run-order.ts';
import { stateText } from '../runs/run-texts.ts';
import { blocks, escaped, factTable, heading, list } from '../tree/markdown.ts';
import { typeText } from '../tree/point-rows.ts';
import { colors, context, joined } from '../tree/row.ts';
import type { Icon, Row } from '../tree/row.ts';
import { ageText, shortTimeText, timeText, vmsText } from '../tree/texts.ts';
import type { PoliciesData, PolicyNode } from './policies-nodes.ts';

type RowData = Pick<PoliciesData, 'trusted' | 'now' | 'errors'>;

/** Whether a policy does not do what it is for. */
export function isInTrouble({ applied }: PolicyEntry): boolean {
  return applied !== undefined && (applied.problems.length > 0 || lastFailed(applied));
}

function lastFailed({ lastRun }: AppliedPolicy): boolean {
  return lastRun?.state === 'failed' || lastRun?.state === 'interrupted';
}

/** The line of a policy; `entry` is absent when it went away a moment ago. */
export function policyRow({ policyUri, policyName }: PolicyNode, entry: PolicyEntry | undefined, data: RowData): Row {
  if (entry === undefined) return { label: policyName ?? '', context: context('policy', 'gone'), expand: 'never' };
  const { name, file, applied, state } = entry;
  const facts = [...states(entry, data), ...(applied === undefined ? [] : course(applied, data.now))];
  const folder = file?.path.split('/').slice(0, -1).join('/');
  const description = joined(...facts, state === 'applied' ? '' : folder);
  return {
    label: name,
    description: description === '' ? undefined : description,
    icon: icon(entry, data),
    context: policyContext(entry, data),
    accessibility: [l10n.t('Policy {0}', name), stateWord(entry), ...facts].filter((part) => part !== '').join(', '),
    expand: state !== 'unknown' && entry.named ? 'collapsed' : 'never',
    command: {
      id: 'tidemark.policy.open',
      title: l10n.t('Open'),
      target: {
        ...(policyUri === undefined ? {} : { policyUri }),
        ...(policyName === undefined ? {} : { policyName }),
      },
    },
  };
}

/** What is not as it should be, or not as one might think. */
function states(entry: PolicyEntry, { errors, now }: RowData): readonly string[] {
  const { file, applied, state, named, twin } = entry;
  const count = file === undefined ? 0 : errors(file.uri);
  const paused = applied?.paused;
  return [
    named ? '' : l10n.t('no name'),
    state === 'changed' ? l10n.t('changed on disk') : '',
    state === 'not-applied' && named ? l10n.t('not applied') : '',
    state === 'file-missing' ? l10n.t('no file here') : '',
    twin ? l10n.t('another file has this name') : '',
    count === 0 ? '' : count === 1 ? l10n.t('1 error') : l10n.t('{0} errors', count),
    applied?.problems[0] ?? '',
    paused === undefined ? '' : pausedText(paused, now),
  ].filter((text) => text !== '');
}

function pausedText({ until }: NonNullable<AppliedPolicy['paused']>, now: number): string {
  return until === undefined ? l10n.t('paused') : l10n.t('paused until {0}', shortTimeText(until, now));
}

/** What comes next and how it went last: a narrow view cuts the end off, so what went wrong comes first. */
function course(applied: AppliedPolicy, now: number): readonly string[] {
  const { nextRun, lastRun, vms } = applied;
  const next = nextRun === undefined ? '' : l10n.t('next {0}', shortTimeText(nextRun.at, now));
  const last = lastRun === undefined ? '' : lastRunText(lastRun, now);
  return [...(lastFailed(applied) ? [last, next] : [next, last]), vmsText(vms)].filter((text) => text !== '');
}

function lastRunText(run: NonNullable<AppliedPolicy['lastRun']>, now: number): string {
  if (!hasEnded(run)) return l10n.t('runs now');
  const when = ageText(run.finishedAt ?? run.startedAt ?? now, now);
  const counts = run.succeeded === run.total ? '' : l10n.t('{0} of {1} VMs', run.succeeded, run.total);
  return [l10n.t('last run {0} {1}', stateText(run.state), when), counts].filter((text) => text !== '').join(', ');
}

function icon(entry: PolicyEntry, { errors }: RowData): Icon {
  const { applied, state, file } = entry;
  if (applied?.lastRun !== undefined && !hasEnded(applied.lastRun)) return { name: 'sync~spin' };
  if (isInTrouble(entry)) return { name: 'error', color: colors.bad };
  if (!entry.named || entry.twin || (file !== undefined && errors(file.uri) > 0))
    return { name: 'warning', color: colors.warning };
  if (applied?.paused !== undefined) return { name: 'debug-pause', color: colors.weak };
  return stateIcons[state];
}

const stateIcons: Readonly<Record<PolicyEntry['state'], Icon>> = {
  applied: { name: 'pass', color: colors.good },
  changed: { name: 'diff-modified', color: colors.warning },
  'not-applied': { name: 'circle-outline' },
  'file-missing': { name: 'cloud' },
  unknown: { name: 'checklist' },
};

function stateWord({ state }: PolicyEntry): string {
  // The others are in the line.
  return state === 'applied' ? l10n.t('applied') : '';
}

function policyContext({ state, named, file, applied }: PolicyEntry, { trusted, errors }: RowData): string {
  const isApplied = applied !== undefined;
  // A text with errors would be refused.
  const isWhole = file === undefined || errors(file.uri) === 0;
  return context(
    'policy',
    file !== undefined && 'file',
    isApplied && 'applied',
    state === 'changed' && 'changed',
    trusted && isApplied && 'runnable',
    trusted && named && isWhole && (state === 'changed' || state === 'not-applied') && 'appliable',
    isApplied && (applied.paused === undefined ? 'carried' : 'paused'),
    trusted && 'trusted',
  );
}

export function policyTooltip(entry: PolicyEntry, { trusted, now }: RowData): string {
  const { file, applied } = entry;
  const notRun = l10n.t('This workspace is not trusted: the policy is neither applied nor run.');
  return blocks(
    heading(entry.name),
    applied?.description === undefined ? undefined : escaped(applied.description),
    factTable([
      [l10n.t('State'), tooltipState(entry)],
      [l10n.t('File'), file?.path],
      ...(applied === undefined ? [] : appliedFacts(applied, now)),
    ]),
    applied === undefined || applied.problems.length === 0
      ? undefined
      : blocks(heading(l10n.t('Problems')), list(applied.problems)),
    trusted ? undefined : escaped(notRun),
  );
}

function tooltipState({ state, named }: PolicyEntry): string {
  if (!named) return l10n.t('the file says no name');
  switch (state) {
    case 'applied':
      return l10n.t('applied as it is in the file');
    case 'changed':
      return l10n.t('the file differs from what is applied');
    case 'not-applied':
      return l10n.t('not applied: the daemon does not carry it out');
    case 'file-missing':
      return l10n.t('applied; no file of this workspace has this name');
    case 'unknown':
      break;
  }
  return l10n.t('unknown while the daemon is not connected');
}

function appliedFacts(applied: AppliedPolicy, now: number): readonly (readonly [string, string | undefined])[] {
  const { current, paused, nextRun, lastRun, lastSuccessAt } = applied;
  return [
    [l10n.t('Repository'), applied.repository],
    [l10n.t('VMs'), applied.vms.toLocaleString()],
    [l10n.t('Version'), l10n.t('{0}, applied {1} by {2}', current.version, timeText(current.at), current.by)],
    [l10n.t('Paused'), paused === undefined ? undefined : l10n.t('by {0}, {1}', paused.by, timeText(paused.since))],
    [l10n.t('Next run'), nextRun === undefined ? undefined : joined(timeText(nextRun.at), typeText(nextRun.type))],
    [l10n.t('Last run'), lastRun === undefined ? undefined : lastRunText(lastRun, now)],
    [l10n.t('Last success'), lastSuccessAt === undefined ? undefined : timeText(lastSuccessAt)],
  ];
}
