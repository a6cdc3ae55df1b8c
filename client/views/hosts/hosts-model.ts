/** The Hosts view: hosts, their VMs, the VMs' disks and restore points. */
import type { HostEntry, VmEntry } from '../../../server/protocol/daemon.ts';
import type { DiskInfo } from '../../../server/protocol/model.ts';
import { l10n } from '../../base/l10n.ts';
import { errorNode, messageNode, messageRow, messageTooltip, moreNode, moreRow } from '../tree/common-nodes.ts';
import { ListIndex } from '../tree/list-index.ts';
import { PageLimits } from '../tree/paging.ts';
import { pointDiskNodes, pointListNodes } from '../tree/point-nodes.ts';
import {
  damagedRow,
  damagedTooltip,
  pointDiskRow,
  pointDiskTooltip,
  pointRow,
  pointTooltip,
} from '../tree/point-rows.ts';
import type { Row } from '../tree/row.ts';
import type { TreeModel } from '../tree/shown-tree.ts';
import { textFilter } from '../tree/text-filter.ts';
import type { TextFilter } from '../tree/text-filter.ts';
import { shortTimeText } from '../tree/texts.ts';
import { hostRow, hostTooltip } from './host-rows.ts';
import { hostNode, vmNode } from './hosts-nodes.ts';
import type { DiskNode, HostNode, HostsData, HostsNode, VmNode } from './hosts-nodes.ts';
import { VmOrdering } from './vm-order.ts';
import { diskRow, diskTooltip, disksRow, pointsRow, vmRow, vmStateText, vmTooltip } from './vm-rows.ts';

const view = 'tidemark.hosts';

/** Makes nodes and lines of what `data` knows now. */
export class HostsModel implements TreeModel<HostsNode> {
  readonly limits = new PageLimits();
  readonly order = new VmOrdering();
  readonly #data: HostsData;
  readonly #vmsById = new ListIndex((entry: VmEntry) => entry.vm.id);
  readonly #disksById = new ListIndex((disk: DiskInfo) => disk.id);
  readonly #nodesOf = new WeakMap<readonly VmEntry[], readonly VmNode[]>();
  #filter: TextFilter = textFilter('');

  constructor(data: HostsData) {
    this.#data = data;
  }

  get filter(): string {
    return this.#filter.text;
  }

  /** Shows only VMs whose name, host or state has every word, and hosts that have such VMs. Empty shows everything. */
  set filter(text: string) {
    this.#filter = textFilter(text);
    this.limits.reset();
  }

