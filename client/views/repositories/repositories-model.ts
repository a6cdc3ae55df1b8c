/** The Repositories view: where restore points are kept, and which, by VM or by day. */
import type { RepositoryEntry } from '../../../server/protocol/daemon.ts';
import { l10n } from '../../base/l10n.ts';
import type { PointSummary } from '../../stores/restore-point-store.ts';
import { errorNode, messageNode, messageRow, messageTooltip, moreNode, moreRow } from '../tree/common-nodes.ts';
import { ListIndex } from '../tree/list-index.ts';
import { PageLimits } from '../tree/paging.ts';
import { damagedNodes, pointDiskNodes, pointListNodes } from '../tree/point-nodes.ts';
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
import { dayHeading, shortTimeText } from '../tree/texts.ts';
import { queryOf, repositoryNode } from './repositories-nodes.ts';
import type { GroupBy, RepositoriesData, RepositoriesNode, RepositoryNode } from './repositories-nodes.ts';
import {
  damageRow,
  repositoryDayRow,
  repositoryRow,
  repositoryTooltip,
  repositoryVmRow,
  repositoryVmTooltip,
} from './repository-rows.ts';

const view = 'tidemark.repositories';
type VmCount = PointSummary['vms'][number];
type DayCount = PointSummary['days'][number];

/** Makes nodes and lines of what `data` knows now. */
export class RepositoriesModel implements TreeModel<RepositoriesNode> {
  readonly limits = new PageLimits();
  /** Whether restore points are below their VMs or below their days. */
  groupBy: GroupBy = 'vm';
  readonly #data: RepositoriesData;
  readonly #vms = new ListIndex((vm: VmCount) => vm.vmId);
  readonly #days = new ListIndex((day: DayCount) => day.day);
  readonly #entries = new ListIndex((entry: RepositoryEntry) => entry.name);
  #filter: TextFilter = textFilter('');

  constructor(data: RepositoriesData) {
    this.#data = data;
  }

  get filter(): string {
    return this.#filter.text;
  }

  /** Shows only VMs, or days, whose name or repository has every word. Empty shows everything. */
  set filter(text: string) {
    this.#filter = textFilter(text);
    this.limits.reset();
  }

