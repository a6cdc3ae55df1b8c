/** Removes from a host what a crash of this daemon left there: checkpoints and reference points nothing needs any more. */
import { failpoint } from '../../base/failpoint.ts';
import type { Logger } from '../../base/log.ts';
import * as agent from '../../protocol/agent.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../../protocol/errors.ts';
import type { OwnerId, ReferencePointId, RunId, VmId } from '../../protocol/ids.ts';
import type { Checkpoint } from '../../protocol/model.ts';
import type { AgentConnection } from '../agent-client/connection.ts';

/** What may be removed, and what tells it from what is needed. */
export interface CleanUpOptions {
  readonly connection: AgentConnection;
  /** Only things that carry this mark are touched. */
  readonly owner: OwnerId;
  /** Restricts the clean-up to one VM. */
  readonly vmId?: VmId | undefined;
  /** Whether that run is going on, so that its checkpoint and reference point are in use. */
  readonly isActive: (run: RunId) => boolean;
  /** The reference points that restore points name; undefined when not all restore points can be read: then none is removed. */
  readonly knownReferencePoints: () => Promise<ReadonlySet<ReferencePointId> | undefined>;
  readonly log: Logger;
  /** Told of what this daemon may not remove, but somebody should look at. */
  readonly warn: (text: string) => void;
  readonly signal: AbortSignal;
}

const hourMs = 3_600_000;
/** No backup takes so long, so that a checkpoint that is older was left behind; ms. */
const oldMs = 24 * hourMs;

/**
 * Removes our checkpoints of runs that ended, and our reference points that no restore point names. Tries all of them, then
 * throws the first failure: a checkpoint that stays keeps a differencing disk growing.
 */
export async function cleanUpHost(options: CleanUpOptions): Promise<void> {
  const failures: unknown[] = [];
  await removeCheckpoints(options, failures);
  await removeReferencePoints(options, failures);
  if (failures.length > 0) throw failures[0];
}

async function removeCheckpoints(options: CleanUpOptions, failures: unknown[]): Promise<void> {
  const { connection, signal } = options;
  const { checkpoints } = await connection.request(agent.listCheckpoints, vmFilter(options), { signal });
  for (const checkpoint of checkpoints) {
    if (!isLeftOver(options, checkpoint)) {
      warnOfOld(options, checkpoint);
      continue;
    }
    await attempt(options, `checkpoint ${checkpoint.id} of VM ${checkpoint.vmId}`, failures, () =>
      connection.request(agent.removeCheckpoint, { checkpointId: checkpoint.id }, { signal }),
    );
  }
}

/** A checkpoint of a daemon that is gone for ever is removed by nobody, and its disks grow. */
function warnOfOld({ connection, owner, warn }: CleanUpOptions, checkpoint: Checkpoint): void {
  const ageMs = Date.now() - Date.parse(checkpoint.createdAt);
  if (checkpoint.owner === undefined || checkpoint.owner === owner || ageMs < oldMs) return;
  warn(
    `Host ${connection.host.name}: a checkpoint of VM ${checkpoint.vmId} by another daemon is ${Math.floor(ageMs / hourMs)} hours old, and its disks grow. ` +
      'That daemon removes it when it is there again; if it is gone for ever, remove the checkpoint on the host.',
  );
}

async function removeReferencePoints(options: CleanUpOptions, failures: unknown[]): Promise<void> {
  const { connection, log, signal } = options;
  // The order matters. A run that ends meanwhile has written its restore point before it counts as ended: what is listed here, belongs
  // to no active run *then*, and is in no restore point *after that*, belongs to nobody.
  const { referencePoints } = await connection.request(agent.listReferencePoints, vmFilter(options), { signal });
  const candidates = referencePoints.filter((point) => isLeftOver(options, point));
  if (candidates.length === 0) return;
  const known = await options.knownReferencePoints();
  if (known === undefined) {
    log.log(
      'info',
      `Host ${connection.host.name}: reference points are kept, because not all restore points can be read`,
    );
    return;
  }
  for (const point of candidates) {
    if (known.has(point.id)) continue;
    await attempt(options, `reference point ${point.id} of VM ${point.vmId}`, failures, () =>
      connection.request(agent.removeReferencePoint, { referencePointId: point.id }, { signal }),
    );
  }
}

async function attempt(
  options: CleanUpOptions,
  what: string,
  failures: unknown[],
  remove: () => Promise<unknown>,
): Promise<void> {
  const { connection, log, signal } = options;
  throwIfAborted(signal);
  try {
    await remove();
    log.log('info', `Host ${connection.host.name}: removed ${what}, which nothing needs any more`);
    failpoint('clean-up.removed');
  } catch (error) {
    const gone =
      TidemarkError.is(error, errorCodes.checkpointNotFound) ||
      TidemarkError.is(error, errorCodes.referencePointNotFound);
    if (gone) return;
    throwIfAborted(signal);
    log.log('warning', `Host ${connection.host.name}: ${what} cannot be removed now`, error);
    failures.push(error);
  }
}

function vmFilter(options: CleanUpOptions): { readonly vmId?: VmId } {
  return options.vmId === undefined ? {} : { vmId: options.vmId };
}

/** Ours, of the asked VM (an agent's filter is not relied on), and of no active run. */
function isLeftOver(
  options: CleanUpOptions,
  item: { readonly vmId: VmId; readonly owner?: OwnerId | undefined; readonly runId?: RunId | undefined },
): boolean {
  if (item.owner !== options.owner) return false;
  if (options.vmId !== undefined && item.vmId !== options.vmId) return false;
  return item.runId === undefined || !options.isActive(item.runId);
}
