/** Adding, changing and removing the resources of planned VMs (docs/hyperv.md). */
import { randomUUID } from 'node:crypto';

import { invalidParameter, MethodFailure, returnCodes } from '../failures.ts';
import { guidIn } from '../model/machine.ts';
import { keyText, referenceTo } from '../model/references.ts';
import { parentId, subTypes } from '../model/resources.ts';
import type { PlannedVm } from '../planned.ts';
import { textOf, textsOf } from '../wire.ts';
import type { Instance, Reference } from '../wire.ts';
import type { Vmms } from '../vmms.ts';
import { embeddedListArgument, referenceArgument, referencesArgument } from './arguments.ts';
import type { Arguments } from './arguments.ts';
import { merged } from './planned-settings.ts';
import type { Out, Prepared } from './prepared.ts';

const idOf = (resource: Instance): string => textOf(resource, 'InstanceID');

/** The resource of a planned VM that a new one hangs on. */
function parentOf(vmms: Vmms, plan: PlannedVm, resource: Instance, subTypesAllowed: readonly string[]): Instance {
  const id = parentId(vmms.world, resource);
  const parent = plan.resources.find((entry) => idOf(entry) === id);
  if (parent !== undefined && subTypesAllowed.includes(textOf(parent, 'ResourceSubType'))) return parent;
  throw invalidParameter(`The Parent '${id}' is none of this virtual machine.`);
}

/** The InstanceID that a new resource gets. Throws for a place that is not there or taken. */
function newId(vmms: Vmms, plan: PlannedVm, resource: Instance): string {
  const subType = textOf(resource, 'ResourceSubType');
  switch (subType) {
    case subTypes.scsi:
      return `Microsoft:${plan.id}\\${randomUUID().toUpperCase()}\\0`;
    case subTypes.ethernetPort:
      return `Microsoft:${plan.id}\\${randomUUID().toUpperCase()}`;
    case subTypes.connection:
      return `${idOf(parentOf(vmms, plan, resource, [subTypes.ethernetPort]))}\\C`;
    case subTypes.virtualDisk:
      return idOf(parentOf(vmms, plan, resource, [subTypes.diskDrive])).replace(/\\D$/, '\\L');
    case subTypes.diskDrive:
    case subTypes.dvdDrive: {
      const controller = parentOf(vmms, plan, resource, [subTypes.scsi, subTypes.ide]);
      const places = textOf(controller, 'ResourceSubType') === subTypes.ide ? 2 : 64;
      const location = textOf(resource, 'AddressOnParent');
      if (!/^\d{1,2}$/.test(location) || Number(location) >= places)
        throw invalidParameter('AddressOnParent is no place.');
      return `${idOf(controller)}\\${location}\\D`;
    }
    default:
      throw invalidParameter(`Resources of the type '${subType}' cannot be added.`);
  }
}

/** A planned VM with more resources, and those. */
export function withAdded(
  vmms: Vmms,
  before: PlannedVm,
  resources: readonly Instance[],
): { readonly plan: PlannedVm; readonly added: readonly Instance[] } {
  let plan = before;
  const added: Instance[] = [];
  for (const resource of resources) {
    const id = newId(vmms, plan, resource);
    if (plan.resources.some((entry) => idOf(entry) === id)) throw invalidParameter(`The place of '${id}' is taken.`);
    if (
      textOf(resource, 'ResourceSubType') === subTypes.virtualDisk &&
      textsOf(resource, 'HostResource').length !== 1
    ) {
      throw invalidParameter('HostResource must be one path.');
    }
    const entry = { className: resource.className, properties: { ...resource.properties, InstanceID: id } };
    added.push(entry);
    plan = { ...plan, resources: [...plan.resources, entry] };
  }
  return { plan, added };
}

/** The planned VM of settings or resources with this InstanceID. */
function planWith(vmms: Vmms, instanceId: string): PlannedVm {
  const plan = vmms.planned.get(guidIn(instanceId));
  if (plan === undefined) throw invalidParameter(`'${instanceId}' belongs to no planned virtual machine.`);
  return plan;
}

function resourceWork(
  title: string,
  vmms: Vmms,
  change: () => { readonly plan: PlannedVm; readonly touched: readonly Instance[] },
): Prepared {
  let touched: readonly Reference[] = [];
  const run = async () => {
    const changed = change();
    await vmms.planned.put(changed.plan);
    touched = changed.touched.map(referenceTo);
    return touched;
  };
  const out = (): Out => ({ ResultingResourceSettings: touched });
  return { work: { type: 4, title, cancellable: false, run }, out };
}

/** `AddResourceSettings`. */
export function addResourceSettings(vmms: Vmms, given: Arguments): Prepared {
  const configuration = referenceArgument(given, 'AffectedConfiguration', 'Msvm_VirtualSystemSettingData');
  const resources = embeddedListArgument(given, 'ResourceSettings');
  const id = keyText(configuration, 'InstanceID');
  // What cannot be is refused before a job begins.
  withAdded(vmms, planWith(vmms, id), resources);
  return resourceWork('Adding Virtual Machine Resources', vmms, () => {
    const { plan, added } = withAdded(vmms, planWith(vmms, id), resources);
    return { plan, touched: added };
  });
}

function withModified(vmms: Vmms, resources: readonly Instance[]) {
  const [first] = resources;
  if (first === undefined) throw invalidParameter('ResourceSettings is empty.');
  const plan = planWith(vmms, idOf(first));
  const touched = resources.map((changes) => {
    const before = plan.resources.find((entry) => idOf(entry) === idOf(changes));
    if (before === undefined || before.className !== changes.className)
      throw invalidParameter(`There is no '${idOf(changes)}'.`);
    return merged(before, changes);
  });
  const changed = new Map(touched.map((entry) => [idOf(entry), entry]));
  return { plan: { ...plan, resources: plan.resources.map((entry) => changed.get(idOf(entry)) ?? entry) }, touched };
}

/** `ModifyResourceSettings`: each is found by its InstanceID, and gets the values that are given. */
export function modifyResourceSettings(vmms: Vmms, given: Arguments): Prepared {
  const resources = embeddedListArgument(given, 'ResourceSettings');
  withModified(vmms, resources);
  return resourceWork('Modifying Virtual Machine Resources', vmms, () => withModified(vmms, resources));
}

function withoutRemoved(vmms: Vmms, ids: readonly string[]) {
  const [first] = ids;
  if (first === undefined) throw invalidParameter('ResourceSettings is empty.');
  const plan = planWith(vmms, first);
  for (const id of ids) {
    if (!plan.resources.some((entry) => idOf(entry) === id)) throw invalidParameter(`There is no '${id}'.`);
  }
  const resources = plan.resources.filter((entry) => !ids.includes(idOf(entry)));
  if (resources.some((entry) => ids.includes(parentId(vmms.world, entry)))) {
    throw new MethodFailure(returnCodes.invalidState, undefined, ['Something is still attached to it.']);
  }
  return { plan: { ...plan, resources }, touched: [] };
}

/** `RemoveResourceSettings`: nothing may hang on what goes. */
export function removeResourceSettings(vmms: Vmms, given: Arguments): Prepared {
  const ids = referencesArgument(given, 'ResourceSettings').map((reference) => keyText(reference, 'InstanceID'));
  withoutRemoved(vmms, ids);
  const { work } = resourceWork('Removing Virtual Machine Resources', vmms, () => withoutRemoved(vmms, ids));
  return { work };
}
