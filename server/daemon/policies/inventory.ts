/** What the daemon knows of hosts, VMs and repositories, as policies are checked against it. */
import { abortable } from '../deadline.ts';
import type { HostRegistry } from '../hosts.ts';
import type { Inventory, VmListing } from '../inventory.ts';
import type { RepositoryRegistry } from '../repositories.ts';
import { inventoryVm } from '../../base/policy-inventory.ts';
import type { HostReading, VmEntry } from '../../protocol/daemon.ts';
import { throwIfAborted } from '../../protocol/errors.ts';
import type { VmInfo } from '../../protocol/model.ts';
import type { InventoryHost, InventoryVm, PolicyInventory } from '../../protocol/policy-inventory.ts';

/** A host whose answer is older is asked again meanwhile, ms. */
const freshMs = 60_000;

/** The inventory of policies. */
export class PolicyInventoryReader {
  readonly #hosts: HostRegistry;
  readonly #inventory: Inventory;
  readonly #repositories: RepositoryRegistry;
  /** What was made of each VM as its host listed it. */
  readonly #vms = new WeakMap<VmInfo, InventoryVm>();
  #last: PolicyInventory | undefined;

  constructor(hosts: HostRegistry, inventory: Inventory, repositories: RepositoryRegistry) {
    this.#hosts = hosts;
    this.#inventory = inventory;
    this.#repositories = repositories;
  }

  /** What is known at this moment; the same object as long as nothing changed. Hosts that were not heard of lately are asked, and nobody waits for them. */
  async now(signal: AbortSignal): Promise<PolicyInventory> {
    return this.#from(await this.#inventory.list({ wait: false, maxAgeMs: freshMs }, signal));
  }

  /** As `now`, after every host that was not heard of lately had `patienceMs` to answer. */
  async afterAsking(patienceMs: number, signal: AbortSignal): Promise<PolicyInventory> {
    const inTime = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]);
    try {
      await abortable(this.#inventory.list({ maxAgeMs: freshMs }, inTime), inTime);
    } catch (error) {
      throwIfAborted(signal);
      if (!inTime.aborted) throw error;
    }
    return this.now(signal);
  }

  #from({ vms, hosts }: VmListing): PolicyInventory {
    const readings = new Map(hosts.map((reading) => [reading.host, reading]));
    const inventory = {
      hosts: this.#hosts.list().map((host) => {
        const { status } = host.entry();
        const reading = readings.get(host.name);
        const build = status.state === 'reachable' ? status.info.build : reading?.build;
        return inventoryHost(host.name, build, reading);
      }),
      vms: vms.map((entry) => this.#vm(entry)),
      repositories: this.#repositories.entries().map(({ name, location }) => ({ name, location })),
    };
    // The rules keep what they worked out from an inventory for as long as it is the same object.
    if (this.#last === undefined || !same(this.#last, inventory)) this.#last = inventory;
    return this.#last;
  }

  #vm(entry: VmEntry): InventoryVm {
    const { host, vm, lastRestorePoint } = entry;
    const known = this.#vms.get(vm);
    if (known?.host === host && known.lastBackupAt === lastRestorePoint?.createdAt) return known;
    const made = inventoryVm(entry);
    this.#vms.set(vm, made);
    return made;
  }
}

function same(a: PolicyInventory, b: PolicyInventory): boolean {
  return (
    a.vms.length === b.vms.length &&
    a.vms.every((vm, index) => vm === b.vms[index]) &&
    JSON.stringify([a.hosts, a.repositories]) === JSON.stringify([b.hosts, b.repositories])
  );
}

function inventoryHost(name: string, build: number | undefined, reading: HostReading | undefined): InventoryHost {
  return {
    name,
    ...(build === undefined ? {} : { build }),
    known: reading?.readAt !== undefined,
    ...(reading?.unreachableSince === undefined ? {} : { unreachableSince: reading.unreachableSince }),
  };
}
