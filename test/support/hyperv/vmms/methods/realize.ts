/** Planned VMs become real ones, or go (docs/hyperv.md). */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';

import { hresults, invalidParameter, MethodFailure, returnCodes } from '../failures.ts';
import { plannedReference } from '../model/planned.ts';
import { keyText, vmReference } from '../model/references.ts';
import { subTypes, switchOf } from '../model/resources.ts';
import type { PlannedVm } from '../planned.ts';
import { textOf, textsOf } from '../wire.ts';
import { isWithin, realVm } from '../real-vm.ts';
import type { Vmms } from '../vmms.ts';
import { referenceArgument } from './arguments.ts';
import type { Arguments } from './arguments.ts';
import type { Prepared } from './prepared.ts';
import { destroyScratch } from './self-test.ts';

function plannedArgument(vmms: Vmms, given: Arguments, name: string): PlannedVm {
  const reference = referenceArgument(given, name, 'CIM_ComputerSystem');
  const plan =
    reference.className === 'Msvm_PlannedComputerSystem' ? vmms.planned.get(keyText(reference, 'Name')) : undefined;
  if (plan === undefined) throw invalidParameter('There is no such planned virtual machine.');
  return plan;
}

/** Why a planned VM cannot be made a real one yet, one text each. */
function problemsOf(vmms: Vmms, plan: PlannedVm): readonly string[] {
  return plan.resources.flatMap((resource): readonly string[] => {
    switch (textOf(resource, 'ResourceSubType')) {
      case subTypes.virtualDisk:
        return diskProblems(vmms, textsOf(resource, 'HostResource')[0] ?? '');
      case subTypes.connection:
        return switchOf(vmms.world, resource) === null
          ? [`Could not find Ethernet switch '${textOf(resource, 'LastKnownSwitchName')}'.`]
          : [];
      default:
        return [];
    }
  });
}

function diskProblems(vmms: Vmms, path: string): readonly string[] {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true)
    return [`The virtual hard disk '${path}' cannot be found.`];
  const owner = vmms.world.vms().find((vm) => isWithin(vm.directory, resolve(path)));
  return owner === undefined
    ? []
    : [`The virtual hard disk '${path}' belongs to the virtual machine '${owner.document.name}'.`];
}

function checkPlan(vmms: Vmms, plan: PlannedVm): void {
  const problems = problemsOf(vmms, plan);
  if (problems.length > 0) throw new MethodFailure(returnCodes.failed, hresults.unspecified, problems);
}

/** `ValidatePlannedSystem`: what is wrong are the errors of its job. */
export function validatePlannedSystem(vmms: Vmms, given: Arguments): Prepared {
  const plan = plannedArgument(vmms, given, 'PlannedSystem');
  const run = async () => {
    checkPlan(vmms, vmms.planned.get(plan.id) ?? plan);
    return [plannedReference(plan.id)];
  };
  return { work: { type: 140, title: 'Validating Planned Virtual Machine', cancellable: true, run } };
}

/** `RealizePlannedSystem`: the VM is there afterwards, off. */
export function realizePlannedSystem(vmms: Vmms, given: Arguments): Prepared {
  const { id } = plannedArgument(vmms, given, 'PlannedSystem');
  return {
    work: {
      type: 141,
      title: 'Realizing Virtual Machine',
      cancellable: false,
      run: async ({ signal }) => {
        const plan = vmms.planned.get(id);
        if (plan === undefined) throw invalidParameter('There is no such planned virtual machine.');
        checkPlan(vmms, plan);
        if (vmms.world.vm(id) !== undefined) {
          throw new MethodFailure(returnCodes.failed, hresults.alreadyExists, [
            'A virtual machine has that identifier.',
          ]);
        }
        await realVm(vmms.world, plan, signal);
        await vmms.planned.remove(id);
        return [vmReference(id)];
      },
    },
    out: () => ({ ResultingSystem: vmReference(id) }),
  };
}

/** `DestroySystem` of a planned VM, whose files stay, or of the VM of a self-test. */
export function destroySystem(vmms: Vmms, given: Arguments): Prepared {
  const reference = referenceArgument(given, 'AffectedSystem', 'CIM_ComputerSystem');
  const real = vmms.world.vm(keyText(reference, 'Name'));
  if (real !== undefined) return destroyScratch(vmms, real) ?? refuseReal();
  const { id } = plannedArgument(vmms, given, 'AffectedSystem');
  const run = async () => {
    await vmms.planned.remove(id);
    return [];
  };
  return { work: { type: 4, title: 'Destroying Virtual Machine', cancellable: false, run } };
}

/** No test destroys another real VM: whoever asks for it has made a mistake. */
function refuseReal(): never {
  throw new MethodFailure(returnCodes.invalidState);
}
