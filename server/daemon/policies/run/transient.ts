/** Which failures of a backup may pass by themselves, so that trying again makes sense. */
import { errorCodes } from '../../../protocol/errors.ts';

const passing: ReadonlySet<string> = new Set([
  errorCodes.hostUnreachable,
  errorCodes.agentConnectionLost,
  errorCodes.agentFailed,
  errorCodes.requestTimeout,
  errorCodes.hostLocked,
  // The policy found it a moment ago: it is on its way to another host.
  errorCodes.vmNotFound,
  errorCodes.vmBusy,
  errorCodes.vmWrongState,
  errorCodes.checkpointFailed,
  errorCodes.consistencyUnavailable,
  // The agent was started anew in the middle of it.
  errorCodes.checkpointNotFound,
  errorCodes.exportNotFound,
  errorCodes.repositoryLocked,
  errorCodes.repositoryUnavailable,
  errorCodes.leaseLost,
  // The base was deleted meanwhile.
  errorCodes.restorePointNotFound,
  errorCodes.daemonBusy,
]);

/** Whether the same backup may succeed a little later with nobody doing anything. A wrong password stays wrong. */
export function mayPass(code: string): boolean {
  return passing.has(code);
}
