/** What the module's own error ids and WMI's error names mean. Both are the same in every language. */
import { errorCodes } from '../../../protocol/errors.ts';
import type { Meaning } from './hresults.ts';

const e = errorCodes;

const misfit: Meaning = {
  code: e.powerShellFailed,
  says: 'the agent and its PowerShell module do not fit together',
  hint: 'Install the agent again.',
};

const noChanges: Meaning = { code: e.trackingUnknown, says: 'the host gave changes of a disk that cannot be' };

/** Error ids that the module gives (Tidemark.HyperV). */
const moduleErrors: ReadonlyMap<string, Meaning> = new Map([
  ['HypervNotAvailable', { code: e.hypervUnavailable, says: 'the agent sees no Hyper-V on this host' }],
  ['VmNotFound', { code: e.vmNotFound, says: 'this host has no such VM' }],
  ['PlannedVmNotFound', { code: e.restoreSessionNotFound, says: 'the VM being restored is gone' }],
  ['CheckpointNotFound', { code: e.checkpointNotFound, says: 'the checkpoint is gone' }],
  ['ReferencePointNotFound', { code: e.referencePointNotFound, says: 'the reference point is gone' }],
  ['NotOwnCheckpoint', { code: e.notOwnObject, says: 'the checkpoint was not made by Tidemark' }],
  ['NotThisReferencePoint', { code: e.notOwnObject, says: 'the reference point is another one than was meant' }],
  ['NotPlanned', { code: e.notOwnObject, says: 'the VM is a real one and not a restore that was not finished' }],
  ['NotScratchVm', { code: e.notOwnObject, says: 'the VM was not made by the self-test' }],
  ['VmBusy', { code: e.vmOperationRunning, says: 'another operation runs on the VM', retry: true }],
  ['JobMissing', { code: e.outcomeUnknown, says: 'Hyper-V started it, but did not say where its result will be' }],
  ['StepTooSlow', { code: e.operationStalled, says: 'it did not add a device in time' }],
  ['ExclusionNotSupported', { code: e.hypervUnsupported, says: 'this Windows cannot leave disks out of an export' }],
  ['ChangesAsJob', noChanges],
  ['ChangesUneven', noChanges],
  ['NoProgress', noChanges],
  ['CommandNotFoundException', misfit],
  ['UnknownCommand', misfit],
  ['WrongArgument', misfit],
  ['BadRequest', misfit],
  ['NoSuchPage', misfit],
  ['NoSuchAnswer', misfit],
]);

/** Ids that say only that something failed: the numbers that come with them say what. */
export const plainModuleErrors: readonly string[] = [
  'DeviceNotFound',
  'DiskNotDescribed',
  'NoInstance',
  'NoSettings',
  'NoTemplate',
  'StepFailed',
  'WmiMethodFailed',
];

/** `Msvm_ComputerSystem.OperationalStatus[1]`: what keeps a VM busy. */
const operations: ReadonlyMap<number, string> = new Map([
  [32_768, 'a checkpoint of the VM is being taken'],
  [32_769, 'a checkpoint of the VM is being applied'],
  [32_770, 'a checkpoint of the VM is being removed'],
  [32_771, 'the VM waits to be started'],
  [32_772, 'the disks of the VM are being merged'],
  [32_773, 'the VM is being exported'],
  [32_774, 'the VM is being migrated'],
]);

/** Every id of the table. */
export const knownModuleErrors: readonly string[] = [...moduleErrors.keys()];

/**
 * What a `FullyQualifiedErrorId` means: the part before the first comma, behind which PowerShell puts where it came from.
 * `returnValue` came with it; with `VmBusy` it is the operation.
 */
export function meaningOfModuleError(errorId: string, returnValue: number | null): Meaning | undefined {
  const id = errorId.split(',', 1)[0] ?? '';
  const found = moduleErrors.get(id);
  const operation = id === 'VmBusy' && returnValue !== null ? operations.get(returnValue) : undefined;
  return found === undefined || operation === undefined ? found : { ...found, says: operation };
}

/** `Microsoft.Management.Infrastructure.NativeErrorCode`. */
const nativeErrors: ReadonlyMap<string, Meaning> = new Map([
  ['AccessDenied', { code: e.hypervAccessDenied, says: 'access was denied' }],
  ['InvalidNamespace', { code: e.hypervUnavailable, says: 'the host has no Hyper-V' }],
  ['InvalidClass', { code: e.hypervUnavailable, says: 'the host has no Hyper-V' }],
  ['NotSupported', { code: e.hypervUnsupported, says: 'this Windows does not support it' }],
  ['MethodNotAvailable', { code: e.hypervUnsupported, says: 'this Windows does not support it' }],
  ['MethodNotFound', { code: e.hypervUnsupported, says: 'this Windows does not support it' }],
  ['NoSuchProperty', { code: e.hypervUnsupported, says: 'this Windows does not support it' }],
  ['ServerLimitsExceeded', { code: e.hypervServiceLost, says: 'WMI has reached one of its limits', retry: true }],
  ['ServerIsShuttingDown', { code: e.hypervServiceLost, says: 'WMI is being shut down', retry: true }],
]);

/** What WMI's own name of an error means. */
export function meaningOfNativeError(name: string): Meaning | undefined {
  return nativeErrors.get(name);
}
