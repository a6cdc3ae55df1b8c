/** The templates of resources. */
import { guidOf } from '../paths.ts';
import type { Instance, Value } from '../wire.ts';
import { rasd, resource, sasd, subTypes } from './resources.ts';

/** The templates that new resources are copied from: their InstanceID begins with `Microsoft:Definition\`, and whoever enumerates the class meets them too. */
export function definitions(): readonly Instance[] {
  const template = (
    className: string,
    type: number,
    subType: string,
    more: Readonly<Record<string, Value>> = {},
  ): Instance => resource(className, `Microsoft:Definition\\${guidOf('pool', subType)}\\Default`, type, subType, more);
  return [
    template(sasd, 31, subTypes.virtualDisk, { HostResource: [], PersistentReservationsSupported: false }),
    template(rasd, 17, subTypes.diskDrive),
    template(rasd, 17, subTypes.physicalDrive),
    template(rasd, 16, subTypes.dvdDrive),
    template(rasd, 6, subTypes.scsi, { ElementName: 'SCSI Controller' }),
    template(rasd, 5, subTypes.ide),
    template('Msvm_SyntheticEthernetPortSettingData', 10, subTypes.ethernetPort, {
      ElementName: 'Network Adapter',
      StaticMacAddress: false,
    }),
    template('Msvm_EthernetPortAllocationSettingData', 33, subTypes.connection, { HostResource: [], EnabledState: 2 }),
    template('Msvm_ProcessorSettingData', 3, subTypes.processor, { VirtualQuantity: '1' }),
    template('Msvm_MemorySettingData', 4, subTypes.memory, { VirtualQuantity: '1024', AllocationUnits: 'byte * 2^20' }),
  ];
}
