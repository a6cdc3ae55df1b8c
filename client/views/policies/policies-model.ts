/** The Policies view: files of the workspace and what the daemon carries out, and below each its VMs and its versions. */
import { l10n } from '../../base/l10n.ts';
import type { PolicyEntry } from '../../policy/policy-entries.ts';
import type { Cached } from '../../stores/cached.ts';
import { errorNode, messageNode, messageRow, messageTooltip, moreNode, moreRow } from '../tree/common-nodes.ts';
import { ListIndex } from '../tree/list-index.ts';
import { PageLimits } from '../tree/paging.ts';
import type { Row } from '../tree/row.ts';
import type { TreeModel } from '../tree/shown-tree.ts';
import { shortTimeText } from '../tree/texts.ts';
import type { PoliciesData, PoliciesNode, PolicyNode, PolicyVersionsNode, PolicyVmsNode } from './policies-nodes.ts';
import {
  policyVersionRow,
  policyVersionsRow,
  policyVersionTooltip,
  policyVmRow,
  policyVmsRow,
} from './policy-child-rows.ts';
import { isInTrouble, policyRow, policyTooltip } from './policy-rows.ts';

const view = 'tidemark.policies';
const root = 'policies';

export class PoliciesModel implements TreeModel<PoliciesNode> {
  readonly limits = new PageLimits();
  readonly #data: PoliciesData;
  readonly #byId = new ListIndex((entry: PolicyEntry) => entry.id);

  constructor(data: PoliciesData) {
    this.#data = data;
  }

