/** Reference points: made of recovery snapshots, destroyed (docs/hyperv.md). */
import type { ReferencePointId } from '../../../../../server/protocol/ids.ts';
import type { ReferencePoint } from '../../../../../server/protocol/model.ts';
import { invalidParameter, MethodFailure, returnCodes } from '../failures.ts';
import type { WorkContext } from '../jobs.ts';
import { activeMachine, openCheckpoint, recoverySnapshot } from '../model/machine.ts';
import { keyText } from '../model/references.ts';
import { diskInstanceId } from '../model/resources.ts';
import { changeNotes } from '../notes.ts';
import type { Reference } from '../wire.ts';
import { hideForNow, operations } from '../vmms.ts';
import type { Vmms } from '../vmms.ts';
import type { Vm } from '../world.ts';
import { numberProperty, optionalEmbeddedArgument, referenceArgument } from './arguments.ts';
import type { Arguments } from './arguments.ts';
import type { Prepared } from './prepared.ts';
import { checkIdle, during, snapshotArgument, unlink } from './snapshots.ts';
import type { Found } from './snapshots.ts';

export const pointReference = (id: string, vmId: string): Reference => ({
  className: 'Msvm_VirtualSystemReferencePoint',
  keys: { InstanceID: id, VirtualSystemIdentifier: vmId },
});

/** `ConvertToReferencePoint`: the snapshot goes, and its disks merge afterwards. */
export function convertToReferencePoint(vmms: Vmms, given: Arguments): Prepared {
  const found = snapshotArgument(vmms, given, 'AffectedSnapshot');
  const { vm, snapshot } = found;
  const settings = optionalEmbeddedArgument(
    given,
    'ReferencePointSettings',
    'Msvm_VirtualSystemReferencePointSettingData',
  );
  const level = settings === undefined ? undefined : numberProperty(settings, 'ConsistencyLevel');
  if (level !== undefined && level > 2) throw invalidParameter('ConsistencyLevel must be 0, 1 or 2.');
  const isReal = openCheckpoint(vm.document)?.id === snapshot.id;
  if (snapshot.type !== recoverySnapshot || !isReal) throw new MethodFailure(returnCodes.invalidType);
  checkIdle(vmms, vm);
  let made: ReferencePointId | undefined;
  const run = async (context: WorkContext) => {
    made = await convert(vmms, found, level, context);
    hideForNow(vmms, made);
    vmms.ledger.destroyed({ kind: 'snapshot', id: snapshot.id, vmId: vm.id });
    vmms.ledger.made({ kind: 'reference point', id: made, vmId: vm.id });
    return [pointReference(made, vm.id)];
  };
  return {
    work: {
      type: 200,
      title: 'Converting Checkpoint to Reference Point',
      cancellable: false,
      run: (context) => during(vmms, vm, operations.deletingSnapshot, () => run(context)),
    },
    out: () => ({ ResultingReferencePoint: made === undefined ? null : pointReference(made, vm.id) }),
  };
}

/** Converts a snapshot; its merge begins by itself. */
export async function convert(
  vmms: Vmms,
  { vm, snapshot }: Found,
  level: number | undefined,
  context: WorkContext,
): Promise<ReferencePointId> {
  const before = new Set(vm.document.referencePoints.map((point) => point.id));
  const own = openCheckpoint(vm.document)?.consistency === 'application' ? 1 : 2;
  await unlink(vmms, vm, snapshot, 'convertCheckpoint', context);
  const now = vmms.world.vm(vm.id);
  const made = now?.document.referencePoints.find((point) => !before.has(point.id));
  if (made === undefined) throw new MethodFailure(returnCodes.failed, undefined, ['The reference point is gone.']);
  const machine = activeMachine(vm);
  const diskInstanceIds = made.disks.map(({ diskId }) =>
    diskInstanceId(
      machine,
      vm.document.disks.findIndex((disk) => disk.id === diskId),
    ),
  );
  const noted = { id: made.id, consistency: level ?? own, diskInstanceIds };
  await changeNotes(vmms.world.root, vm.id, (notes) => ({
    ...notes,
    referencePoints: [...notes.referencePoints, noted],
  }));
  return made.id;
}

/** `DestroyReferencePoint`. */
export function destroyReferencePoint(vmms: Vmms, given: Arguments): Prepared {
  const reference = referenceArgument(given, 'AffectedReferencePoint', 'Msvm_VirtualSystemReferencePoint');
  const vm = vmms.world.vm(keyText(reference, 'VirtualSystemIdentifier'));
  const id = keyText(reference, 'InstanceID').toLowerCase();
  const point = vm?.document.referencePoints.find((entry) => entry.id.toLowerCase() === id);
  if (vm === undefined || point === undefined) throw new MethodFailure(vmms.faults.now.missingObject);
  return {
    work: {
      type: 202,
      title: 'Deleting Reference Point',
      cancellable: false,
      run: async ({ signal }) => {
        await removePoint(vmms, vm, point, signal);
        vmms.ledger.destroyed({ kind: 'reference point', id: point.id, vmId: vm.id });
        return [];
      },
    },
  };
}

/** Removes a reference point and what is noted of it. */
export async function removePoint(
  vmms: Vmms,
  vm: Vm,
  { id, disks }: ReferencePoint,
  signal: AbortSignal,
): Promise<void> {
  const ids = disks.map((disk) => disk.trackingId);
  await vmms.provider.removeReferencePoint(id, ids.length === 0 ? undefined : ids, {
    signal,
    progress: () => undefined,
  });
  await changeNotes(vmms.world.root, vm.id, (notes) => ({
    ...notes,
    referencePoints: notes.referencePoints.filter((entry) => entry.id !== id),
  }));
}
