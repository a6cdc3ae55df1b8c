/** What policies are checked against, made from what a daemon lists: the same for every client. */
import type { HostEntry, HostReading, RepositoryEntry, VmEntry } from '../protocol/daemon.ts';
import type { InventoryHost, InventoryVm, PolicyInventory } from '../protocol/policy-inventory.ts';

/** Answers of a daemon to `host/list`, `vm/list` and `repository/list`. */
export interface ListedInventory {
  readonly hosts: readonly HostEntry[];
  readonly readings: readonly HostReading[];
  readonly vms: readonly VmEntry[];
  readonly repositories: readonly RepositoryEntry[];
}

/** The inventory of policies. */
export function policyInventoryOf({ hosts, readings, vms, repositories }: ListedInventory): PolicyInventory {
  const readingOf = new Map(readings.map((reading) => [reading.host, reading]));
  return {
    hosts: hosts.map((host) => inventoryHost(host, readingOf.get(host.name))),
    vms: vms.map(inventoryVm),
    repositories: repositories.map(({ name, location }) => ({ name, location })),
  };
}

function inventoryHost({ name, status }: HostEntry, reading: HostReading | undefined): InventoryHost {
  return {
    name,
    ...(status.state === 'reachable' ? { build: status.info.build } : {}),
    known: reading?.readAt !== undefined,
    ...(reading?.unreachableSince === undefined ? {} : { unreachableSince: reading.unreachableSince }),
  };
}

/** A VM as policies see it. */
export function inventoryVm({ host, vm, lastRestorePoint }: VmEntry): InventoryVm {
  const { id, name, state, configVersion, rctBlockers, disks } = vm;
  return {
    host,
    id,
    name,
    state,
    configVersion,
    rctBlockers,
    disks: disks.map(({ name: disk, sizeBytes, format, trackable }) => ({ name: disk, sizeBytes, format, trackable })),
    ...(lastRestorePoint === undefined ? {} : { lastBackupAt: lastRestorePoint.createdAt }),
  };
}
