/** Settings of a VM's virtual hardware (docs/hyperv.md): controllers, drives, disks, network, processor, memory. */
import { guidOf, parsePathText, pathText } from '../paths.ts';
import { textOf, textsOf } from '../wire.ts';
import type { Instance, Value } from '../wire.ts';
import type { World } from '../world.ts';
import { switchInstances, switchReference } from './host.ts';
import type { Machine } from './machine.ts';
import { instanceReference, keyText, referenceTo } from './references.ts';

export const subTypes = {
  virtualDisk: 'Microsoft:Hyper-V:Virtual Hard Disk',
  diskDrive: 'Microsoft:Hyper-V:Synthetic Disk Drive',
  physicalDrive: 'Microsoft:Hyper-V:Physical Disk Drive',
  dvdDrive: 'Microsoft:Hyper-V:Synthetic DVD Drive',
  ide: 'Microsoft:Hyper-V:Emulated IDE Controller',
  scsi: 'Microsoft:Hyper-V:Synthetic SCSI Controller',
  fibreChannel: 'Microsoft:Hyper-V:Synthetic FibreChannel Port',
  fibreConnection: 'Microsoft:Hyper-V:FibreChannel Connection',
  ethernetPort: 'Microsoft:Hyper-V:Synthetic Ethernet Port',
  connection: 'Microsoft:Hyper-V:Ethernet Connection',
  processor: 'Microsoft:Hyper-V:Processor',
  memory: 'Microsoft:Hyper-V:Memory',
} as const;

/** Where IDE controllers of every VM have their GUID from. */
const ideGuid = '83F8638B-8DCA-4152-9EDA-2CA8B33039B4';
const processorGuid = 'B637F346-6A0E-4DEC-AF52-BD70CB80A21D';
const memoryGuid = '4764334D-E001-4176-82EE-5594EC9B530E';
/** Places of a SCSI controller. */
const scsiPlaces = 64;
/** A VM of generation 1 has two disks at its first IDE controller, the others at SCSI ones. */
const idePlaces = 2;

export const rasd = 'Msvm_ResourceAllocationSettingData';
export const sasd = 'Msvm_StorageAllocationSettingData';

/** The settings of one resource. */
export function resource(
  className: string,
  instanceId: string,
  type: number,
  subType: string,
  more: Readonly<Record<string, Value>>,
): Instance {
  return {
    className,
    properties: {
      InstanceID: instanceId,
      ResourceType: type,
      ResourceSubType: subType,
      ElementName: subType.slice(18),
      ...more,
    },
  };
}

interface Place {
  readonly controller: string;
  readonly number: number;
  readonly location: number;
}

/** Where a disk of a machine hangs. */
function placeOf(machine: Machine, at: number): Place {
  if (machine.generation === 1 && at < idePlaces) return { controller: ideGuid, number: 0, location: at };
  const rest = machine.generation === 1 ? at - idePlaces : at;
  const controller = scsiGuid(machine, Math.floor(rest / scsiPlaces));
  return { controller, number: 0, location: rest % scsiPlaces };
}

const scsiGuid = (machine: Machine, at: number): string => guidOf(machine.vmId, 'scsi', String(at));

const driveId = ({ guid }: Machine, { controller, number, location }: Place): string =>
  `Microsoft:${guid}\\${controller}\\${number}\\${location}`;

/** The InstanceID of the settings of a disk: `Microsoft:<VM or snapshot>\<controller>\<number>\<location>\L`. */
export const diskInstanceId = (machine: Machine, at: number): string => `${driveId(machine, placeOf(machine, at))}\\L`;

/** All resources of a VM or a snapshot. */
export function resourcesOf(world: World, machine: Machine): readonly Instance[] {
  return [
    ...processorAndMemory(machine),
    ...controllers(machine),
    ...machine.disks.flatMap((disk, at) => diskWithDrive(world, machine, at, disk.path)),
    ...extraResources(world, machine),
    ...machine.adapters.flatMap((adapter, at) => adapterWithConnection(world, machine, at, adapter)),
  ];
}