  children(parent: HostsNode | undefined): readonly HostsNode[] {
    if (parent === undefined) return this.#roots();
    switch (parent.kind) {
      case 'host':
        return this.#vms(parent);
      case 'vm':
        return [
          { kind: 'disks', id: `${parent.id}/disks`, host: parent.host, vmId: parent.vmId },
          { kind: 'points', id: `${parent.id}/points`, host: parent.host, vmId: parent.vmId },
        ];
      case 'disks':
        return (this.#vm(parent)?.vm.disks ?? []).map((disk) => ({
          kind: 'disk',
          id: `${parent.id}/${disk.id}`,
          host: parent.host,
          vmId: parent.vmId,
          diskId: disk.id,
        }));
      case 'points':
        return pointListNodes(view, parent.id, this.#data.points(parent.vmId), 'time');
      case 'point':
        return pointDiskNodes(parent);
      case 'disk':
      case 'pointDisk':
      case 'damaged':
      case 'more':
      case 'message':
        break;
    }
    return [];
  }

  row(node: HostsNode): Row {
    const { now } = this.#data;
    switch (node.kind) {
      case 'host':
        return hostRow(node, this.#host(node), this.#data.vms(node.host), { now, filtered: this.#filter.active });
      case 'vm':
        return vmRow(node, this.#vm(node), this.#data);
      case 'disks':
        return disksRow(this.#vm(node));
      case 'disk':
        return diskRow(this.#disk(node));
      case 'points':
        return pointsRow(this.#vm(node), now);
      case 'point':
        return pointRow(node, now);
      case 'pointDisk':
        return pointDiskRow(node);
      case 'damaged':
        return damagedRow(node);
      case 'more':
        return moreRow(node);
      case 'message':
        break;
    }
    return messageRow(node);
  }

  tooltip(node: HostsNode): string | undefined {
    const { now } = this.#data;
    switch (node.kind) {
      case 'host': {
        const host = this.#host(node);
        return host === undefined ? undefined : hostTooltip(host, this.#data.vms(node.host), now);
      }
      case 'vm': {
        const entry = this.#vm(node);
        return entry === undefined ? undefined : vmTooltip(entry, this.#data);
      }
      case 'disk': {
        const disk = this.#disk(node);
        return disk === undefined ? undefined : diskTooltip(disk);
      }
      case 'point':
        return pointTooltip(node);
      case 'pointDisk':
        return pointDiskTooltip(node);
      case 'damaged':
        return damagedTooltip(node);
      case 'message':
        return messageTooltip(node);
      case 'disks':
      case 'points':
      case 'more':
        break;
    }
    return undefined;
  }

  /** Whether a list has more than it shows. */
  hasMore(parent: HostNode): boolean {
    return this.children(parent).at(-1)?.kind === 'more';
  }

  /** What is written above the tree: that it is filtered, or not of now. */
  head(): { readonly message?: string; readonly description?: string } {
    const { hosts, connected, now } = this.#data;
    const stale =
      !connected && hosts.value.length > 0 && hosts.readAt !== undefined
        ? l10n.t('Not connected to the daemon. Showing cached data from {0}.', shortTimeText(hosts.readAt, now))
        : undefined;
    if (!this.#filter.active) return stale === undefined ? {} : { message: stale };
    const found = this.#found();
    const message = stale === undefined ? found : `${found} ${stale}`;
    return { message, description: `“${this.#filter.text}”` };
  }

  #found(): string {
    const lists = this.#data.hosts.value.map(({ name }) => this.#data.vms(name));
    const all = lists.reduce((count, { value }) => count + value.length, 0);
    const shown = lists.reduce((count, { value }) => count + value.filter((entry) => this.#matches(entry)).length, 0);
    const silent = lists.filter(({ state, readAt }) => readAt === undefined && state !== 'loading').length;
    const counts = l10n.t('Showing {0} of {1} VMs.', shown.toLocaleString(), all.toLocaleString());
    return silent === 0 ? counts : `${counts} ${l10n.t('Hosts that could not be searched: {0}.', silent)}`;
  }

  #roots(): readonly HostsNode[] {
    const { hosts, connected } = this.#data;
    if (hosts.value.length > 0)
      return hosts.value.filter((host) => this.#shows(host)).map(({ name }) => hostNode(name));
    if (!connected || hosts.state === 'ready') return [];
    if (hosts.state === 'failed' && hosts.error !== undefined) return [errorNode('hosts', hosts.error)];
    return [messageNode('hosts', 'loading', l10n.t('Reading hosts…'))];
  }

  /** A host whose VMs are not known yet stays until they are. */
  #shows({ name }: HostEntry): boolean {
    if (!this.#filter.active) return true;
    const vms = this.#data.vms(name);
    if (vms.state === 'loading' && vms.readAt === undefined) return true;
    return this.#filter.matches(name) || vms.value.some((entry) => this.#matches(entry));
  }

  #matches({ host, vm }: VmEntry): boolean {
    return !this.#filter.active || this.#filter.matches(vm.name, host, vmStateText(vm.state));
  }

  #vms({ id, host }: HostNode): readonly HostsNode[] {
    const cached = this.#data.vms(host);
    const entries = this.order.of(cached.value);
    const all = this.#vmNodes(entries);
    const matching = this.#filter.active ? all.filter((_, index) => this.#matchesAt(entries, index)) : all;
    const shown = matching.slice(0, this.limits.limit(id));
    const nodes: HostsNode[] = [...shown];
    if (matching.length > shown.length) nodes.push(moreNode(view, id, { shown: shown.length, total: matching.length }));
    if (cached.state === 'failed' && cached.error !== undefined) nodes.unshift(errorNode(id, cached.error));
    if (nodes.length > 0) return nodes;
    if (cached.state === 'ready') {
      const text = cached.value.length > 0 ? l10n.t('No VM matches the filter') : l10n.t('This host has no VMs');
      return [messageNode(id, 'info', text)];
    }
    return [messageNode(id, 'loading', l10n.t('Asking {0}…', host))];
  }

  /** Made once for each list that was read: a look at what changed then compares nothing but objects. */
  #vmNodes(entries: readonly VmEntry[]): readonly VmNode[] {
    const known = this.#nodesOf.get(entries);
    if (known !== undefined) return known;
    const nodes = entries.map(vmNode);
    this.#nodesOf.set(entries, nodes);
    return nodes;
  }

  #matchesAt(entries: readonly VmEntry[], index: number): boolean {
    const entry = entries[index];
    return entry !== undefined && this.#matches(entry);
  }

  #host({ host }: HostNode): HostEntry | undefined {
    return this.#data.hosts.value.find(({ name }) => name === host);
  }

  #vm({ host, vmId }: Pick<VmNode, 'host' | 'vmId'>): VmEntry | undefined {
    return this.#vmsById.find(this.#data.vms(host).value, vmId);
  }

  #disk(node: DiskNode): DiskInfo | undefined {
    return this.#disksById.find(this.#vm(node)?.vm.disks ?? [], node.diskId);
  }
}
