/** Planned VMs come into being: imported from a definition, or defined anew (docs/hyperv.md). */
import { randomUUID } from 'node:crypto';
import { statSync } from 'node:fs';

import { TidemarkError } from '../../../../../server/protocol/errors.ts';
import { readDefinition } from '../definition.ts';
import type { Definition } from '../definition.ts';
import { hresults, invalidParameter, MethodFailure, returnCodes } from '../failures.ts';
import { defaultFolders } from '../model/host.ts';
import { usualStartup } from '../model/machine.ts';
import type { Machine } from '../model/machine.ts';
import { plannedReference } from '../model/planned.ts';
import { ideControllers, processorAndMemory, resourcesOf } from '../model/resources.ts';
import { plannedSettings } from '../model/settings.ts';
import type { PlannedVm } from '../planned.ts';
import type { Instance } from '../wire.ts';
import { textOf } from '../wire.ts';
import type { Vmms } from '../vmms.ts';
import {
  booleanArgument,
  embeddedArgument,
  embeddedListArgument,
  optionalTextArgument,
  textArgument,
} from './arguments.ts';
import type { Arguments } from './arguments.ts';
import { withAdded } from './planned-resources.ts';
import { merged } from './planned-settings.ts';
import type { Prepared } from './prepared.ts';

/** `ImportSystemDefinition`: the disks stay where the definition says, until they are given other files. */
export function importSystemDefinition(vmms: Vmms, given: Arguments): Prepared {
  const file = textArgument(given, 'SystemDefinitionFile');
  const newId = booleanArgument(given, 'GenerateNewSystemIdentifier');
  const folder = optionalTextArgument(given, 'SnapshotFolder');
  if (folder !== undefined && statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw invalidParameter(`There is no folder '${folder}'.`);
  }
  let made: PlannedVm | undefined;
  const run = async () => {
    made = planOf(vmms, await definitionIn(file), newId);
    await vmms.planned.put(made);
    return [plannedReference(made.id)];
  };
  return {
    work: { type: 61, title: 'Importing Virtual Machine', cancellable: true, run },
    out: () => ({ ImportedSystem: made === undefined ? null : plannedReference(made.id) }),
  };
}

async function definitionIn(file: string): Promise<Definition> {
  let definition: Definition | undefined;
  try {
    definition = await readDefinition(file);
  } catch (error) {
    const reason = TidemarkError.from(error).message;
    throw new MethodFailure(returnCodes.failed, hresults.invalidParameter, [`'${file}' is no definition: ${reason}`]);
  }
  if (definition !== undefined) return definition;
  throw new MethodFailure(returnCodes.failed, hresults.fileNotFound, [`The system cannot find '${file}'.`]);
}

/** Refuses an id that a VM or a planned VM of the host has. */
function checkFreeId(vmms: Vmms, id: string): void {
  if (vmms.world.vm(id) === undefined && vmms.planned.get(id) === undefined) return;
  const reason = `A virtual machine with the identifier '${id}' exists already.`;
  throw new MethodFailure(returnCodes.failed, hresults.alreadyExists, [reason]);
}

function planOf(vmms: Vmms, definition: Definition, newId: boolean): PlannedVm {
  const id = newId ? randomUUID().toUpperCase() : definition.vmId;
  checkFreeId(vmms, id);
  const machine: Machine = { ...definition, guid: id, vmId: id };
  const points = !newId && vmms.faults.now.referencePointsSurviveImport ? definition.referencePoints : [];
  return {
    id,
    settings: plannedSettings(vmms.world, machine, defaultFolders(vmms.world).vms),
    resources: resourcesOf(vmms.world, machine),
    referencePoints: JSON.stringify(points),
  };
}

/** The configuration version that a host gives new VMs (docs/hyperv.md). */
const defaultVersions: ReadonlyMap<number, string> = new Map([
  [14_393, '8.0'],
  [17_763, '9.0'],
  [20_348, '10.0'],
  [26_100, '12.0'],
]);

/** `DefinePlannedSystem`: a VM without disks and adapters, with the processors and the memory that are given. */
export function definePlannedSystem(vmms: Vmms, given: Arguments): Prepared {
  const settings = embeddedArgument(given, 'SystemSettings', 'Msvm_VirtualSystemSettingData');
  const resources = embeddedListArgument(given, 'ResourceSettings');
  if (given['ReferenceConfiguration'] !== null && given['ReferenceConfiguration'] !== undefined) {
    throw new MethodFailure(returnCodes.notSupported);
  }
  const plan = defined(vmms, settings, resources);
  const run = async () => {
    await vmms.planned.put(plan);
    return [plannedReference(plan.id)];
  };
  return {
    work: { type: 4, title: 'Defining Virtual Machine', cancellable: false, run },
    out: () => ({ ResultingSystem: plannedReference(plan.id) }),
  };
}

function defined(vmms: Vmms, settings: Instance, resources: readonly Instance[]): PlannedVm {
  const id = randomUUID().toUpperCase();
  const subType = textOf(settings, 'VirtualSystemSubType');
  if (subType !== '' && !/^Microsoft:Hyper-V:SubType:[12]$/.test(subType))
    throw invalidParameter('VirtualSystemSubType');
  const generation = subType.endsWith('2') ? 2 : 1;
  const version = textOf(settings, 'Version') || (defaultVersions.get(vmms.world.host.build) ?? '9.0');
  const startup = settings.properties['AutomaticStartupAction'];
  const machine: Machine = {
    guid: id,
    vmId: id,
    name: textOf(settings, 'ElementName') || 'New Virtual Machine',
    generation,
    version,
    processorCount: 1,
    memoryBytes: 2 ** 30,
    adapters: [],
    disks: [],
    extras: [],
    startup: typeof startup === 'number' ? startup : usualStartup,
  };
  const folder = textOf(settings, 'ConfigurationDataRoot') || defaultFolders(vmms.world).vms;
  const basic = [...processorAndMemory(machine), ...(generation === 1 ? ideControllers(id) : [])];
  const given = (template: Instance): Instance => {
    const wanted = resources.find((resource) => resource.className === template.className);
    if (wanted === undefined) return template;
    const { InstanceID: instanceId = null } = template.properties;
    return merged(template, { ...wanted, properties: { ...wanted.properties, InstanceID: instanceId } });
  };
  const plan: PlannedVm = {
    id,
    settings: plannedSettings(vmms.world, machine, folder),
    resources: basic.map(given),
  };
  const others = resources.filter(({ className }) => !basic.some((resource) => resource.className === className));
  return withAdded(vmms, plan, others).plan;
}