export function processorAndMemory(
  machine: Pick<Machine, 'guid' | 'processorCount' | 'memoryBytes'>,
): readonly Instance[] {
  const { guid, processorCount, memoryBytes } = machine;
  const processors = String(processorCount);
  const megabytes = String(Math.floor(memoryBytes / 2 ** 20));
  return [
    resource('Msvm_ProcessorSettingData', `Microsoft:${guid}\\${processorGuid}\\0`, 3, subTypes.processor, {
      VirtualQuantity: processors,
      Reservation: '0',
      Limit: '100000',
      Weight: 100,
      AllocationUnits: 'percent / 1000',
    }),
    resource('Msvm_MemorySettingData', `Microsoft:${guid}\\${memoryGuid}`, 4, subTypes.memory, {
      VirtualQuantity: megabytes,
      Reservation: megabytes,
      Limit: megabytes,
      AllocationUnits: 'byte * 2^20',
      DynamicMemoryEnabled: false,
    }),
  ];
}

/** The two IDE controllers of a VM of generation 1. Only they have an `Address`. */
export const ideControllers = (guid: string): readonly Instance[] =>
  ['0', '1'].map((address) =>
    resource(rasd, `Microsoft:${guid}\\${ideGuid}\\${address}`, 5, subTypes.ide, {
      Address: address,
      ElementName: `IDE Controller ${address}`,
    }),
  );

function controllers(machine: Machine): readonly Instance[] {
  const { generation, guid, disks } = machine;
  const scsiDisks = generation === 1 ? disks.length - idePlaces : disks.length;
  const count = Math.max(1, Math.ceil(scsiDisks / scsiPlaces));
  const scsi = Array.from({ length: count }, (_, at) =>
    resource(rasd, `Microsoft:${guid}\\${scsiGuid(machine, at)}\\0`, 6, subTypes.scsi, {
      ElementName: 'SCSI Controller',
    }),
  );
  return generation === 1 ? [...ideControllers(guid), ...scsi] : scsi;
}

/** A drive at a place, below its controller. */
function drive(
  world: World,
  machine: Machine,
  place: Place,
  type: number,
  subType: string,
  more: Readonly<Record<string, Value>> = {},
): Instance {
  const controller = `Microsoft:${machine.guid}\\${place.controller}\\${place.number}`;
  return resource(rasd, `${driveId(machine, place)}\\D`, type, subType, {
    AddressOnParent: String(place.location),
    Parent: pathText(world.computerName, instanceReference(rasd, controller)),
    ...more,
  });
}

function diskWithDrive(world: World, machine: Machine, at: number, path: string): readonly Instance[] {
  const place = placeOf(machine, at);
  const holder = drive(world, machine, place, 17, subTypes.diskDrive);
  const shared = at === machine.disks.length - 1 && machine.extras.includes('shared-disk');
  const disk = resource(sasd, `${driveId(machine, place)}\\L`, 31, subTypes.virtualDisk, {
    HostResource: [path],
    Parent: pathText(world.computerName, referenceTo(holder)),
    PersistentReservationsSupported: shared,
    IOPSLimit: '0',
    IOPSReservation: '0',
  });
  return [holder, disk];
}

/** What the simulated host has no word for: its last places are theirs. */
function extraResources(world: World, machine: Machine): readonly Instance[] {
  const controller = scsiGuid(machine, 0);
  const at = (location: number): Place => ({ controller, number: 0, location });
  return machine.extras.flatMap((extra): readonly Instance[] => {
    switch (extra) {
      case 'physical-disk':
        return [drive(world, machine, at(63), 17, subTypes.physicalDrive, { HostResource: [physicalDisk(world)] })];
      case 'dvd':
        return [drive(world, machine, at(62), 16, subTypes.dvdDrive)];
      case 'fibre-channel':
        return fibreChannelPort(world, machine);
      case 'vhd-set':
        return foreignDisk(world, machine, at(61), 'shared.vhds');
      case 'vhd':
        return foreignDisk(world, machine, at(60), 'old.vhd');
      case 'shared-disk':
      default:
        // A shared disk is one of the VM's own.
        return [];
    }
  });
}