  children(parent: PoliciesNode | undefined): readonly PoliciesNode[] {
    if (parent === undefined) return this.#roots();
    switch (parent.kind) {
      case 'policyFolder':
        return this.#policies(
          parent.id,
          this.#data.entries.filter(({ file }) => file?.folderUri === parent.folderUri),
        );
      case 'policy':
        return this.#groups(parent);
      case 'policyVms':
        return this.#vms(parent);
      case 'policyVersions':
        return this.#versions(parent);
      case 'vm':
      case 'policyVersion':
      case 'message':
      case 'more':
        break;
    }
    return [];
  }

  row(node: PoliciesNode): Row {
    const { now } = this.#data;
    switch (node.kind) {
      case 'policyFolder':
        return {
          label: node.folderName,
          icon: { name: 'root-folder' },
          context: 'tidemark.policyFolder',
          expand: 'expanded',
        };
      case 'policy':
        return policyRow(node, this.entry(node.id), this.#data);
      case 'policyVms': {
        const entry = this.entry(node.policy);
        return policyVmsRow(entry === undefined ? { state: 'unread', value: [], stale: false } : this.#data.vms(entry));
      }
      case 'vm':
        return policyVmRow(node, this.#data.vm(node.host, node.vmId), now);
      case 'policyVersions':
        return policyVersionsRow(this.#data.versions(node.policyName));
      case 'policyVersion':
        return policyVersionRow(node, now);
      case 'message':
        return messageRow(node);
      case 'more':
        break;
    }
    return moreRow(node);
  }

  tooltip(node: PoliciesNode): string | undefined {
    switch (node.kind) {
      case 'policy': {
        const entry = this.entry(node.id);
        return entry === undefined ? undefined : policyTooltip(entry, this.#data);
      }
      case 'policyVersion':
        return policyVersionTooltip(node);
      case 'message':
        return messageTooltip(node);
      case 'policyFolder':
      case 'policyVms':
      case 'vm':
      case 'policyVersions':
      case 'more':
        break;
    }
    return undefined;
  }

  /** A policy by the id of its node. */
  entry(id: string): PolicyEntry | undefined {
    return this.#byId.find(this.#data.entries, id);
  }

  /** Policies that do not do what they are for: what the badge counts. */
  inTrouble(): readonly PolicyEntry[] {
    return this.#data.entries.filter(isInTrouble);
  }

  /** What is written above the tree. */
  head(): { readonly message?: string } {
    const { entries, trusted, connected, readAt, now, appliedFailure } = this.#data;
    if (entries.length === 0) return {};
    const texts = [
      trusted
        ? ''
        : l10n.t('This workspace is not trusted: its policies are shown and checked, and cannot be applied or run.'),
      connected || readAt === undefined
        ? ''
        : l10n.t('Not connected to the daemon. Showing applied policies as of {0}.', shortTimeText(readAt, now)),
      connected && appliedFailure !== undefined
        ? l10n.t('The applied policies could not be read: {0}', appliedFailure)
        : '',
    ].filter((text) => text !== '');
    return texts.length === 0 ? {} : { message: texts.join(' ') };
  }

  #roots(): readonly PoliciesNode[] {
    const { entries, folders, failure } = this.#data;
    const failed: readonly PoliciesNode[] =
      failure === undefined
        ? []
        : [messageNode(root, 'warning', l10n.t('The workspace could not be searched'), { hint: failure })];
    if (folders.size <= 1) return [...failed, ...this.#policies(root, entries)];
    const nodes: readonly PoliciesNode[] = [...folders].map(([folderUri, folderName]) => ({
      kind: 'policyFolder',
      id: `folder/${folderUri}`,
      folderUri,
      folderName,
    }));
    const elsewhere = entries.filter(({ file }) => file === undefined);
    return [...failed, ...nodes, ...this.#policies(root, elsewhere)];
  }

  #policies(list: string, entries: readonly PolicyEntry[]): readonly PoliciesNode[] {
    return this.#page(list, entries, policyNode);
  }

  #groups({ id, policyName }: PolicyNode): readonly PoliciesNode[] {
    const entry = this.entry(id);
    if (entry === undefined || policyName === undefined) return [];
    const problems = (entry.applied?.problems ?? []).map((text, index) =>
      messageNode(id, 'error', text, { key: `problem/${index}` }),
    );
    const vms: PoliciesNode = { kind: 'policyVms', id: `${id}/vms`, policy: id };
    if (entry.applied === undefined) return [vms];
    return [...problems, vms, { kind: 'policyVersions', id: `${id}/versions`, policy: id, policyName }];
  }

  #vms({ id, policy }: PolicyVmsNode): readonly PoliciesNode[] {
    const entry = this.entry(policy);
    if (entry === undefined) return [];
    const vms = this.#data.vms(entry);
    return this.#content(id, vms, l10n.t('It takes in no VM'), ({ host, vmId, vm, change }) => ({
      kind: 'vm',
      id: `${id}/${host}/${vmId}`,
      host,
      vmId,
      vmName: vm,
      change,
    }));
  }

  #versions({ id, policy, policyName }: PolicyVersionsNode): readonly PoliciesNode[] {
    const applied = this.entry(policy)?.applied?.current.version;
    return this.#content(id, this.#data.versions(policyName), l10n.t('No versions'), (entry) => ({
      kind: 'policyVersion',
      id: `${id}/${entry.version}`,
      policyName,
      version: entry.version,
      current: entry.version === applied,
      entry,
    }));
  }

  /** What was read, a page of it; or that it is being read, or why it could not be. */
  #content<T>(
    id: string,
    list: Cached<readonly T[]>,
    empty: string,
    node: (item: T) => PoliciesNode,
  ): readonly PoliciesNode[] {
    const nodes = this.#page(id, list.value, node);
    if (list.state === 'failed' && list.error !== undefined) return [errorNode(id, list.error), ...nodes];
    if (nodes.length > 0) return nodes;
    return [list.state === 'ready' ? messageNode(id, 'info', empty) : messageNode(id, 'loading', l10n.t('Reading…'))];
  }

  #page<T>(list: string, items: readonly T[], node: (item: T) => PoliciesNode): readonly PoliciesNode[] {
    const shown = items.slice(0, this.limits.limit(list));
    const nodes = shown.map(node);
    if (items.length > shown.length) nodes.push(moreNode(view, list, { shown: shown.length, total: items.length }));
    return nodes;
  }
}

function policyNode({ id, file, name, named }: PolicyEntry): PolicyNode {
  return { kind: 'policy', id, policyUri: file?.uri, policyName: named ? name : undefined };
}
