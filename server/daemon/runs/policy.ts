/** The run of a policy. */
import type { PolicyRequest, RunOutcome } from '../../protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';

export async function executePolicy(request: PolicyRequest): Promise<RunOutcome> {
  throw new TidemarkError(errorCodes.policyNotFound, `There is no policy ${request.policy}.`);
}
