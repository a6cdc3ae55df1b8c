/** What the single runs have to show, as Markdown. */
import { formatBytes } from '../../base/format.ts';
import { vmLabels } from '../../base/vm-labels.ts';
import type { RetentionDecision, RunOutcome, VerifyProblem } from '../../protocol/daemon.ts';
import type { RestorePointId } from '../../protocol/ids.ts';
import { facts, list, section, table } from './markdown.ts';
import { count, errorText, time } from './texts.ts';

type Outcome<K extends RunOutcome['kind']> = Extract<RunOutcome, { readonly kind: K }>;

/** Entries of one list or table. */
const maxEntries = 2000;

/** Of a run that is no policy's. */
export function outcomeText(outcome: Exclude<RunOutcome, { readonly kind: 'policy' }>): string {
  if (outcome.kind === 'backup') return backupText(outcome);
  if (outcome.kind === 'verify') return section('Verification', verificationText(outcome));
  if (outcome.kind === 'prune') return section('Retention', pruneText(outcome));
  if (outcome.kind === 'gc') return collectionText(outcome);
  return outcome.kind === 'restore-disk' ? restoredDiskText(outcome) : restoredVmText(outcome);
}

function restoredDiskText({ target, sizeBytes, dataBytes }: Outcome<'restore-disk'>): string {
  return facts([
    ['Restored to', target],
    ['Size', formatBytes(sizeBytes)],
    ['Written', formatBytes(dataBytes)],
  ]);
}

function restoredVmText({ host, vmName, vmId }: Outcome<'restore-vm'>): string {
  return facts([
    ['Restored as', `${host}/${vmName}`],
    ['VM id', vmId],
  ]);
}

function collectionText(outcome: Outcome<'gc'>): string {
  return facts([
    ['Dry run', outcome.dryRun ? 'yes, nothing was deleted' : undefined],
    ['Set aside', `${count(outcome.condemnedPacks, 'pack')}, ${formatBytes(outcome.condemnedBytes)}`],
    ['Deleted', `${count(outcome.deletedPacks, 'pack')}, ${formatBytes(outcome.deletedBytes)}`],
    ['Packed anew', formatBytes(outcome.repackedBytes)],
    ['Can be deleted from', outcome.deletableAt === undefined ? undefined : time(outcome.deletableAt)],
  ]);
}

function backupText({ restorePoint }: Outcome<'backup'>): string {
  const { id, type, consistency, disks } = restorePoint;
  const rows = disks.map(({ name, sizeBytes, kind, stats }) => [
    name,
    formatBytes(sizeBytes),
    kind.type === 'full' ? `full (${kind.reason})` : 'incremental',
    formatBytes(stats.readBytes),
    formatBytes(stats.storedBytes),
  ]);
  return section(
    'Restore point',
    facts([
      ['Id', id],
      ['Type', type],
      ['Consistency', consistency],
    ]),
    table(
      [
        { title: 'Disk' },
        { title: 'Size', align: 'right' },
        { title: 'Type' },
        { title: 'Read', align: 'right' },
        { title: 'Stored', align: 'right' },
      ],
      rows,
    ),
  );
}

/** What was checked and found. */
export function verificationText(outcome: Outcome<'verify'>): string {
  const found = outcome.problems.length === 0 ? 'no damage' : `damage in ${count(outcome.problems.length, 'place')}`;
  const checked = `${count(outcome.restorePoints, 'restore point')} checked, ${formatBytes(outcome.readBytes)} read: ${found}`;
  return [list([checked], 1), problemTable(outcome.problems)].filter((part) => part !== '').join('\n\n');
}

function problemTable(problems: readonly VerifyProblem[]): string {
  const rows = problems
    .slice(0, maxEntries)
    .map(({ what, error, restorePoints }) => [what, errorText(error), hitText(restorePoints)]);
  return table([{ title: 'Where' }, { title: 'What' }, { title: 'Restore points it hits' }], rows);
}

function hitText(points: readonly RestorePointId[]): string {
  const shown = 10;
  if (points.length === 0) return 'none';
  return points.length <= shown
    ? points.join(', ')
    : `${points.slice(0, shown).join(', ')} and ${points.length - shown} more`;
}

/** What was removed and why, else only the ids. */
export function pruneText(outcome: Outcome<'prune'>): string {
  const { removed, kept, dryRun, decisions } = outcome;
  const what = dryRun ? 'would be removed' : 'removed';
  const headline = list([`${count(removed.length, 'restore point')} ${what}, ${kept.length} kept`], 1);
  const why = decisions === undefined ? list(removed, maxEntries) : decisionTable(decisions, new Set(removed));
  return [headline, why].filter((part) => part !== '').join('\n\n');
}

function decisionTable(decisions: readonly RetentionDecision[], removed: ReadonlySet<RestorePointId>): string {
  const label = vmLabels(decisions);
  const rows = decisions
    .filter(({ restorePoint }) => removed.has(restorePoint))
    .slice(0, maxEntries)
    .map((decision) => [label(decision), decision.restorePoint, time(decision.createdAt), decision.reasons.join(', ')]);
  return table([{ title: 'VM' }, { title: 'Removed' }, { title: 'Made' }, { title: 'Why' }], rows);
}
