/** The objects of planned VMs: their system is of another class, and no VM that is listed is one. */
import type { PlannedVm } from '../planned.ts';
import type { Instance, Reference } from '../wire.ts';

/** `Msvm_PlannedComputerSystem`. */
export const plannedSystemInstance = (vm: PlannedVm): Instance => ({
  className: 'Msvm_PlannedComputerSystem',
  properties: {
    CreationClassName: 'Msvm_PlannedComputerSystem',
    Name: vm.id,
    ElementName: vm.settings.properties['ElementName'] ?? '',
    Caption: 'Planned Virtual Machine',
    EnabledState: 3,
    HealthState: 5,
    OperationalStatus: [2],
  },
});

/** The reference to the planned VM of that id. */
export const plannedReference = (id: string): Reference => ({
  className: 'Msvm_PlannedComputerSystem',
  keys: { CreationClassName: 'Msvm_PlannedComputerSystem', Name: id },
});

/** Everything of a planned VM. */
export const plannedInstances = (vm: PlannedVm): readonly Instance[] => [
  plannedSystemInstance(vm),
  vm.settings,
  ...vm.resources,
];
