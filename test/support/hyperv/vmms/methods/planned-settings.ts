/** The settings of planned VMs. */
import { invalidParameter } from '../failures.ts';
import type { PlannedVm } from '../planned.ts';
import { textOf } from '../wire.ts';
import type { Instance, Value } from '../wire.ts';
import type { Vmms } from '../vmms.ts';

/** What an instance becomes by the values that another one has. */
export const merged = (before: Instance, changes: Instance): Instance => ({
  className: before.className,
  properties: { ...before.properties, ...withoutNulls(changes.properties) },
});

const withoutNulls = (values: Readonly<Record<string, Value>>): Readonly<Record<string, Value>> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null));

/** What a planned VM is cannot be changed, only how it is set up. */
const fixed = ['InstanceID', 'VirtualSystemIdentifier', 'VirtualSystemType', 'VirtualSystemSubType'] as const;

/** Changes the settings of a planned VM; fixed ones must stay as they are. */
export async function modifyPlannedSettings(vmms: Vmms, vm: PlannedVm, changes: Instance): Promise<void> {
  const now = vmms.planned.get(vm.id) ?? vm;
  for (const name of fixed) {
    if (changes.properties[name] !== undefined && textOf(changes, name) !== textOf(now.settings, name)) {
      throw invalidParameter(`${name} cannot be changed.`);
    }
  }
  await vmms.planned.put({ ...now, settings: merged(now.settings, changes) });
}
