/** The requests of protocol/agent.ts, carried out by the provider. */
import type { MessageConnection } from 'vscode-jsonrpc/node';

import { handleRequest } from '../base/json-rpc.ts';
import type { Logger } from '../base/log.ts';
import * as protocol from '../protocol/agent.ts';
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import type { OwnerId } from '../protocol/ids.ts';
import type { RequestMessage } from '../protocol/message.ts';
import type { HeldBytes } from './held-bytes.ts';
import { jobReporter } from './job-reporter.ts';
import type { HostProvider, JobContext } from './provider.ts';
import { checkRestoreNames } from './restore-names.ts';
import { notOpen, tooMany } from './session.ts';
import type { Session } from './session.ts';

/** Requests of one connection that may run at a time. */
const maxRunning = 64;

/** What the handlers of one control connection share. */
export interface ControlContext {
  readonly rpc: MessageConnection;
  readonly provider: HostProvider;
  readonly log: Logger;
  /** The configuration files of restores that are open, over all sessions. */
  readonly configurations: HeldBytes;
  /** Throws when the connection has not authenticated and greeted yet. */
  ready(): { readonly session: Session; readonly owner: OwnerId };
  /** Requests that run; the end of the session waits for them. */
  readonly running: Set<Promise<unknown>>;
}

/** Registers all requests that need an authenticated connection. */
export function registerHandlers(context: ControlContext): void {
  registerQueries(context);
  registerCheckpoints(context);
  registerExports(context);
  registerRestores(context);
}

interface Call {
  readonly session: Session;
  readonly owner: OwnerId;
  readonly signal: AbortSignal;
  readonly job: (token: string | undefined) => JobContext;
}

/** Registers one request: it runs until `$/cancelRequest` or the end of the session aborts its signal, and its errors are the provider's or `TM2199`. */
function on<P, R>(
  context: ControlContext,
  message: RequestMessage<P, R>,
  run: (params: P, call: Call) => Promise<R>,
): void {
  handleRequest(context.rpc, message, async (params, cancel) => {
    const { session, owner } = context.ready();
    if (context.running.size >= maxRunning) throw tooMany('requests', maxRunning);
    const signal = AbortSignal.any([cancel, session.ended]);
    const call = {
      session,
      owner,
      signal,
      job: (token: string | undefined) => jobReporter(context.rpc, token, signal),
    };
    const running = run(params, call);
    context.running.add(running);
    try {
      return await running;
    } catch (error) {
      throw providerError(error, message.method, context.log);
    } finally {
      context.running.delete(running);
    }
  });
}

/** What a provider threw, as it crosses the wire: its own errors as they are, cancellation as such, the rest `TM2199`. */
export function providerError(error: unknown, doing: string, log: Logger): TidemarkError {
  const found = TidemarkError.from(error);
  if (found.code === errorCodes.cancelled || found === error) {
    log.log(found.code === errorCodes.cancelled ? 'info' : 'warning', `${doing} failed: ${found.message}`, found.cause);
    return found;
  }
  log.log('error', `${doing} failed`, error);
  const text = error instanceof Error ? error.message : String(error);
  return new TidemarkError(errorCodes.agentFailed, `The host could not do what was asked: ${text}`, {
    hint: "The agent's log has the details.",
    cause: error,
  });
}

function registerQueries(context: ControlContext): void {
  const { provider } = context;
  on(context, protocol.listVms, async (_, { signal }) => ({ vms: await provider.listVms(signal) }));
  on(context, protocol.listCheckpoints, async ({ vmId }, { session, signal }) => {
    const checkpoints = await provider.listCheckpoints(vmId, signal);
    session.grants.checkpoints.learn(checkpoints);
    return { checkpoints };
  });
  on(context, protocol.listReferencePoints, async ({ vmId }, { session, signal }) => {
    const referencePoints = await provider.listReferencePoints(vmId, signal);
    session.grants.referencePoints.learn(referencePoints);
    return { referencePoints };
  });
}

