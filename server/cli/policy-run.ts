/** What the run of a policy did, for people. */
import { formatBytes, formatDuration } from '../base/format.ts';
import type { PolicyRunVm, RunInfo, RunOutcome } from '../protocol/daemon.ts';
import { printable } from './printable.ts';
import { count, table } from './table.ts';

type PolicyOutcome = Extract<RunOutcome, { readonly kind: 'policy' }>;

/** The VMs of a policy's run with what became of each, then retention and verification; empty for other runs. */
export function policyRunText({ outcome }: Pick<RunInfo, 'outcome'>): string {
  if (outcome?.kind !== 'policy') return '';
  const { vms } = outcome;
  return `${vms.length === 0 ? 'No VMs.\n' : vmTable(vms)}${reasons(vms)}${afterwards(outcome)}`;
}

function vmTable(vms: readonly PolicyRunVm[]): string {
  return table(
    [
      { title: 'VM' },
      { title: 'RESULT' },
      { title: 'READ', align: 'right' },
      { title: 'STORED', align: 'right' },
      { title: 'TOOK', align: 'right' },
      { title: 'RESTORE POINT' },
    ],
    vms.map((vm) => [
      nameOf(vm),
      vm.attempts > 1 ? `${vm.result}, attempt ${vm.attempts}` : vm.result,
      vm.restorePoint === undefined ? '' : formatBytes(vm.readBytes),
      vm.restorePoint === undefined ? '' : formatBytes(vm.storedBytes),
      vm.durationMs === 0 ? '' : formatDuration(vm.durationMs),
      vm.restorePoint ?? '',
    ]),
  );
}

/** Why VMs failed or were skipped, and what else is to be known of them. */
function reasons(vms: readonly PolicyRunVm[]): string {
  const lines = vms.flatMap((vm) =>
    [
      ...(vm.error === undefined ? [] : [errorText(vm.error)]),
      ...(vm.reason === undefined ? [] : [vm.reason]),
      ...vm.warnings,
    ].map((text) => `  ${nameOf(vm)}: ${printable(text)}\n`),
  );
  return lines.join('');
}

function errorText({ message, code, hint }: NonNullable<PolicyRunVm['error']>): string {
  return `${message} (${code})${hint === undefined ? '' : ` ${hint}`}`;
}

function afterwards({ retention, verification }: PolicyOutcome): string {
  const lines: string[] = [];
  if (verification !== undefined) {
    const { restorePoints, problems, error } = verification;
    const found = problems === 0 ? 'no damage found' : `damaged in ${count(problems, 'place')}`;
    lines.push(
      error === undefined
        ? `Verified ${count(restorePoints, 'restore point')}: ${found}.`
        : `Verification failed: ${printable(errorText(error))}`,
    );
  }
  if (retention !== undefined) {
    const { removed, kept, error } = retention;
    lines.push(
      error === undefined
        ? `Retention removed ${count(removed.length, 'restore point')}, kept ${kept}.`
        : `Retention failed: ${printable(errorText(error))}`,
    );
  }
  return lines.map((line) => `${line}\n`).join('');
}

function nameOf({ host, vm }: PolicyRunVm): string {
  return printable(host === undefined ? vm : `${host}/${vm}`);
}
