/** Restores a whole VM to a host: its disks first, then the host registers it. Nothing is visible there before that. */
import { failpoint } from '../../base/failpoint.ts';
import * as agent from '../../protocol/agent.ts';
import type { RestoreVmRequest, RunOutcome } from '../../protocol/daemon.ts';
import { throwIfAborted } from '../../protocol/errors.ts';
import type { RestoreSessionId } from '../../protocol/ids.ts';
import { vmConfiguration } from '../../protocol/model.ts';
import { json } from '../../protocol/parse.ts';
import type { StoredDisk } from '../../repository/index.ts';
import type { AgentConnection } from '../agent-client/connection.ts';
import type { RestoreTarget } from '../transfer/restore-messages.ts';
import type { RunContext, RunServices } from './context.ts';
import { findRestorePoint } from './find-restore-point.ts';
import type { FoundRestorePoint } from './find-restore-point.ts';
import { restoreMap } from './restore-map.ts';

const abortTimeoutMs = 30_000;

/** Restores under a new identity; the VM that was backed up, if it still exists, is not touched. */
export async function executeRestoreVm(
  request: RestoreVmRequest,
  context: RunContext,
  services: RunServices,
): Promise<RunOutcome> {
  context.phase('connecting');
  const found = await findRestorePoint(request, context, services);
  const { repository, point } = found;
  const host = services.hosts.get(request.host);
  const connection = await host.connect(context.signal);
  const signal = AbortSignal.any([context.signal, connection.closed]);
  const bytes = await repository.readBlob(point.configuration, signal);
  const configuration = json(Buffer.from(bytes).toString('utf8'), vmConfiguration, 'The stored VM configuration');
  const name = request.name ?? point.vmName;
  context.setTitle(`${point.vmName} → ${host.name}/${name}`);
  context.setDisks(point.disks.map((disk) => ({ name: disk.name, totalBytes: disk.stats.dataBytes })));
  const { connectNetwork } = request;
  const params = { name, configuration, connectNetwork, disks: point.disks.map(diskShape) };
  const { sessionId } = await connection.request(agent.beginRestore, params, { signal });
  try {
    failpoint('restore-vm.1-begun');
    await writeDisks(found, connection, sessionId, context, signal);
    failpoint('restore-vm.2-written');
    context.phase('committing');
    throwIfAborted(signal);
    const onJob = (_kind: agent.JobKind, percent: number): void => context.jobPercent(percent);
    const { vmId, warnings = [] } = await connection.request(agent.commitRestore, { sessionId }, { signal, onJob });
    for (const warning of warnings) context.warn(warning);
    context.log('info', `${name} (${vmId}) is there: it is off, and does not start with the host by itself.`);
    return { kind: 'restore-vm', host: host.name, vmId, vmName: name };
  } catch (error) {
    context.phase('cleaning-up');
    await abortRestore(connection, sessionId, context);
    throw error;
  }
}

async function writeDisks(
  { repository, point }: FoundRestorePoint,
  connection: AgentConnection,
  sessionId: RestoreSessionId,
  context: RunContext,
  signal: AbortSignal,
): Promise<void> {
  context.phase('reading');
  for (const disk of point.disks) {
    const target: RestoreTarget = { type: 'agent', access: connection.data, sessionId, diskId: disk.id };
    await restoreMap(repository, disk, target, context, signal);
  }
}

/** A connection that is gone needs no word: the agent takes back what its sessions began. */
async function abortRestore(
  connection: AgentConnection,
  sessionId: RestoreSessionId,
  context: RunContext,
): Promise<void> {
  if (connection.closed.aborted) return;
  try {
    await connection.request(agent.abortRestore, { sessionId }, { signal: AbortSignal.timeout(abortTimeoutMs) });
  } catch (error) {
    context.log('warning', 'The host removes the partial VM when this connection ends.', error);
  }
}

function diskShape({
  id,
  name,
  sizeBytes,
  logicalSectorBytes,
  physicalSectorBytes,
}: StoredDisk): Pick<StoredDisk, 'id' | 'name' | 'sizeBytes' | 'logicalSectorBytes' | 'physicalSectorBytes'> {
  return { id, name, sizeBytes, logicalSectorBytes, physicalSectorBytes };
}