  children(parent: RepositoriesNode | undefined): readonly RepositoriesNode[] {
    if (parent === undefined) return this.#roots();
    switch (parent.kind) {
      case 'repository':
        return this.#content(parent);
      case 'repositoryVm':
        return pointListNodes(view, parent.id, this.#data.points(queryOf(parent)), 'time');
      case 'repositoryDay':
        return pointListNodes(view, parent.id, this.#data.points(queryOf(parent)), 'vm');
      case 'damage':
        return damagedNodes(parent.id, this.#summary(parent)?.damaged ?? []);
      case 'point':
        return pointDiskNodes(parent);
      case 'pointDisk':
      case 'damaged':
      case 'message':
      case 'more':
        break;
    }
    return [];
  }

  row(node: RepositoriesNode): Row {
    const { now } = this.#data;
    switch (node.kind) {
      case 'repository':
        return repositoryRow(node, {
          entry: this.#entry(node),
          status: this.#data.status(node.repository),
          damaged: this.#summary(node)?.damaged.length ?? 0,
          filtered: this.#filter.active,
        });
      case 'repositoryVm':
        return repositoryVmRow(this.#vms.find(this.#summary(node)?.vms ?? [], node.vmId), now);
      case 'repositoryDay':
        return repositoryDayRow(node, this.#days.find(this.#summary(node)?.days ?? [], node.day)?.count ?? 0, now);
      case 'damage':
        return damageRow(this.#summary(node)?.damaged.length ?? 0);
      case 'point':
        return pointRow(node, now);
      case 'pointDisk':
        return pointDiskRow(node);
      case 'damaged':
        return damagedRow(node);
      case 'message':
        return messageRow(node);
      case 'more':
        break;
    }
    return moreRow(node);
  }

  tooltip(node: RepositoriesNode): string | undefined {
    switch (node.kind) {
      case 'repository': {
        const entry = this.#entry(node);
        return entry === undefined
          ? undefined
          : repositoryTooltip(entry, this.#data.status(node.repository), this.#data.now);
      }
      case 'repositoryVm': {
        const vm = this.#vms.find(this.#summary(node)?.vms ?? [], node.vmId);
        return vm === undefined ? undefined : repositoryVmTooltip(vm);
      }
      case 'point':
        return pointTooltip(node);
      case 'pointDisk':
        return pointDiskTooltip(node);
      case 'damaged':
        return damagedTooltip(node);
      case 'message':
        return messageTooltip(node);
      case 'repositoryDay':
      case 'damage':
      case 'more':
        break;
    }
    return undefined;
  }

  /** What is written above the tree: that it is filtered, or not of now. */
  head(): { readonly message?: string; readonly description?: string } {
    const { repositories, connected, now } = this.#data;
    const description = this.#filter.active ? { description: `“${this.#filter.text}”` } : {};
    if (connected || repositories.value.length === 0 || repositories.readAt === undefined) return description;
    const since = shortTimeText(repositories.readAt, now);
    return { ...description, message: l10n.t('Not connected to the daemon. Showing cached data from {0}.', since) };
  }

  #roots(): readonly RepositoriesNode[] {
    const { repositories, connected } = this.#data;
    const nodes: RepositoriesNode[] = repositories.value
      .filter(({ name }) => this.#shows(name))
      .map(({ name }) => repositoryNode(name));
    if (repositories.value.length > 0 || !connected || repositories.state === 'ready') return nodes;
    if (repositories.state === 'failed' && repositories.error !== undefined) {
      return [errorNode('repositories', repositories.error)];
    }
    return [messageNode('repositories', 'loading', l10n.t('Reading repositories…'))];
  }

  /** A repository whose content is not known yet stays until it is. */
  #shows(name: string): boolean {
    if (!this.#filter.active || this.#filter.matches(name)) return true;
    const { value, state } = this.#data.summary(name);
    if (value === undefined) return state !== 'failed';
    return this.#matchingVms(name, value).length > 0 || this.#matchingDays(name, value).length > 0;
  }

  #content({ id, repository }: RepositoryNode): readonly RepositoriesNode[] {
    const summary = this.#data.summary(repository);
    const status = this.#data.status(repository);
    const error = summary.state === 'failed' ? summary.error : status.state === 'failed' ? status.error : undefined;
    const failure = error === undefined ? [] : [errorNode(id, error)];
    if (summary.value === undefined) {
      return failure.length > 0 ? failure : [messageNode(id, 'loading', l10n.t('Reading {0}…', repository))];
    }
    const warnings = (status.value?.warnings ?? []).map((text, index) =>
      messageNode(id, 'warning', text, { key: `warning/${index}` }),
    );
    const damage: readonly RepositoriesNode[] =
      summary.value.damaged.length === 0 ? [] : [{ kind: 'damage', id: `${id}/damage`, repository }];
    const groups =
      this.groupBy === 'vm'
        ? this.#vmNodes(id, repository, summary.value)
        : this.#dayNodes(id, repository, summary.value);
    const nodes = [...failure, ...warnings, ...damage, ...this.#page(id, groups)];
    return nodes.length > 0 ? nodes : [messageNode(id, 'info', this.#emptyText(summary.value))];
  }

  #emptyText({ restorePoints }: PointSummary): string {
    return restorePoints > 0 ? l10n.t('No restore point matches the filter') : l10n.t('No restore points yet');
  }

  #page(id: string, nodes: readonly RepositoriesNode[]): readonly RepositoriesNode[] {
    const shown = nodes.slice(0, this.limits.limit(id));
    if (shown.length === nodes.length) return nodes;
    return [...shown, moreNode(view, id, { shown: shown.length, total: nodes.length })];
  }

  #vmNodes(id: string, repository: string, summary: PointSummary): readonly RepositoriesNode[] {
    return this.#matchingVms(repository, summary).map(({ vmId }) => ({
      kind: 'repositoryVm',
      id: `${id}/vm/${vmId}`,
      repository,
      vmId,
    }));
  }

  #dayNodes(id: string, repository: string, summary: PointSummary): readonly RepositoriesNode[] {
    return this.#matchingDays(repository, summary).map(({ day }) => ({
      kind: 'repositoryDay',
      id: `${id}/day/${day}`,
      repository,
      day,
    }));
  }

  #matchingVms(repository: string, { vms }: PointSummary): readonly VmCount[] {
    if (!this.#filter.active) return vms;
    return this.groupBy === 'vm' ? vms.filter(({ vmName }) => this.#filter.matches(vmName, repository)) : [];
  }

  #matchingDays(repository: string, { days }: PointSummary): readonly DayCount[] {
    if (!this.#filter.active) return days;
    if (this.groupBy === 'vm') return [];
    return days.filter(({ day }) => this.#filter.matches(day, dayHeading(day, this.#data.now), repository));
  }

  #summary({ repository }: { readonly repository: string }): PointSummary | undefined {
    return this.#data.summary(repository).value;
  }

  #entry({ repository }: RepositoryNode): RepositoryEntry | undefined {
    return this.#entries.find(this.#data.repositories.value, repository);
  }
}
