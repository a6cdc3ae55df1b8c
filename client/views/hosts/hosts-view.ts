/** The Hosts view: joins its model with the stores and VS Code. */
import type { VmId } from '../../../server/protocol/ids.ts';
import type { ViewApp } from '../tree/view-app.ts';
import { onSettingChange, readSetting } from '../../ui/settings.ts';
import { LoadAttempts } from '../tree/load-attempts.ts';
import { mayAsk } from '../tree/may-ask.ts';
import { TreeController } from '../tree/tree-controller.ts';
import type { HostsControls } from '../tree/view-controls.ts';
import { StoredHostsData } from './hosts-data.ts';
import { HostsModel } from './hosts-model.ts';
import { hostNode, vmNode } from './hosts-nodes.ts';
import type { HostsNode } from './hosts-nodes.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
/** How often ages are looked at while the view is visible, ms. */
const agesMs = minuteMs;

export class HostsView implements HostsControls {
  readonly #app: ViewApp;
  readonly #model: HostsModel;
  readonly #attempts = new LoadAttempts();
  readonly #controller: TreeController<HostsNode>;
  #overdueAfterMs = 0;
  #freshMs = 0;

  constructor(app: ViewApp) {
    this.#app = app;
    const { stores, daemon, own } = app;
    this.#readSettings();
    const overdueAfterMs = (): number => this.#overdueAfterMs;
    this.#model = new HostsModel(new StoredHostsData({ stores, daemon, overdueAfterMs }));
    this.#controller = own(
      new TreeController<HostsNode>({
        id: 'tidemark.hosts',
        model: this.#model,
        load: (node) => this.#load(node),
        retry: (node) => this.#attempts.renew(node.id),
        head: () => this.#model.head(),
        everyMs: 250,
        tickMs: agesMs,
      }),
    );
    const refresh = (): void => this.#controller.refresh();
    own(stores.hosts.onDidChange(refresh));
    own(stores.vms.onDidChange(refresh));
    own(stores.restorePoints.onDidChange(refresh));
    own(stores.runs.onDidChange(({ listChanged }) => (listChanged ? refresh() : undefined)));
    own(daemon.onDidConnect(() => this.#attempts.renew()));
    own(daemon.onDidChangeState(refresh));
    own(
      onSettingChange(['tidemark.inventory.overdueAfterHours', 'tidemark.inventory.refreshMinutes'], () => {
        this.#readSettings();
        refresh();
      }),
    );
    const order = (): void => {
      this.#model.order.by = readSetting('tidemark.hosts.sortBy');
      refresh();
    };
    own(onSettingChange(['tidemark.hosts.sortBy'], order));
    order();
  }

  get filter(): string {
    return this.#model.filter;
  }

  setFilter(text: string): void {
    this.#model.filter = text;
    this.#app.contextKeys.set('tidemark:hosts.filtered', this.#model.filter !== '');
    this.#controller.refreshNow();
    if (this.#model.filter === '') return;
    this.#controller
      .openFirst(this.#loadAll())
      .catch((error: unknown) => this.#app.logs.warn('what was found is not opened', error));
  }

  async reveal(host: string, vmId: VmId): Promise<boolean> {
    const { hosts, vms } = this.#app.stores;
    await hosts.load();
    await vms.load(host);
    const entry = vms.vm(host, vmId);
    if (entry === undefined) return false;
    if (this.#model.filter !== '') this.setFilter('');
    const parent = hostNode(host);
    const { id } = vmNode(entry);
    // Its page may not be shown yet.
    while (!this.#model.children(parent).some((node) => node.id === id) && this.#model.hasMore(parent))
      this.#model.limits.grow(parent.id);
    this.#controller.refreshNow();
    return this.#controller.reveal([parent.id, id]);
  }

  loadMore(list: string): void {
    const node = this.#controller.node(list);
    if (node?.kind === 'points') void this.#app.stores.restorePoints.loadMore({ vmId: node.vmId });
    else this.#model.limits.grow(list);
    this.#controller.refreshNow();
  }

  /** Kept: every line of a VM goes by them, and reading a setting is slow. */
  #readSettings(): void {
    this.#overdueAfterMs = readSetting('tidemark.inventory.overdueAfterHours') * hourMs;
    this.#freshMs = readSetting('tidemark.inventory.refreshMinutes') * minuteMs;
  }

  /** What is not known of a host cannot be searched. */
  #loadAll(): readonly Promise<unknown>[] {
    return this.#app.stores.hosts.hosts.value.flatMap(({ name }) => this.#load(hostNode(name)) ?? []);
  }

  #load(node: HostsNode | undefined): Promise<unknown> | undefined {
    const { stores, daemon } = this.#app;
    if (!mayAsk(daemon)) return undefined;
    const now = Date.now();
    if (node === undefined) {
      return this.#attempts.wanted('hosts', stores.hosts.hosts, now) ? stores.hosts.load() : undefined;
    }
    if (node.kind === 'host') {
      const wanted = this.#attempts.wanted(node.id, stores.vms.vms(node.host), now, this.#freshMs);
      return wanted ? stores.vms.load(node.host) : undefined;
    }
    if (node.kind === 'points') {
      const query = { vmId: node.vmId };
      return this.#attempts.wanted(node.id, stores.restorePoints.list(query), now)
        ? stores.restorePoints.load(query)
        : undefined;
    }
    return undefined;
  }
}
