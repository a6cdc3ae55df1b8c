/** A plan in words: the page, and the few lines before a policy is applied. */
import type { PlannedVm, PolicyFinding, PolicyPlan, RetentionDecision } from '../../../server/protocol/daemon.ts';
import { l10n } from '../../base/l10n.ts';
import { blocks, escaped, list, table } from '../../views/tree/markdown.ts';
import { typeText } from '../../views/tree/point-rows.ts';
import { pointsText, timeText, vmsText, warningsText } from '../../views/tree/texts.ts';

/** More lines than anybody reads on a page: the rest is counted. */
const maxRows = 500;
/** And in a dialog. */
const maxLines = 5;

/** The page of a plan, in Markdown. Whatever the names in it hold, they show as they are. */
export function planPage(plan: PolicyPlan): string {
  const title = l10n.t('Plan of {0}', plan.name);
  const base = plan.base;
  const said = remarks(plan);
  return blocks(
    `# ${escaped(title)}`,
    escaped(
      base === undefined
        ? l10n.t('The policy is not applied yet. Nothing has been changed by this plan.')
        : l10n.t(
            'Compared with version {0}, applied {1} by {2}. Nothing has been changed by this plan.',
            base.version,
            timeText(base.at),
            base.by,
          ),
    ),
    list(summaryLines(plan)),
    remarksSection(l10n.t('Warnings'), said.warnings),
    remarksSection(l10n.t('Notes'), said.notes),
    changesSection(plan),
    vmsSection(plan.vms),
    runsSection(plan),
    retentionSection(plan.retention),
  );
}

/** What matters of a plan, a line each. */
export function summaryLines(plan: PolicyPlan): readonly string[] {
  const counted = (change: PlannedVm['change']): number => plan.vms.filter((vm) => vm.change === change).length;
  const [kept, fresh, dropped] = [counted('kept'), counted('new'), counted('dropped')];
  const removed = plan.retention.filter(({ keep }) => !keep).length;
  const said = remarks(plan);
  return [
    l10n.t('{0} taken in: {1} new, {2} as before, {3} dropped', vmsText(kept + fresh), fresh, kept, dropped),
    ...(plan.paused === undefined ? [] : [pausedLine(plan.paused, plan.timezone)]),
    ...nextRunLine(plan),
    ...(plan.retentionUnknown === true ? [l10n.t('what the retention would remove is not known')] : []),
    ...(removed === 0 ? [] : [l10n.t('{0} would be removed by the retention', pointsText(removed))]),
    ...(said.warnings.length === 0 ? [] : [warningsText(said.warnings.length)]),
    ...(said.notes.length === 0 ? [] : [notesText(said.notes.length)]),
  ];
}

/** Nothing of a policy that somebody must resume first: nobody knows when that is. */
function nextRunLine({ nextRuns: [next], paused, timezone }: PolicyPlan): readonly string[] {
  if (next === undefined) return [l10n.t('no run by schedule')];
  if (paused !== undefined && paused.until === undefined) return [];
  return [l10n.t('next run {0}, {1}', zonedText(next.at, timezone), typeText(next.type))];
}

/** Applying a text resumes nothing. */
function pausedLine({ until }: NonNullable<PolicyPlan['paused']>, timezone: string | undefined): string {
  return until === undefined
    ? l10n.t('paused: no run starts by schedule until somebody resumes it')
    : l10n.t('paused until {0}', zonedText(until, timezone));
}

/** What is said of a text: what may go wrong, and what is only good to know. */
interface Remarks {
  readonly warnings: readonly Remark[];
  readonly notes: readonly Remark[];
}

interface Remark {
  readonly message: string;
  /** Where in the text. */
  readonly finding?: PolicyFinding;
}

function remarks({ findings, warnings }: PolicyPlan): Remarks {
  const found = findings.map((finding): Remark => ({ message: finding.message, finding }));
  const isNote = ({ finding }: Remark): boolean => finding?.severity === 'information';
  return {
    warnings: [...found.filter((remark) => !isNote(remark)), ...warnings.map((message) => ({ message }))],
    notes: found.filter(isNote),
  };
}

function notesText(count: number): string {
  return count === 1 ? l10n.t('1 note') : l10n.t('{0} notes', count);
}

/** What is said before the policy is applied: the summary, what changes, and the warnings. */
export function applyDetail(plan: PolicyPlan): string {
  const changes = plan.base === undefined ? [] : plan.changes.map(changeLine);
  const said = remarks(plan);
  // What may go wrong first: the rest is cut.
  const lines = [
    ...said.warnings.map(({ message }) => `⚠ ${message}`),
    ...said.notes.map(({ message }) => `ℹ ${message}`),
  ];
  return [summaryLines(plan), cut(changes), cut(lines)]
    .filter((part) => part.length > 0)
    .map((part) => part.join('\n'))
    .join('\n\n');
}

function cut(lines: readonly string[]): readonly string[] {
  if (lines.length <= maxLines) return lines;
  return [...lines.slice(0, maxLines), l10n.t('and {0} more', lines.length - maxLines)];
}

