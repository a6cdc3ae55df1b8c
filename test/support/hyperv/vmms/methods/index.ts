/** All methods, and how calling one goes: checked, started as a job or done at once. */
import { methodFailure, returnCodes } from '../failures.ts';
import type { MethodFailure } from '../failures.ts';
import type { Job, Work } from '../jobs.ts';
import { get } from '../model/model.ts';
import { keyText } from '../model/references.ts';
import { hexText, WmiFailure } from '../wire.ts';
import type { Reference, Value } from '../wire.ts';
import type { Vmms } from '../vmms.ts';
import type { Arguments } from './arguments.ts';
import { exportSystemDefinition } from './export.ts';
import { getVirtualDiskChanges, getVirtualHardDiskSettingData, getVirtualHardDiskState } from './image.ts';
import { definePlannedSystem, importSystemDefinition } from './import.ts';
import { jobMethod } from './jobs.ts';
import { addResourceSettings, modifyResourceSettings, removeResourceSettings } from './planned-resources.ts';
import type { Method, Out, Prepared } from './prepared.ts';
import { convertToReferencePoint, destroyReferencePoint } from './reference-points.ts';
import { destroySystem, realizePlannedSystem, validatePlannedSystem } from './realize.ts';
import {
  compactVirtualHardDisk,
  createReferencePoint,
  requestStateChange,
  resizeVirtualHardDisk,
} from './self-test.ts';
import { createSnapshot, destroySnapshot } from './snapshots.ts';
import { modifyDiskMergeSettings, modifySystemSettings } from './system.ts';

const methods: ReadonlyMap<string, Method> = new Map<string, Method>([
  ['Msvm_VirtualSystemSnapshotService.CreateSnapshot', createSnapshot],
  ['Msvm_VirtualSystemSnapshotService.DestroySnapshot', destroySnapshot],
  ['Msvm_VirtualSystemSnapshotService.ConvertToReferencePoint', convertToReferencePoint],
  ['Msvm_VirtualSystemReferencePointService.CreateReferencePoint', createReferencePoint],
  ['Msvm_VirtualSystemReferencePointService.DestroyReferencePoint', destroyReferencePoint],
  ['Msvm_ComputerSystem.RequestStateChange', requestStateChange],
  ['Msvm_VirtualSystemManagementService.ExportSystemDefinition', exportSystemDefinition],
  ['Msvm_VirtualSystemManagementService.ImportSystemDefinition', importSystemDefinition],
  ['Msvm_VirtualSystemManagementService.DefinePlannedSystem', definePlannedSystem],
  ['Msvm_VirtualSystemManagementService.AddResourceSettings', addResourceSettings],
  ['Msvm_VirtualSystemManagementService.ModifyResourceSettings', modifyResourceSettings],
  ['Msvm_VirtualSystemManagementService.RemoveResourceSettings', removeResourceSettings],
  ['Msvm_VirtualSystemManagementService.ValidatePlannedSystem', validatePlannedSystem],
  ['Msvm_VirtualSystemManagementService.RealizePlannedSystem', realizePlannedSystem],
  ['Msvm_VirtualSystemManagementService.DestroySystem', destroySystem],
  ['Msvm_VirtualSystemManagementService.ModifySystemSettings', modifySystemSettings],
  ['Msvm_VirtualSystemManagementService.ModifyDiskMergeSettings', modifyDiskMergeSettings],
  ['Msvm_ImageManagementService.CompactVirtualHardDisk', compactVirtualHardDisk],
  ['Msvm_ImageManagementService.GetVirtualDiskChanges', getVirtualDiskChanges],
  ['Msvm_ImageManagementService.GetVirtualHardDiskSettingData', getVirtualHardDiskSettingData],
  ['Msvm_ImageManagementService.GetVirtualHardDiskState', getVirtualHardDiskState],
  ['Msvm_ImageManagementService.ResizeVirtualHardDisk', resizeVirtualHardDisk],
]);

/** The answer of a method. */
interface Invoked {
  readonly returnValue: number;
  readonly out: Out;
}

/** Calls a method. Throws `WmiFailure` for what WMI itself refuses: no such object, no such method. */
export async function invoke(
  vmms: Vmms,
  namespace: string,
  target: Reference,
  method: string,
  given: Arguments,
): Promise<Invoked> {
  if (target.className === 'Msvm_ConcreteJob' || target.className === 'Msvm_StorageJob') {
    return jobMethod(vmms, keyText(target, 'InstanceID'), method, given);
  }
  const { className } = get(vmms, namespace, target);
  const found = methods.get(`${className}.${method}`);
  if (found === undefined) throw new WmiFailure(0x80041055, 'MethodNotFound', `${className} has no method ${method}.`);
  const forced = vmms.faults.now.returnCodes[method];
  if (forced !== undefined) return { returnValue: forced, out: {} };
  const isImage = className === 'Msvm_ImageManagementService';
  let prepared: Prepared;
  try {
    prepared = await found(vmms, given, target);
  } catch (error) {
    const failure = methodFailure(error);
    return isImage ? imageFailure(vmms, method, failure) : { returnValue: failure.returnValue, out: {} };
  }
  const work: Work = { ...prepared.work, method };
  const usual = isImage ? 'done' : 'job';
  const job = vmms.jobs.start(work);
  if ((vmms.faults.now.returns[method] ?? usual) === 'job') {
    return { returnValue: returnCodes.jobStarted, out: { Job: job.reference } };
  }
  await job.done;
  return job.succeeded ? { returnValue: 0, out: prepared.out?.() ?? {} } : failedAtOnce(vmms, job, isImage);
}

function failedAtOnce(vmms: Vmms, job: Job, isImage: boolean): Invoked {
  const returnValue = job.errorCode === 0 ? returnCodes.failed : job.errorCode;
  return isImage ? toldFailure(vmms, job, returnValue) : { returnValue, out: {} };
}

/** A failure of the image service that was found before anything was done: it too has a job that tells it. */
async function imageFailure(vmms: Vmms, method: string, failure: MethodFailure): Promise<Invoked> {
  const run = (): Promise<never> => Promise.reject(failure);
  const job = vmms.jobs.start({
    method,
    type: 0,
    title: method,
    className: 'Msvm_StorageJob',
    cancellable: false,
    run,
  });
  await job.done;
  return toldFailure(vmms, job, failure.returnValue);
}

function toldFailure(vmms: Vmms, job: Job, returnValue: number): Invoked {
  switch (vmms.faults.now.imageFailures) {
    case 'job': {
      const out: Record<string, Value> = { Job: job.reference };
      return { returnValue, out };
    }
    case 'exception':
      throw new WmiFailure(job.hresult, 'Failed', `${job.errorText} (${hexText(job.hresult)})`);
    case 'bare':
    default:
      return { returnValue, out: {} };
  }
}
