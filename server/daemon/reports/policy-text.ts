/** What the run of a policy has to show, as Markdown: its VMs, then retention and verification. */
import { formatBytes, formatDuration } from '../../base/format.ts';
import type { PolicyRunVm, RunInfo, RunOutcome } from '../../protocol/daemon.ts';
import { totalsOf, worstFirst } from '../notifications/run-result.ts';
import { blocks, list, section, table } from './markdown.ts';
import { pruneText, verificationText } from './outcome-text.ts';
import { count, errorText } from './texts.ts';

type PolicyOutcome = Extract<RunOutcome, { readonly kind: 'policy' }>;

const maxVms = 5000;
const maxLines = 2000;

/** `children` are the runs that it worked through. */
export function policyText(outcome: PolicyOutcome, children: readonly RunInfo[]): string {
  const vms = worstFirst(outcome.vms);
  return blocks([
    section('VMs', totalsText(vms), vmTable(vms), omitted(vms.length - maxVms)),
    section('What to look at', list(vms.flatMap(reasonsOf), maxLines)),
    section('Retention', retentionText(outcome, children)),
    section('Verification', policyVerificationText(outcome, children)),
  ]);
}

function totalsText(vms: readonly PolicyRunVm[]): string {
  const { readBytes, storedBytes, total: _, ...counts } = totalsOf(vms);
  const results = Object.entries(counts).flatMap(([result, number]) => (number > 0 ? [`${number} ${result}`] : []));
  const bytes = `${formatBytes(readBytes)} read, ${formatBytes(storedBytes)} stored`;
  return list([`${results.length === 0 ? 'No VMs' : results.join(', ')}: ${bytes}`], 1);
}

function omitted(more: number): string {
  return more > 0 ? `${more} more VMs are not shown.` : '';
}

function vmTable(vms: readonly PolicyRunVm[]): string {
  const rows = vms
    .slice(0, maxVms)
    .map((vm) => [
      nameOf(vm),
      vm.attempts > 1 ? `${vm.result}, ${vm.attempts} attempts` : vm.result,
      vm.result === 'succeeded' ? formatBytes(vm.readBytes) : '',
      vm.result === 'succeeded' ? formatBytes(vm.storedBytes) : '',
      vm.durationMs > 0 ? formatDuration(vm.durationMs) : '',
      vm.restorePoint ?? '',
      vm.run ?? '',
    ]);
  return table(
    [
      { title: 'VM' },
      { title: 'Result' },
      { title: 'Read', align: 'right' },
      { title: 'Stored', align: 'right' },
      { title: 'Took', align: 'right' },
      { title: 'Restore point' },
      { title: 'Run' },
    ],
    rows,
  );
}

/** Errors with hints, reasons and warnings of one VM. */
function reasonsOf(vm: PolicyRunVm): readonly string[] {
  const name = nameOf(vm);
  return [
    ...(vm.error === undefined ? [] : [`${name}: ${errorText(vm.error)}`]),
    ...(vm.reason === undefined ? [] : [`${name}: ${vm.reason}`]),
    ...vm.warnings.map((warning) => `${name}: ${warning}`),
  ];
}

function nameOf(vm: PolicyRunVm): string {
  return vm.host === undefined ? vm.vm : `${vm.host}/${vm.vm}`;
}

/** What its prune runs say in full, else the figures of the run itself. */
function retentionText({ retention }: PolicyOutcome, children: readonly RunInfo[]): string {
  if (retention === undefined) return '';
  const error = retention.error === undefined ? '' : list([errorText(retention.error)], 1);
  const prunes = children.flatMap(({ outcome }) => (outcome?.kind === 'prune' ? [pruneText(outcome)] : []));
  if (prunes.length > 0) return blocks([...prunes, error]);
  const figures = `${count(retention.removed.length, 'restore point')} removed, ${retention.kept} kept`;
  return blocks([list([figures, ...retention.removed], maxLines), error]);
}

function policyVerificationText({ verification }: PolicyOutcome, children: readonly RunInfo[]): string {
  if (verification === undefined) return '';
  const error = verification.error === undefined ? '' : list([errorText(verification.error)], 1);
  const found = children.flatMap(({ outcome }) => (outcome?.kind === 'verify' ? [verificationText(outcome)] : []));
  if (found.length > 0) return blocks([...found, error]);
  const { restorePoints, problems } = verification;
  const damage = problems === 0 ? 'no damage' : `damage in ${count(problems, 'place')}`;
  return blocks([list([`${count(restorePoints, 'restore point')} checked: ${damage}`], 1), error]);
}
