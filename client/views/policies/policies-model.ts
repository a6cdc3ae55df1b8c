/** The Policies view: the policy files of the workspace, by folder when there are several. */
import { l10n } from '../../base/l10n.ts';
import { messageNode, messageRow, messageTooltip, moreNode, moreRow } from '../tree/common-nodes.ts';
import type { MessageNode, MoreNode } from '../tree/common-nodes.ts';
import { PageLimits } from '../tree/paging.ts';
import { blocks, escaped, factTable, heading } from '../tree/markdown.ts';
import { context } from '../tree/row.ts';
import type { Row } from '../tree/row.ts';
import type { TreeModel } from '../tree/shown-tree.ts';

/** Ending of policy files. */
export const policySuffix = '.backup.yaml';

/** A policy file of the workspace. */
export interface PolicyFile {
  readonly uri: string;
  /** From its workspace folder, with slashes. */
  readonly path: string;
  /** The workspace folder, by its URI and its name. */
  readonly folderUri: string;
  readonly folderName: string;
}

export interface PolicyFolderNode {
  readonly kind: 'policyFolder';
  readonly id: string;
  readonly folderUri: string;
  readonly folderName: string;
}

export interface PolicyNode {
  readonly kind: 'policy';
  readonly id: string;
  readonly policyUri: string;
  readonly path: string;
}

export type PoliciesNode = PolicyFolderNode | PolicyNode | MessageNode | MoreNode;

/** What the view knows. */
export interface PoliciesData {
  readonly files: readonly PolicyFile[];
  /** Why the workspace could not be searched. */
  readonly failure: string | undefined;
  /** Whether policies of this workspace may be run. */
  readonly trusted: boolean;
}

const root = 'policies';

export class PoliciesModel implements TreeModel<PoliciesNode> {
  readonly limits = new PageLimits();
  readonly #data: PoliciesData;

  constructor(data: PoliciesData) {
    this.#data = data;
  }

  children(parent: PoliciesNode | undefined): readonly PoliciesNode[] {
    if (parent === undefined) return this.#roots();
    if (parent.kind !== 'policyFolder') return [];
    return this.#page(
      parent.id,
      this.#data.files.filter(({ folderUri }) => folderUri === parent.folderUri),
    );
  }

  row(node: PoliciesNode): Row {
    switch (node.kind) {
      case 'policyFolder':
        return {
          label: node.folderName,
          icon: { name: 'root-folder' },
          context: context('policyFolder'),
          expand: 'expanded',
        };
      case 'policy':
        return policyRow(node, this.#data.trusted);
      case 'message':
        return messageRow(node);
      case 'more':
        break;
    }
    return moreRow(node);
  }

  tooltip(node: PoliciesNode): string | undefined {
    if (node.kind === 'message') return messageTooltip(node);
    if (node.kind !== 'policy') return undefined;
    const notRun = this.#data.trusted ? undefined : l10n.t('This workspace is not trusted: the policy is not run.');
    return blocks(
      heading(policyName(node.path)),
      factTable([[l10n.t('File'), node.path]]),
      notRun === undefined ? undefined : escaped(notRun),
    );
  }

  /** What is written above the tree. */
  head(): { readonly message?: string } {
    const { files, trusted } = this.#data;
    if (files.length === 0) return {};
    if (!trusted)
      return { message: l10n.t('This workspace is not trusted: its policies are shown and cannot be run.') };
    return {
      message: l10n.t('Files of this workspace. Applied policies are shown in a later version.'),
    };
  }

  #roots(): readonly PoliciesNode[] {
    const { files, failure } = this.#data;
    if (failure !== undefined) {
      const text = l10n.t('The workspace could not be searched');
      return [messageNode(root, 'warning', text, { hint: failure })];
    }
    const folders = new Map(files.map(({ folderUri, folderName }) => [folderUri, folderName]));
    if (folders.size <= 1) return this.#page(root, files);
    return [...folders].map(([folderUri, folderName]) => ({
      kind: 'policyFolder',
      id: `folder/${folderUri}`,
      folderUri,
      folderName,
    }));
  }

  #page(list: string, files: readonly PolicyFile[]): readonly PoliciesNode[] {
    const sorted = files.toSorted((a, b) => byPath.compare(a.path, b.path));
    const shown = sorted.slice(0, this.limits.limit(list));
    const nodes: PoliciesNode[] = shown.map(({ uri, path }) => ({
      kind: 'policy',
      id: `policy/${uri}`,
      policyUri: uri,
      path,
    }));
    if (sorted.length > shown.length) {
      nodes.push(moreNode('tidemark.policies', list, { shown: shown.length, total: sorted.length }));
    }
    return nodes;
  }
}

const byPath = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });

/** The file's name without its ending; the name in the file may differ. */
function policyName(path: string): string {
  const file = path.split('/').at(-1) ?? path;
  return file.endsWith(policySuffix) ? file.slice(0, -policySuffix.length) : file;
}

function policyRow({ policyUri, path }: PolicyNode, trusted: boolean): Row {
  const folder = path.split('/').slice(0, -1).join('/');
  const name = policyName(path);
  return {
    label: name,
    description: folder === '' ? undefined : folder,
    icon: { name: 'checklist' },
    context: context('policy', trusted && 'trusted'),
    accessibility: [l10n.t('Policy file {0}', name), folder].filter((part) => part !== '').join(', '),
    expand: 'never',
    command: { id: 'tidemark.policy.open', title: l10n.t('Open'), target: { policyUri } },
  };
}
