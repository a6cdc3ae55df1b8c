/** How the run of a policy ended, as its `notify.on` counts it. */
import type { PolicyRunVm, RunInfo, RunOutcome } from '../../protocol/daemon.ts';
import { errorCodes } from '../../protocol/errors.ts';

/** What `notify.on` names. */
export type RunResult = 'failure' | 'warning' | 'success';

type PolicyOutcome = Extract<RunOutcome, { readonly kind: 'policy' }>;

/** What the run says of its VMs; undefined when it ended before it could say anything. */
export function policyOutcome(run: RunInfo): PolicyOutcome | undefined {
  return run.outcome?.kind === 'policy' ? run.outcome : undefined;
}

/** The version of the policy that was carried out; undefined when the run did not come so far, or nobody knows. */
export function carriedOutVersion(run: RunInfo): number | undefined {
  return policyOutcome(run)?.version ?? run.policyVersion;
}

/**
 * `failure`: a VM was not backed up because its backup failed, the run failed or was interrupted, or damage was found. `warning`: all
 * else that somebody should know: warnings, skipped VMs, a retention or verification that could not be carried out, and a run
 * that a person cancelled, who knows already. `success`: the rest.
 */
export function resultOf(run: RunInfo): RunResult {
  const outcome = policyOutcome(run);
  const vms = outcome?.vms ?? [];
  if (vms.some((vm) => vm.result === 'failed') || (outcome?.verification?.problems ?? 0) > 0) return 'failure';
  if (run.state === 'cancelled' && run.error?.code === errorCodes.cancelled) return 'warning';
  if (run.state !== 'succeeded') return 'failure';
  const troubled =
    run.warnings.length > 0 ||
    vms.some((vm) => vm.result !== 'succeeded' || vm.warnings.length > 0) ||
    outcome?.retention?.error !== undefined ||
    outcome?.verification?.error !== undefined;
  return troubled ? 'warning' : 'success';
}

/** How many VMs ended how, and bytes and time of all together. */
export interface VmTotals {
  readonly total: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly skipped: number;
  readonly cancelled: number;
  readonly readBytes: number;
  readonly storedBytes: number;
}

export function totalsOf(vms: readonly PolicyRunVm[]): VmTotals {
  const count = (result: PolicyRunVm['result']): number => vms.filter((vm) => vm.result === result).length;
  return {
    total: vms.length,
    succeeded: count('succeeded'),
    failed: count('failed'),
    skipped: count('skipped'),
    cancelled: count('cancelled'),
    readBytes: vms.reduce((sum, vm) => sum + vm.readBytes, 0),
    storedBytes: vms.reduce((sum, vm) => sum + vm.storedBytes, 0),
  };
}

const importance: Readonly<Record<PolicyRunVm['result'], number>> = {
  failed: 0,
  cancelled: 1,
  skipped: 2,
  succeeded: 3,
};

/** What somebody must look at first, then by name. */
export function worstFirst(vms: readonly PolicyRunVm[]): readonly PolicyRunVm[] {
  const warned = (vm: PolicyRunVm): number => (vm.warnings.length > 0 ? 0 : 1);
  return vms.toSorted(
    (a, b) =>
      importance[a.result] - importance[b.result] || warned(a) - warned(b) || (a.vm < b.vm ? -1 : a.vm > b.vm ? 1 : 0),
  );
}

/** Of the run, ms; undefined while it is active or when it never began. */
export function durationOf(run: RunInfo): number | undefined {
  if (run.startedAt === undefined || run.finishedAt === undefined) return undefined;
  return Math.max(0, Date.parse(run.finishedAt) - Date.parse(run.startedAt));
}
