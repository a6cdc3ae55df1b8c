/** Whether the run of a policy did what it was to do. */
import type { PolicyRunVm, RunOutcome } from '../../../protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../../protocol/errors.ts';
import type { RunId } from '../../../protocol/ids.ts';
import type { RunContext } from '../../runs/context.ts';
import type { Targets } from './targets.ts';

/**
 * Why the run failed; undefined when everything is backed up and nothing is known to be damaged. VMs that the policy says to skip do not make it
 * fail: a warning names them.
 */
export function verdict(
  { vms, verification }: Extract<RunOutcome, { readonly kind: 'policy' }>,
  { unknownHosts }: Pick<Targets, 'unknownHosts'>,
  context: Pick<RunContext, 'id' | 'warn'>,
): TidemarkError | undefined {
  for (const { vm, result, reason = '' } of vms) if (result === 'skipped') context.warn(`${vm} was skipped. ${reason}`);
  const failed = vms.filter(({ result }) => result === 'failed').length;
  const cancelled = vms.filter(({ result }) => result === 'cancelled').length;
  const problems: string[] = [];
  if (failed > 0) problems.push(`${failed} of ${vms.length} VMs failed.`);
  if (cancelled > 0) problems.push(`${cancelled} of ${vms.length} VMs ${cancelled === 1 ? 'was' : 'were'} cancelled.`);
  for (const host of unknownHosts) problems.push(`Host ${host} does not answer, and its VMs are not known.`);
  if (vms.length === 0 && unknownHosts.length === 0)
    problems.push('The policy takes in no VM, so nothing was backed up.');
  if (verification !== undefined && verification.problems > 0) {
    const places = verification.problems === 1 ? 'one place' : `${verification.problems} places`;
    problems.push(`The verification found damage in ${places}.`);
  }
  if (problems.length === 0) return undefined;
  return new TidemarkError(errorCodes.policyRunFailed, problems.join(' ').slice(0, 4000), {
    hint: hintOf(context.id, vms),
  });
}

function hintOf(id: RunId, vms: readonly PolicyRunVm[]): string {
  const usable = vms.some(({ restorePoint }) => restorePoint !== undefined) ? ' What was backed up can be used.' : '';
  return `What happened, VM by VM: tidemark run report ${id}.${usable}`;
}