/** A virtual Fibre Channel adapter with its addresses, and its connection to a virtual SAN. */
function fibreChannelPort(world: World, machine: Machine): readonly Instance[] {
  const id = `Microsoft:${machine.guid}\\${guidOf(machine.vmId, 'fc')}`;
  const port = resource('Msvm_SyntheticFcPortSettingData', id, 7, subTypes.fibreChannel, {
    VirtualPortWWNN: 'C003FF0000FFFF00',
    VirtualPortWWPN: 'C003FF5778E50002',
    SecondaryWWNN: 'C003FF0000FFFF00',
    SecondaryWWPN: 'C003FF5778E50003',
  });
  const connection = resource('Msvm_FcPortAllocationSettingData', `${id}\\C`, 64_764, subTypes.fibreConnection, {
    Parent: pathText(world.computerName, referenceTo(port)),
  });
  return [port, connection];
}

const physicalDisk = (world: World): string =>
  pathText(world.computerName, {
    className: 'Msvm_DiskDrive',
    keys: {
      CreationClassName: 'Msvm_DiskDrive',
      DeviceID: 'Microsoft:353B3BE8-310C-4CF4-839E-4E1B14616136\\1',
      SystemCreationClassName: 'Msvm_ComputerSystem',
      SystemName: world.computerName,
    },
  });

function foreignDisk(world: World, machine: Machine, place: Place, file: string): readonly Instance[] {
  const holder = drive(world, machine, place, 17, subTypes.diskDrive);
  return [
    holder,
    resource(sasd, `${driveId(machine, place)}\\L`, 31, subTypes.virtualDisk, {
      HostResource: [`${world.ownFolder}/${file}`],
      Parent: pathText(world.computerName, referenceTo(holder)),
      PersistentReservationsSupported: file.endsWith('.vhds'),
    }),
  ];
}

function adapterWithConnection(
  world: World,
  machine: Machine,
  at: number,
  adapter: Machine['adapters'][number],
): readonly Instance[] {
  const id = `Microsoft:${machine.guid}\\${guidOf(machine.vmId, 'adapter', String(at))}`;
  const port = resource('Msvm_SyntheticEthernetPortSettingData', id, 10, subTypes.ethernetPort, {
    ElementName: adapter.name,
    Address: `00155D${guidOf(machine.vmId, 'mac', String(at)).slice(0, 6)}`,
    StaticMacAddress: false,
  });
  const { switchName } = adapter;
  const switchPath = switchName === null ? undefined : pathText(world.computerName, switchReference(world, switchName));
  const connection = resource('Msvm_EthernetPortAllocationSettingData', `${id}\\C`, 33, subTypes.connection, {
    ElementName: 'Dynamic Ethernet Switch Port',
    Parent: pathText(world.computerName, referenceTo(port)),
    HostResource: switchPath === undefined ? [] : [switchPath],
    EnabledState: switchPath === undefined ? 3 : 2,
    LastKnownSwitchName: switchName ?? '',
  });
  return [port, connection];
}

/** The name of the switch that a connection leads to: undefined for none, null for one that this host does not have. */
export function switchOf(world: World, connection: Instance): string | null | undefined {
  const [target = ''] = textsOf(connection, 'HostResource');
  if (target === '') return undefined;
  const found = switchInstances(world).find((entry) => pathText(world.computerName, referenceTo(entry)) === target);
  return found === undefined ? null : textOf(found, 'ElementName');
}

/** The InstanceID of what a resource hangs on; empty when it hangs on nothing. */
export function parentId(world: World, child: Instance): string {
  const path = parsePathText(world.computerName, textOf(child, 'Parent'));
  return path === undefined ? '' : keyText(path, 'InstanceID');
}
