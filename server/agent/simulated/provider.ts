/** The simulated hypervisor behind `HostProvider`: puts the operations of this folder together. */
import { errorCodes, throwIfAborted, TidemarkError } from '../../protocol/errors.ts';
import type { VmInfo } from '../../protocol/model.ts';
import type { HostProvider } from '../provider.ts';
import type { SimulatedProviderOptions } from './api.ts';
import { convertCheckpoint, createCheckpoint, removeCheckpoint } from './checkpoints.ts';
import type { CheckpointSettings } from './checkpoints.ts';
import { damagedVmInfo, toCheckpoint, toHostInfo, toVmInfo, visibleCheckpoint } from './describe.ts';
import { Exports } from './exports.ts';
import { hostErrors } from './host-errors.ts';
import { jobDuration } from './jobs.ts';
import { recover } from './recover.ts';
import { removeReferencePoint } from './reference-points.ts';
import { Restores } from './restores.ts';
import type { VmDocument } from './state.ts';
import { failAtStep } from './steps.ts';
import { readHost, scanVms } from './store.ts';

/** How long a hanging VSS may keep a checkpoint waiting, in milliseconds. */
const defaultVssTimeoutMs = 60_000;

/** The hypervisor simulated in `root`. Its methods throw `TM2112` when that is no host directory. */
export function createSimulatedProvider(root: string, options: SimulatedProviderOptions = {}): HostProvider {
  const step = options.onStep ?? failAtStep;
  const jobMs = jobDuration(options.jobMs);
  const exported = new Exports(root, jobMs, step);
  const restores = new Restores(root, jobMs, step);
  const settings: CheckpointSettings = {
    root,
    jobMs,
    vssTimeoutMs: options.vssTimeoutMs ?? defaultVssTimeoutMs,
    step,
    closeExports: (checkpoint) => exported.closeOfCheckpoint(checkpoint),
  };
  const vmsOf = async (vmId: string | undefined, signal: AbortSignal): Promise<readonly VmDocument[]> => {
    throwIfAborted(signal);
    const { vms, damaged } = await scanVms(root);
    if (vmId === undefined) return vms;
    const found = vms.filter((vm) => vm.id === vmId);
    if (found.length > 0) return found;
    if (damaged[0] !== undefined) throw damaged[0].error;
    await readHost(root);
    throw new TidemarkError(errorCodes.vmNotFound, `There is no VM ${vmId} on this host.`, {
      hint: 'It was removed, or moved to another host.',
    });
  };
  const close = (): Promise<void> =>
    hostErrors(async () => {
      await exported.closeAll();
      await restores.abortAll();
    });
  return {
    kind: 'simulated',
    recover: (signal) => hostErrors(() => recover(root, step, signal)),
    describe: (signal) =>
      hostErrors(async () => {
        throwIfAborted(signal);
        return toHostInfo(await readHost(root));
      }),
    listVms: (signal) =>
      hostErrors(async () => {
        throwIfAborted(signal);
        const { vms, damaged } = await scanVms(root);
        const infos: VmInfo[] = damaged.map(({ name, error }) => damagedVmInfo(name, error.message));
        for (const vm of vms) infos.push(await toVmInfo(root, vm));
        return infos.sort((a, b) => (a.name < b.name ? -1 : 1));
      }),
    createCheckpoint: (request, job) => hostErrors(() => createCheckpoint(settings, request, job)),
    listCheckpoints: (vmId, signal) =>
      hostErrors(async () =>
        (await vmsOf(vmId, signal)).flatMap((vm) => {
          const checkpoint = visibleCheckpoint(vm);
          return checkpoint === undefined ? [] : [toCheckpoint(vm, checkpoint)];
        }),
      ),
    removeCheckpoint: (checkpoint, job) => hostErrors(() => removeCheckpoint(settings, checkpoint, job)),
    convertCheckpoint: (checkpoint, job) => hostErrors(() => convertCheckpoint(settings, checkpoint, job)),
    listReferencePoints: (vmId, signal) =>
      hostErrors(async () => (await vmsOf(vmId, signal)).flatMap((vm) => vm.referencePoints)),
    removeReferencePoint: (point, trackingIds, job) =>
      hostErrors(() => removeReferencePoint(settings, point, trackingIds, job)),
    openExport: (request, job) => hostErrors(() => exported.open(request.checkpointId, request.excludeDisks, job)),
    closeExport: (id) => hostErrors(() => exported.close(id)),
    listExtents: (request, signal) => hostErrors(() => exported.listExtents(request, signal)),
    openDisk: (exportId, diskId) => hostErrors(async () => exported.openDisk(exportId, diskId)),
    beginRestore: (definition, signal) => hostErrors(() => restores.begin(definition, signal)),
    openRestoreDisk: (session, diskId) => hostErrors(async () => restores.openDisk(session, diskId)),
    commitRestore: (session, job) =>
      hostErrors(async () => ({ vmId: await restores.commit(session, job), warnings: [] })),
    abortRestore: (session) => hostErrors(() => restores.abort(session)),
    [Symbol.asyncDispose]: close,
  };
}
