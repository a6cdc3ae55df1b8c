/** What each function of the module is for, in the words of the errors it may cause. */
import { errorCodes } from '../../../protocol/errors.ts';
import type { ErrorCode } from '../../../protocol/errors.ts';

/** What was being done when something failed. */
export interface Action {
  /** `take the checkpoint`: goes on from "could not". */
  readonly doing: string;
  /** When nothing more exact is known. */
  readonly failed: ErrorCode;
  /** When WMI says that what it was about is not there. */
  readonly missing: ErrorCode;
  /** Trying again may help though nothing is known of the reason. */
  readonly retry: boolean;
  /** What a file of the same name at the target means, where the function writes files. */
  readonly target: 'export' | 'restore' | undefined;
}

const e = errorCodes;

function action(doing: string, missing: ErrorCode, more: Partial<Action> = {}): Action {
  return { doing, missing, failed: e.hypervOperationFailed, retry: false, target: undefined, ...more };
}

const checkpoint = (doing: string, more?: Partial<Action>): Action => action(doing, e.checkpointNotFound, more);
const referencePoint = (doing: string): Action => action(doing, e.referencePointNotFound);
const vm = (doing: string, more?: Partial<Action>): Action => action(doing, e.vmNotFound, more);
const restored = (doing: string): Action => vm(doing, { target: 'restore' });

const actions: ReadonlyMap<string, Action> = new Map([
  ['Enable-TidemarkMerge', vm('switch merging of disks on')],
  ['Find-TidemarkPlannedVm', vm('look for unfinished restores')],
  ['Get-TidemarkChangedExtent', action('tell the changes of the disk', e.hostFileMissing)],
  ['Get-TidemarkCheckpoint', checkpoint('list the checkpoints')],
  ['Get-TidemarkConfiguration', checkpoint('read the configuration of the VM')],
  ['Get-TidemarkDiagnostic', vm('collect facts about the failure')],
  ['Get-TidemarkHealth', vm('look at the health of the host')],
  ['Get-TidemarkHost', vm('describe the host')],
  ['Get-TidemarkJob', vm('tell how far the operation is')],
  ['Get-TidemarkMerge', vm('tell whether disks are merged')],
  ['Get-TidemarkPlannedVm', vm('describe the VM being restored')],
  ['Get-TidemarkReferencePoint', referencePoint('list the reference points')],
  ['Get-TidemarkScratchChange', action('tell the changes of a test disk', e.hostFileMissing)],
  ['Get-TidemarkScratchFact', vm('look at the test VM')],
  ['Get-TidemarkVirtualDisk', action('describe the disks', e.hostFileMissing)],
  ['Get-TidemarkVm', vm('list the VMs')],
  ['Get-TidemarkVss', vm('tell the state of VSS in the guest')],
  ['Remove-TidemarkScratchPart', vm('remove a part of the test VM')],
  ['Rename-TidemarkCheckpoint', checkpoint('give the checkpoint its name')],
  ['Rename-TidemarkPlannedVm', vm('give the restored VM its name')],
  ['Resolve-TidemarkCheckpoint', checkpoint('find the new checkpoint')],
  ['Resolve-TidemarkPlannedVm', vm('find the restored VM')],
  ['Resolve-TidemarkReferencePoint', referencePoint('find the new reference point')],
  ['Start-TidemarkAdapterAddition', restored('add a network adapter')],
  // What fails here without a reason often works a minute later.
  ['Start-TidemarkCheckpoint', vm('take the checkpoint', { failed: e.checkpointFailed, retry: true })],
  ['Start-TidemarkCheckpointRemoval', checkpoint('remove the checkpoint')],
  ['Start-TidemarkConnection', restored('connect the network')],
  ['Start-TidemarkConversion', checkpoint('turn the checkpoint into a reference point')],
  ['Start-TidemarkDefinition', restored('create the VM')],
  ['Start-TidemarkDisconnection', restored('disconnect the network')],
  ['Start-TidemarkDiskAddition', restored('attach a disk')],
  ['Start-TidemarkDiskChange', restored('change a disk')],
  ['Start-TidemarkDiskRemoval', restored('detach a disk')],
  ['Start-TidemarkExport', checkpoint('export the VM', { target: 'export' })],
  ['Start-TidemarkFibreChannelRemoval', restored('take the virtual Fibre Channel adapters away')],
  ['Start-TidemarkImport', restored('import the VM')],
  ['Start-TidemarkPlannedRemoval', vm('remove the unfinished restore')],
  ['Start-TidemarkRealization', restored('make the restored VM real')],
  ['Start-TidemarkReferencePointRemoval', referencePoint('remove the reference point')],
  ['Start-TidemarkScratchDiskChange', vm('change a disk of the test VM')],
  ['Start-TidemarkScratchExport', vm('export the test VM', { target: 'export' })],
  ['Start-TidemarkScratchReferencePoint', vm('make a reference point of the test VM')],
  ['Start-TidemarkScratchRemoval', vm('remove the test VM')],
  ['Start-TidemarkScratchSnapshot', vm('take a checkpoint of the test VM')],
  ['Start-TidemarkScratchState', vm('change the state of the test VM')],
  ['Start-TidemarkValidation', restored('check the restored VM')],
  ['Stop-TidemarkJob', vm('cancel the operation')],
  ['Write-TidemarkEvent', vm('write to the event log')],
]);

/** What the function `name` is for. */
export function actionOf(name: string): Action {
  return actions.get(name) ?? unnamed;
}

const unnamed = vm('carry out an operation');

/** The functions that have words. */
export const namedFunctions: readonly string[] = [...actions.keys()];
