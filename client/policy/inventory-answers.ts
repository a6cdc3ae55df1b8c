/** What the language server is told of hosts, VMs and repositories: what the stores have, which is what the trees show. */
import { setTimeout as sleep } from 'node:timers/promises';

import { inventoryVm } from '../../server/base/policy-inventory.ts';
import type { HostEntry, VmEntry } from '../../server/protocol/daemon.ts';
import type { Parsed } from '../../server/protocol/parse.ts';
import type { InventoryHost, InventoryVm } from '../../server/protocol/policy-inventory.ts';
import type { getPolicyInventory } from '../../server/protocol/policy-language.ts';
import type { DaemonLink } from '../daemon/link.ts';
import type { Stores } from '../stores/index.ts';
import { mayAsk } from '../views/tree/may-ask.ts';

/** What the language server gets. */
export type InventoryAnswer = Parsed<typeof getPolicyInventory.result>;

/** A host or a repository that does not answer holds the names of the others up no longer than this, ms. */
const patienceMs = 2000;

export interface InventorySource {
  readonly stores: Pick<Stores, 'hosts' | 'vms' | 'repositories' | 'policies'>;
  readonly daemon: Pick<DaemonLink, 'state'>;
  /** Whether the workspace is trusted. */
  readonly trusted: () => boolean;
}

/** Answers as often as it is asked: a list that was not read anew is not made anew. */
export class InventoryAnswers {
  readonly #source: InventorySource;
  readonly #vmsOf = new WeakMap<readonly VmEntry[], readonly InventoryVm[]>();
  /** A host that is away does not say its build; it had one when it answered. */
  readonly #builds = new Map<string, number>();

  constructor(source: InventorySource) {
    this.#source = source;
  }

  /** What is known; has read first what nobody looked at before. Never throws: what cannot be asked is absent. */
  async answer(): Promise<InventoryAnswer> {
    const { stores, daemon, trusted } = this.#source;
    if (mayAsk(daemon)) await Promise.race([this.#load(), sleep(patienceMs, undefined, { ref: false })]);
    const applied = stores.policies.policies.value;
    if (daemon.state.kind !== 'connected' || stores.hosts.hosts.readAt === undefined)
      return { applied, trusted: trusted() };
    const hosts = stores.hosts.hosts.value;
    return {
      inventory: {
        hosts: hosts.map((host) => this.#host(host)),
        vms: hosts.flatMap(({ name }) => this.#vms(name)),
        repositories: stores.repositories.repositories.value.map(({ name, location }) => ({ name, location })),
      },
      applied,
      trusted: trusted(),
    };
  }

  async #load(): Promise<void> {
    const { hosts, vms, repositories, policies } = this.#source.stores;
    const others = Promise.all([repositories.load(), policies.load()]);
    await hosts.load();
    // What was read is kept up by the daemon's notifications.
    const unread = hosts.hosts.value.filter(({ name }) => vms.vms(name).state === 'unread');
    await Promise.all([others, vms.loadAll(unread.map(({ name }) => name))]);
  }

  #host({ name, status }: HostEntry): InventoryHost {
    if (status.state === 'reachable') this.#builds.set(name, status.info.build);
    const build = this.#builds.get(name);
    return {
      name,
      known: this.#source.stores.vms.vms(name).readAt !== undefined,
      ...(build === undefined ? {} : { build }),
      ...(status.state === 'unreachable' ? { unreachableSince: status.since } : {}),
    };
  }

  #vms(host: string): readonly InventoryVm[] {
    const { value } = this.#source.stores.vms.vms(host);
    const known = this.#vmsOf.get(value);
    if (known !== undefined) return known;
    const made = value.map(inventoryVm);
    this.#vmsOf.set(value, made);
    return made;
  }
}
