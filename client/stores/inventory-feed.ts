/** Keeps the stores true: listens to what the daemon says has changed and to runs that end, and has shown things read again. */
import type { DaemonClient } from '../../server/connect/index.ts';
import * as daemon from '../../server/protocol/daemon.ts';
import type { InventoryChange } from '../../server/protocol/daemon.ts';
import { Subscriptions } from '../base/events.ts';
import type { DaemonLink } from '../daemon/link.ts';
import type { Stores } from './index.ts';

/** Reads again what was read before; what nobody looked at stays unread. */
export class InventoryFeed {
  readonly #link: DaemonLink;
  readonly #stores: Stores;
  readonly #owned = new Subscriptions();

  constructor(link: DaemonLink, stores: Stores, onError: (error: unknown) => void) {
    this.#link = link;
    this.#stores = stores;
    this.#owned.add(link.onNotification(daemon.inventoryDidChange, (change) => this.#changed(change)));
    this.#owned.add(link.onDidConnect((client) => void this.#connected(client).catch(onError)));
    // A host lists the VM that was restored on it when it is asked, not before.
    this.#owned.add(
      stores.runs.onDidEnd(({ outcome }) => {
        if (outcome?.kind === 'restore-vm') void stores.vms.load(outcome.host, { force: true });
      }),
    );
  }

  dispose(): void {
    this.#owned.dispose();
  }

  async #connected(client: DaemonClient): Promise<void> {
    const { hosts, repositories, vms } = this.#stores;
    const answer = await client.request(daemon.subscribeInventory, {});
    hosts.replace(answer.hosts);
    repositories.replace(answer.repositories);
    for (const host of vms.hosts()) {
      if (answer.hosts.some(({ name }) => name === host)) void vms.reread(host);
      else vms.forget(host);
    }
  }

  #changed(change: InventoryChange): void {
    const { hosts, vms, repositories, restorePoints, policies, policyDetails } = this.#stores;
    if (this.#link.state.kind !== 'connected') return;
    if (change.hosts) void hosts.load({ force: true });
    if (change.repositories) void repositories.load({ force: true });
    if (change.policies === true && policies.policies.state !== 'unread') void policies.load({ force: true });
    if (change.policies === true || change.vmsOf.length > 0) policyDetails.expire();
    for (const repository of change.restorePointsOf) {
      restorePoints.expire(repository);
      repositories.expire(repository);
    }
    // What is backed up of a VM comes with the VM.
    const concerned = change.restorePointsOf.length > 0 ? vms.hosts() : change.vmsOf;
    for (const host of concerned) {
      if (vms.vms(host).state !== 'unread') void vms.reread(host);
    }
  }
}
