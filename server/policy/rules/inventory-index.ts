/** An inventory as rules look things up in it. Made once for each inventory: rules run at each keystroke. */
import { matchesGlob } from '../../base/glob.ts';
import type { InventoryHost, InventoryVm, PolicyInventory } from '../../protocol/policy-inventory.ts';
import { isPattern } from '../match.ts';
import { NameList } from '../nearest.ts';

/** A VM whose names are ready to be compared. */
export interface IndexedVm {
  readonly vm: InventoryVm;
  /** In upper case. */
  readonly name: string;
  readonly host: string;
}

/** What an inventory has, by name. Case does not count. */
export class InventoryIndex {
  readonly vms: readonly IndexedVm[];
  readonly hostNames: NameList;
  readonly repositoryNames: NameList;
  readonly #byId: ReadonlyMap<string, readonly IndexedVm[]>;
  readonly #byName: ReadonlyMap<string, readonly IndexedVm[]>;
  readonly #byHost: ReadonlyMap<string, readonly IndexedVm[]>;
  readonly #hosts: readonly { readonly name: string; readonly host: InventoryHost }[];
  readonly #hostsByName: ReadonlyMap<string, InventoryHost>;
  readonly #repositories: ReadonlySet<string>;
  readonly #vmNames = new Map<string, NameList>();

  constructor(inventory: PolicyInventory) {
    this.vms = inventory.vms.map((vm) => ({ vm, name: vm.name.toUpperCase(), host: vm.host.toUpperCase() }));
    this.#byId = Map.groupBy(this.vms, ({ vm }) => vm.id);
    this.#byName = Map.groupBy(this.vms, ({ name }) => name);
    this.#byHost = Map.groupBy(this.vms, ({ host }) => host);
    this.#hosts = inventory.hosts.map((host) => ({ name: host.name.toUpperCase(), host }));
    this.#hostsByName = new Map(this.#hosts.map(({ name, host }) => [name, host]));
    this.#repositories = new Set(inventory.repositories.map(({ name }) => name));
    this.hostNames = new NameList(inventory.hosts.map(({ name }) => name));
    this.repositoryNames = new NameList(this.#repositories);
  }

  hasRepository(name: string): boolean {
    return this.#repositories.has(name);
  }

  /** Whether every host has told its VMs. */
  get complete(): boolean {
    return this.#hosts.every(({ host }) => host.known);
  }

  /** The host of a VM. */
  host(name: string): InventoryHost | undefined {
    return this.#hostsByName.get(name.toUpperCase());
  }

  /** The hosts that a name or pattern means. */
  hostsOf(pattern: string): readonly InventoryHost[] {
    if (!isPattern(pattern)) {
      const host = this.host(pattern);
      return host === undefined ? [] : [host];
    }
    return this.#hosts.filter(({ name }) => matchesGlob(pattern, name)).map(({ host }) => host);
  }

  /** The VMs of the hosts that a name or pattern means. */
  vmsOn(pattern: string): readonly IndexedVm[] {
    if (pattern === '*') return this.vms;
    if (!isPattern(pattern)) return this.#byHost.get(pattern.toUpperCase()) ?? [];
    return [...this.#byHost].flatMap(([host, vms]) => (matchesGlob(pattern, host) ? vms : []));
  }

  /** VMs of one name, on whichever host. */
  vmsNamed(name: string): readonly IndexedVm[] {
    return this.#byName.get(name.toUpperCase()) ?? [];
  }

  /** VMs of one id: several while a VM moves from one host to another. */
  vmsWithId(id: string): readonly IndexedVm[] {
    return this.#byId.get(id.toUpperCase()) ?? [];
  }

  /** The names of the VMs on the hosts that a name or pattern means. */
  vmNamesOn(pattern: string): NameList {
    let names = this.#vmNames.get(pattern);
    if (names === undefined) {
      names = new NameList(this.vmsOn(pattern).map(({ vm }) => vm.name));
      if (this.#vmNames.size >= maxNameLists) this.#vmNames.clear();
      this.#vmNames.set(pattern, names);
    }
    return names;
  }
}

const maxNameLists = 64;
const indexes = new WeakMap<PolicyInventory, InventoryIndex>();

/** The index of an inventory. The inventory must not change afterwards. */
export function indexOf(inventory: PolicyInventory): InventoryIndex {
  let index = indexes.get(inventory);
  if (index === undefined) {
    index = new InventoryIndex(inventory);
    indexes.set(inventory, index);
  }
  return index;
}
