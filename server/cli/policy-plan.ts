/** What applying a policy would do, for people: calm, and the sum of it last. */
import type { PlannedVm, PolicyPlan, RetentionDecision } from '../protocol/daemon.ts';
import { vmLabels } from '../base/vm-labels.ts';
import type { Style } from './terminal.ts';
import { printable } from './printable.ts';
import { count, localMinute, zonedMinute } from './table.ts';

/** Longer lists are cut in the text; `--json` has all. */
const longestList = 50;
/** So many of the next runs are shown. */
const shownRuns = 5;

/** Whether the planned text is the applied one. */
export function changesNothing({ base, sha256 }: PolicyPlan): boolean {
  return base?.sha256 === sha256;
}

/** A plan as text. `findings` is what the check found, as lines. */
export function planText(plan: PolicyPlan, style: Style, findings = ''): string {
  const timezone = plan.timezone ?? 'UTC';
  const warnings = plan.warnings.map((warning) => `${style.warn('warning')}: ${printable(warning)}\n`).join('');
  return [
    headText(plan),
    changesText(plan, style),
    vmsText(plan.vms, style),
    runsText(plan, timezone),
    retentionText(plan.retention, timezone, style),
    `${findings}${warnings}`,
    `${style.strong(summary(plan))}\n`,
  ]
    .filter((part) => part !== '')
    .join('\n');
}

/** `Plan: 2 VMs new, 1 dropped, 12 unchanged; 3 restore points would be removed.` */
export function summary({ vms, retention, retentionUnknown }: PolicyPlan): string {
  const of = (change: PlannedVm['change']): number => vms.filter((vm) => vm.change === change).length;
  const going = removed(retention).length;
  const points =
    retentionUnknown === true
      ? 'which restore points would be removed is not known'
      : `${going === 0 ? 'no' : going} restore point${going === 1 || going === 0 ? '' : 's'} would be removed`;
  return `Plan: ${count(of('new'), 'VM')} new, ${of('dropped')} dropped, ${of('kept')} unchanged; ${points}.`;
}

function headText(plan: PolicyPlan): string {
  const { name, base } = plan;
  if (base === undefined) return `Policy ${name} is new.\n`;
  const applied = `version ${base.version}, applied ${localMinute(base.at)} by ${printable(base.by)}`;
  return changesNothing(plan)
    ? `Policy ${name} is ${applied}. The file has not changed since.\n`
    : `Policy ${name}, compared with ${applied}.\n`;
}

/** Of a new policy the file itself says more. */
function changesText({ base, changes }: PolicyPlan, style: Style): string {
  if (base === undefined || changes.length === 0) return '';
  const width = Math.min(40, Math.max(...changes.map(({ path }) => path.length)));
  const lines = cut(changes).map(({ path, before, after }) => {
    const name = printable(path).padEnd(width);
    const old = printable(before ?? '');
    const now = printable(after ?? '');
    if (before === undefined) return `  ${style.good('+')} ${name}  ${now}\n`;
    if (after === undefined) return `  ${style.bad('-')} ${name}  ${old}\n`;
    return `  ${style.warn('~')} ${name}  ${old} → ${now}\n`;
  });
  return `Changes\n${lines.join('')}${more(changes)}`;
}

function vmsText(vms: readonly PlannedVm[], style: Style): string {
  const title = 'Virtual machines\n';
  if (vms.length === 0) return `${title}  ${style.warn('none')}: the policy takes in no VM.\n`;
  const changed = vms.filter(({ change }) => change !== 'kept');
  const names = changed.map(({ host, vm }) => printable(`${host}/${vm}`));
  const width = Math.min(40, Math.max(0, ...names.map((name) => name.length)));
  const lines = cut(changed).map(({ change }, index) => {
    const name = (names[index] ?? '').padEnd(width);
    return change === 'new'
      ? `  ${style.good('+')} ${name}  new\n`
      : `  ${style.bad('-')} ${name}  dropped: not backed up any more, its restore points stay\n`;
  });
  const kept = vms.length - changed.length;
  const unchanged = kept === 0 ? '' : `    ${count(kept, 'VM')} unchanged\n`;
  return `${title}${lines.join('')}${more(changed)}${unchanged}`;
}

function runsText({ name, nextRuns, paused }: PolicyPlan, timezone: string): string {
  if (nextRuns.length === 0) return `Next runs\n    none by schedule; start one with: tidemark backup run ${name}\n`;
  const lines = nextRuns.slice(0, shownRuns).map(({ at, type }) => `    ${zonedMinute(at, timezone)}  ${type}\n`);
  return `Next runs (${timezone})\n${pauseText(name, paused, timezone)}${lines.join('')}`;
}

/** Applying a text does not end a pause. */
function pauseText(name: string, paused: PolicyPlan['paused'], timezone: string): string {
  if (paused === undefined) return '';
  return paused.until === undefined
    ? `    paused: none starts before: tidemark policy resume ${name}\n`
    : `    paused until ${zonedMinute(paused.until, timezone)}\n`;
}

function retentionText(decisions: readonly RetentionDecision[], timezone: string, style: Style): string {
  if (decisions.length === 0) return '';
  const going = removed(decisions);
  const stay = decisions.length - going.length;
  const sum = `    ${count(stay, 'restore point')} ${stay === 1 ? 'stays' : 'stay'}\n`;
  if (going.length === 0) return `Retention\n${sum}`;
  const label = vmLabels(decisions);
  const lines = cut(going).map((decision) => removedLine(decision, label(decision), timezone, style));
  return `Restore points that the retention would remove, after the next successful run of their VM\n${lines.join('')}${more(going)}${sum}`;
}

function removedLine(
  { restorePoint, createdAt, reasons }: RetentionDecision,
  vm: string,
  timezone: string,
  style: Style,
): string {
  const why = reasons.length === 0 ? '' : `  ${printable(reasons.join(', '))}`;
  return `  ${style.bad('-')} ${restorePoint}  ${zonedMinute(createdAt, timezone)}  ${printable(vm)}${why}\n`;
}

function removed(decisions: readonly RetentionDecision[]): readonly RetentionDecision[] {
  return decisions.filter(({ keep }) => !keep);
}

function cut<T>(list: readonly T[]): readonly T[] {
  return list.slice(0, longestList);
}

function more(list: readonly unknown[]): string {
  return list.length <= longestList ? '' : `    and ${list.length - longestList} more; --json shows all\n`;
}
