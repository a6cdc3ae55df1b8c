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
  const build = status.state === 'reachable' ? status.info.build : reading?.build;
  return {
    name,
    ...(build === undefined ? {} : { build }),
    known: reading?.readAt !== undefined,
    ...(reading?.unreachableSince === undefined ? {} : { unreachableSince: reading.unreachableSince }),
  };
}

/** What is to be known of a host whose VMs may have changed without our knowing; undefined while it answers. */
export function hostNote({ name, known, unreachableSince }: InventoryHost): string | undefined {
  if (unreachableSince === undefined)
    return known ? undefined : `Host ${name} did not answer yet, so its VMs are not known.`;
  const vms = known ? 'its VMs are those that it had before' : 'its VMs are not known';
  return `Host ${name} does not answer, so ${vms}.`;
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
