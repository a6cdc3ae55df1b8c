/** Which planned VM came of an import or a definition. */
import type { VmId } from '../../../protocol/ids.ts';
import type { HypervCalls } from '../calls/calls.ts';
import { resolvePlannedVm } from '../commands/index.ts';
import type { Started } from '../commands/index.ts';

/** What `Start-TidemarkImport` and `Start-TidemarkDefinition` answer. */
export interface PlannedVmCall {
  readonly before: readonly VmId[];
  readonly outcome: Started;
  readonly created: VmId | null;
}

/** The planned VM that a call made which is done; null when Hyper-V does not show it. */
export async function plannedVmOf(
  calls: HypervCalls,
  { before, outcome, created }: PlannedVmCall,
  signal: AbortSignal,
): Promise<VmId | null> {
  if (created !== null || outcome.state === 'done') return created;
  const { vmId } = await calls.invoke(resolvePlannedVm, { JobId: outcome.jobId, Before: before }, signal);
  return vmId;
}