function registerCheckpoints(context: ControlContext): void {
  const { provider } = context;
  on(context, protocol.createCheckpoint, async ({ vmId, runId, consistency, job }, { session, owner, job: jobOf }) => {
    const checkpoint = await session.audited(
      'checkpoint-created',
      { vm: vmId, run: runId },
      async () => provider.createCheckpoint({ vmId, runId, consistency, owner }, jobOf(job)),
      ({ id, consistency: got }) => ({ checkpoint: id, consistency: got }),
    );
    session.grants.checkpoints.learn([checkpoint]);
    return { checkpoint };
  });
  on(context, protocol.removeCheckpoint, async ({ checkpointId, job }, { session, owner, signal, job: jobOf }) => {
    await session.auditedOn('checkpoint-removed', { checkpoint: checkpointId }, async (about) => {
      about.vm = await session.grants.checkpoint(checkpointId, owner, provider, signal);
      await provider.removeCheckpoint(checkpointId, jobOf(job));
    });
    return {};
  });
  on(context, protocol.convertCheckpoint, async ({ checkpointId, job }, { session, owner, signal, job: jobOf }) => {
    const referencePoint = await session.auditedOn(
      'checkpoint-converted',
      { checkpoint: checkpointId },
      async (about) => {
        about.vm = await session.grants.checkpoint(checkpointId, owner, provider, signal);
        return provider.convertCheckpoint(checkpointId, jobOf(job));
      },
      ({ id }) => ({ referencePoint: id }),
    );
    session.grants.referencePoints.learn([referencePoint]);
    return { referencePoint };
  });
  on(context, protocol.removeReferencePoint, async (params, { session, owner, signal, job: jobOf }) => {
    const { referencePointId, trackingIds, job } = params;
    await session.auditedOn('reference-point-removed', { referencePoint: referencePointId }, async (about) => {
      about.vm = await session.grants.referencePoint(referencePointId, owner, provider, signal);
      await provider.removeReferencePoint(referencePointId, trackingIds, jobOf(job));
    });
    return {};
  });
}

function registerExports(context: ControlContext): void {
  const { provider } = context;
  on(context, protocol.openExport, async ({ checkpointId, excludeDisks, job }, call) => {
    const { session, owner, signal } = call;
    const opened = await session.auditedOn(
      'export-opened',
      { checkpoint: checkpointId },
      async (about) => {
        const vm = await session.grants.checkpoint(checkpointId, owner, provider, signal);
        about.vm = vm;
        return session.openExport(vm, provider, async () =>
          provider.openExport({ checkpointId, excludeDisks }, call.job(job)),
        );
      },
      ({ id, disks }) => ({ export: id, disks: disks.length }),
    );
    const { id, disks, configuration, warnings } = opened;
    return { exportId: id, disks, configuration, warnings };
  });
  on(context, protocol.closeExport, async ({ exportId }, { session }) => {
    await session.closeExport(exportId, provider);
    return {};
  });
  on(context, protocol.listExtents, async ({ exportId, diskId, since, offset }, { session, signal }) => {
    const scope = session.exports.get(exportId);
    if (scope === undefined) throw notOpen('export', exportId);
    const leave = scope.enter();
    try {
      const page = await provider.listExtents(
        { exportId, diskId, since, offset, maxExtents: protocol.maxExtentsPerPage },
        AbortSignal.any([signal, scope.signal]),
      );
      const extents = page.extents.flatMap((extent) => [extent.offset, extent.length]);
      return page.nextOffset === undefined ? { extents } : { extents, nextOffset: page.nextOffset };
    } finally {
      leave();
    }
  });
}

function registerRestores(context: ControlContext): void {
  const { provider, configurations } = context;
  on(context, protocol.beginRestore, async (definition, { session, signal }) => {
    const { name, disks, configuration } = definition;
    const heldBytes = configuration.files.reduce((sum, { base64 }) => sum + base64.length, 0);
    const sizeBytes = disks.reduce((sum, disk) => sum + disk.sizeBytes, 0);
    const sessionId = await session.audited(
      'restore-begun',
      { vmName: name, disks: disks.length, sizeBytes },
      async () => {
        checkRestoreNames(definition);
        const hold = (): (() => void) => configurations.take(heldBytes);
        return session.beginRestore(name, provider, hold, async () => provider.beginRestore(definition, signal));
      },
      (restore) => ({ restore }),
    );
    return { sessionId };
  });
  on(context, protocol.commitRestore, async ({ sessionId, job }, call) => {
    const { restores } = call.session;
    const scope = restores.get(sessionId);
    if (scope === undefined) throw notOpen('restore', sessionId);
    if (scope.busy) {
      throw new TidemarkError(errorCodes.invalidInput, 'A disk of the VM is still being written.');
    }
    // Nobody may open a disk while the restore is being completed; when that fails it can still be aborted.
    restores.delete(sessionId);
    try {
      const { vmId, warnings } = await call.session.audited(
        'restore-committed',
        { restore: sessionId, vmName: scope.vm, bytesWritten: scope.bytes, ms: scope.ageMs },
        async () => provider.commitRestore(sessionId, call.job(job)),
        (restored) => ({ vm: restored.vmId }),
      );
      scope.release();
      return { vmId, warnings };
    } catch (error) {
      restores.set(sessionId, scope);
      throw error;
    }
  });
  on(context, protocol.abortRestore, async ({ sessionId }, { session }) => {
    await session.abortRestore(sessionId, provider);
    return {};
  });
}