function changeLine({ path, before, after }: PolicyPlan['changes'][number]): string {
  if (before === undefined) return l10n.t('{0}: {1} (added)', path, short(after));
  if (after === undefined) return l10n.t('{0}: {1} (removed)', path, short(before));
  return l10n.t('{0}: {1} → {2}', path, short(before), short(after));
}

const short = (text = ''): string => (text.length > 120 ? `${text.slice(0, 119)}…` : text);

function section(title: string, content: string): string {
  return content === '' ? '' : blocks(`## ${escaped(title)}`, content);
}

function remarkLine({ message, finding }: Remark): string {
  if (finding === undefined) return message;
  return l10n.t('Line {0}: {1} ({2})', finding.start.line + 1, message, finding.code);
}

function remarksSection(title: string, said: readonly Remark[]): string {
  return section(title, list(said.slice(0, maxRows).map(remarkLine)));
}

function changesSection({ base, changes }: PolicyPlan): string {
  if (base === undefined) return '';
  const title = l10n.t('Changes');
  if (changes.length === 0) return section(title, escaped(l10n.t('No value differs from what is applied.')));
  const head = [l10n.t('Key'), l10n.t('Applied'), l10n.t('File')];
  return section(
    title,
    rows(
      head,
      changes.map(({ path, before = '', after = '' }) => [path, before, after]),
    ),
  );
}

const changeOrder = { new: 0, dropped: 1, kept: 2 } as const;

function vmsSection(vms: readonly PlannedVm[]): string {
  const title = l10n.t('VMs');
  if (vms.length === 0) return section(title, escaped(l10n.t('It takes in no VM.')));
  const texts = { new: l10n.t('new'), dropped: l10n.t('dropped'), kept: l10n.t('as before') };
  const sorted = vms.toSorted((a, b) => changeOrder[a.change] - changeOrder[b.change]);
  const head = [l10n.t('VM'), l10n.t('Host'), l10n.t('What changes')];
  return section(
    title,
    rows(
      head,
      sorted.map(({ vm, host, change }) => [vm, host, texts[change]]),
    ),
  );
}

function runsSection({ nextRuns, timezone }: PolicyPlan): string {
  const title = l10n.t('Next runs');
  if (nextRuns.length === 0)
    return section(title, escaped(l10n.t('None: it has no schedule. It runs when somebody starts it.')));
  const head = [l10n.t('When'), l10n.t('Type')];
  return section(
    title,
    rows(
      head,
      nextRuns.map(({ at, type }) => [zonedText(at, timezone), typeText(type)]),
    ),
  );
}

/** A moment where the policy counts its hours, with the zone; in that of this machine when the zone is not known here. */
function zonedText(at: string, timezone: string | undefined): string {
  if (timezone === undefined) return timeText(at);
  try {
    // Sweden writes times as we do: 2026-01-31 07:05.
    const format = new Intl.DateTimeFormat('sv-SE', { dateStyle: 'short', timeStyle: 'short', timeZone: timezone });
    return `${format.format(new Date(at))} ${timezone}`;
  } catch (error) {
    // The daemon's machine may know newer zones.
    if (error instanceof RangeError) return timeText(at);
    throw error;
  }
}

/** What goes first; then what stays. */
export function retentionSection(decisions: readonly RetentionDecision[]): string {
  if (decisions.length === 0) return '';
  const sorted = decisions.toSorted((a, b) => Number(a.keep) - Number(b.keep));
  const head = [l10n.t('Restore point'), l10n.t('VM'), l10n.t('What happens'), l10n.t('Why')];
  return section(
    l10n.t('Restore points'),
    rows(
      head,
      sorted.map(({ createdAt, vm, keep, reasons }) => [
        timeText(createdAt),
        vm,
        keep ? l10n.t('stays') : l10n.t('is removed after the next successful run'),
        reasons.join(', '),
      ]),
    ),
  );
}

function rows(head: readonly string[], all: readonly (readonly string[])[]): string {
  const more = all.length - maxRows;
  return blocks(
    table(head, all.slice(0, maxRows)),
    more > 0 ? escaped(l10n.t('and {0} more', more.toLocaleString())) : undefined,
  );
}

/** The page of what the retention of an applied policy would do now. */
export function retentionPage(
  name: string,
  { decisions, warnings }: { readonly decisions: readonly RetentionDecision[]; readonly warnings: readonly string[] },
): string {
  const removed = decisions.filter(({ keep }) => !keep).length;
  return blocks(
    `# ${escaped(l10n.t('Retention of {0}', name))}`,
    escaped(
      decisions.length === 0
        ? l10n.t('There is no restore point that the policy made, or it has no retention: nothing is removed.')
        : l10n.t(
            '{0} would stay, {1} would be removed. Nothing has been removed by this preview.',
            pointsText(decisions.length - removed),
            pointsText(removed),
          ),
    ),
    section(l10n.t('Warnings'), list(warnings.slice(0, maxRows))),
    retentionSection(decisions),
  );
}
