/** The JSON document that webhooks get: docs/policies.md, "Notifications". Keys are added within a schema number, never changed. */
import { oneLine } from '../../base/one-line.ts';
import type { PolicyRunVm } from '../../protocol/daemon.ts';
import type { RunEnded, Sender, ToldError } from './message.ts';
import { durationOf, policyOutcome, resultOf, totalsOf, worstFirst } from './run-result.ts';

/** Version of the document. */
export const webhookSchema = 1;

/** Of a document, so that it stays one that every receiver takes. */
const maxVms = 1000;
const maxWarnings = 16;
const maxTextLength = 512;

/** The document about the end of a run. `id` is the message's. */
export function runEndedBody(ended: RunEnded, id: string): string {
  const { run, policy, version, repository, sender } = ended;
  const outcome = policyOutcome(run);
  const vms = worstFirst(outcome?.vms ?? []);
  const { readBytes, storedBytes, ...counts } = totalsOf(vms);
  const request = run.request.kind === 'policy' ? run.request : undefined;
  return JSON.stringify({
    schema: webhookSchema,
    id,
    event: 'policy-run-ended',
    result: resultOf(run),
    daemon: sender,
    policy: { name: policy, version },
    repository,
    run: {
      id: run.id,
      state: run.state,
      trigger: request?.trigger,
      type: request?.type,
      scheduledFor: request?.scheduledFor,
      queuedAt: run.queuedAt,
      startedAt: run.startedAt,
      finishedAt: run.finishedAt,
      durationMs: durationOf(run),
      error: errorOf(run.error),
      warnings: warningsOf(run.warnings),
    },
    counts,
    readBytes,
    storedBytes,
    vms: vms.slice(0, maxVms).map(vmOf),
    omittedVms: Math.max(0, vms.length - maxVms),
    retention:
      outcome?.retention === undefined
        ? undefined
        : {
            removed: outcome.retention.removed.length,
            kept: outcome.retention.kept,
            error: errorOf(outcome.retention.error),
          },
    verification:
      outcome?.verification === undefined
        ? undefined
        : { ...outcome.verification, error: errorOf(outcome.verification.error) },
  });
}

/** The document of a test. */
export function testBody(id: string, sender: Sender): string {
  return JSON.stringify({ schema: webhookSchema, id, event: 'test', daemon: sender });
}

function vmOf(vm: PolicyRunVm): object {
  return {
    host: vm.host,
    vm: vm.vm,
    vmId: vm.vmId,
    result: vm.result,
    run: vm.run,
    attempts: vm.attempts,
    restorePoint: vm.restorePoint,
    readBytes: vm.readBytes,
    storedBytes: vm.storedBytes,
    durationMs: vm.durationMs,
    reason: vm.reason === undefined ? undefined : oneLine(vm.reason, maxTextLength),
    error: errorOf(vm.error),
    warnings: warningsOf(vm.warnings),
  };
}

function warningsOf(warnings: readonly string[]): readonly string[] {
  return warnings.slice(0, maxWarnings).map((warning) => oneLine(warning, maxTextLength));
}

function errorOf(error: ToldError | undefined): object | undefined {
  if (error === undefined) return undefined;
  return {
    code: error.code,
    message: oneLine(error.message, maxTextLength),
    hint: error.hint === undefined ? undefined : oneLine(error.hint, maxTextLength),
  };
}
