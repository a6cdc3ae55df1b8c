/** What WMI methods mean by the numbers they return, in both families (docs/hyperv.md; `Msvm_VirtualSystemManagementService`, CIM_...Service). */
import { errorCodes } from '../../../protocol/errors.ts';
import type { Meaning } from './hresults.ts';

const e = errorCodes;

/** Methods of the DMTF family: 1 to 6 have a meaning of their own there. */
const dmtf: ReadonlyMap<number, Meaning> = new Map([
  [1, { code: e.hypervUnsupported, says: 'this Windows does not support it' }],
  [3, { code: e.hypervOperationFailed, says: 'Hyper-V did not do it in time', retry: true }],
  [4, { code: e.hypervOperationFailed, says: 'Hyper-V refused a value' }],
  [5, { code: e.vmOperationRunning, says: 'the VM is not in a state that allows it', retry: true }],
  [6, { code: e.hypervOperationFailed, says: 'Hyper-V refused the kind of a value' }],
]);

/** The family of Hyper-V itself, which DMTF methods use too; jobs have the same numbers as their error code. */
const hyperv: ReadonlyMap<number, Meaning> = new Map([
  [32_769, { code: e.hypervAccessDenied, says: 'access was denied' }],
  [32_770, { code: e.hypervUnsupported, says: 'this Windows does not support it' }],
  [32_771, { code: e.outcomeUnknown, says: 'Hyper-V does not know whether it was done' }],
  [32_772, { code: e.hypervOperationFailed, says: 'Hyper-V did not do it in time', retry: true }],
  [32_773, { code: e.hypervOperationFailed, says: 'Hyper-V refused a value' }],
  [32_774, { code: e.vmOperationRunning, says: 'the VM or one of its files is in use', retry: true }],
  [32_775, { code: e.vmOperationRunning, says: 'the VM is not in a state that allows it', retry: true }],
  [32_776, { code: e.hypervOperationFailed, says: 'Hyper-V refused the type of a value' }],
  [32_777, { code: e.hypervServiceLost, says: 'Hyper-V is not available', retry: true }],
  [32_778, { code: e.hypervOperationFailed, says: 'the host has too little memory' }],
]);

/** 32779 has two meanings. */
const imageMethods: ReadonlySet<string> = new Set([
  'AttachVirtualHardDisk',
  'CompactVirtualHardDisk',
  'ConvertVirtualHardDisk',
  'CreateVirtualHardDisk',
  'FindMountedStorageImageInstance',
  'GetVHDSetInformation',
  'GetVHDSnapshotInformation',
  'GetVirtualDiskChanges',
  'GetVirtualHardDiskSettingData',
  'GetVirtualHardDiskState',
  'MergeVirtualHardDisk',
  'ResizeVirtualHardDisk',
  'SetParentVirtualHardDisk',
  'SetVirtualHardDiskSettingData',
  'ValidateVirtualHardDisk',
]);

/** What `returnValue` of `method` means, or a job's error code (`method` is then empty); undefined when it says no more than that it failed. */
export function meaningOfReturnValue(method: string, returnValue: number): Meaning | undefined {
  if (returnValue === 32_779) {
    return imageMethods.has(method)
      ? { code: e.hostFileMissing, says: 'a file is missing' }
      : { code: e.hostFileInUse, says: 'another program holds a file', retry: true };
  }
  return hyperv.get(returnValue) ?? dmtf.get(returnValue);
}
