/** A tree view: gives VS Code what the model says, has read what is missing, and refreshes only what really changed. */
import * as vscode from 'vscode';

import { inOneLine } from '../../base/plain-text.ts';
import type { ViewId } from '../../contributions.ts';
import type { Row, TreeNode } from './row.ts';
import { ShownTree } from './shown-tree.ts';
import type { TreeModel } from './shown-tree.ts';

/** How long opening a node waits for what is being read before it shows "Reading…", ms: what is quick comes without flicker. */
const graceMs = 400;
/** The first level has no such line: while it waits, the view shows its progress bar. */
const rootGraceMs = 10_000;

/** How many nodes open by themselves, and how long they wait for hosts that are slow, ms. */
const maxOpened = 5;
const openWaitMs = 3000;

export interface TreeSource<N extends TreeNode> {
  readonly id: ViewId;
  readonly model: TreeModel<N>;
  /** Starts reading what a node (the first level without one) shows, when it is not known or out of date. Does not throw. */
  load(node: N | undefined): Promise<unknown> | undefined;
  /** The user opened a node: what failed is tried again. */
  retry?(node: N): void;
  /** What is written above the tree and beside its title. */
  head(): { readonly message?: string | undefined; readonly description?: string | undefined };
  /** Shortest time between two refreshes, ms. */
  readonly everyMs: number;
  /** How often a visible view looks at what changes with time alone, ms: ages. */
  readonly tickMs: number;
}

export class TreeController<N extends TreeNode> implements vscode.TreeDataProvider<N>, vscode.Disposable {
  readonly view: vscode.TreeView<N>;
  readonly #source: TreeSource<N>;
  readonly #tree: ShownTree<N>;
  readonly #changes = new vscode.EventEmitter<N | N[] | undefined>();
  readonly #collapsed = new Set<string>();
  readonly #owned: vscode.Disposable[] = [];
  #timer: NodeJS.Timeout | undefined;
  readonly #ticks: NodeJS.Timeout;
  #refreshedAt = -Infinity;

  constructor(source: TreeSource<N>) {
    this.#source = source;
    this.#ticks = setInterval(() => this.#tick(), source.tickMs);
    this.#tree = new ShownTree(source.model);
    this.view = vscode.window.createTreeView(source.id, {
      treeDataProvider: this,
      showCollapseAll: true,
      canSelectMany: true,
    });
    this.#owned.push(
      this.view,
      this.#changes,
      this.view.onDidExpandElement(({ element }) => this.#expanded(element)),
      this.view.onDidCollapseElement(({ element }) => void this.#collapsed.add(element.id)),
      this.view.onDidChangeVisibility(({ visible }) => (visible ? this.refresh() : undefined)),
    );
  }

  get onDidChangeTreeData(): vscode.Event<N | N[] | undefined> {
    return this.#changes.event;
  }

  async getChildren(parent?: N): Promise<N[]> {
    const loading = this.#source.load(parent);
    if (loading !== undefined) await settledWithin(loading, parent === undefined ? rootGraceMs : graceMs);
    const children = this.#tree.children(parent);
    this.#showHead();
    return [...children];
  }

  getTreeItem(node: N): vscode.TreeItem {
    return treeItem(node, this.#tree.row(node));
  }

  resolveTreeItem(item: vscode.TreeItem, node: N): vscode.TreeItem {
    const text = this.#source.model.tooltip(node);
    if (text !== undefined) item.tooltip = new vscode.MarkdownString(text);
    return item;
  }

  getParent(node: N): N | undefined {
    return this.#tree.parent(node);
  }

  /** A node that the view has been given. */
  node(id: string): N | undefined {
    return this.#tree.node(id);
  }

  /** Opens the first nodes of the first level, as far as they fit a screen, once what is below them is read: a filter found it. */
  async openFirst(loading: readonly Promise<unknown>[]): Promise<void> {
    await settledWithin(Promise.all(loading), openWaitMs);
    if (!this.view.visible) return;
    this.refreshNow();
    const first = this.#tree.children(undefined).slice(0, maxOpened);
    // The last one shown is where the view scrolls to: begin at the end.
    for (const node of first.toReversed()) await this.view.reveal(node, { select: false, focus: false, expand: true });
  }

  /** Shows the node at the end of a path of ids, which begins at the first level. False when there is none. */
  async reveal(path: readonly string[]): Promise<boolean> {
    let node: N | undefined;
    for (const id of path) {
      node = this.#tree.children(node).find((child) => child.id === id);
      if (node === undefined) return false;
    }
    if (node !== undefined) await this.view.reveal(node, { select: true, focus: true, expand: true });
    return node !== undefined;
  }

  /** Something may have changed: looks at once, or as soon as the last look is long enough ago. */
  refresh(): void {
    const wait = this.#refreshedAt + this.#source.everyMs - performance.now();
    if (wait <= 0) this.refreshNow();
    else this.#timer ??= setTimeout(() => this.refreshNow(), wait);
  }

  /** Looks what changed, and tells the view. A view that nobody sees waits until it is shown. */
  refreshNow(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#showHead();
    if (!this.view.visible) return;
    this.#refreshedAt = performance.now();
    void this.#source.load(undefined);
    for (const node of this.#tree.opened()) if (!this.#collapsed.has(node.id)) void this.#source.load(node);
    const changed = this.#tree.changed();
    if (changed.length === 0) return;
    this.#changes.fire(changed.includes(undefined) ? undefined : changed.filter((node) => node !== undefined));
  }

  dispose(): void {
    clearTimeout(this.#timer);
    clearInterval(this.#ticks);
    for (const owned of this.#owned) owned.dispose();
  }

  #tick(): void {
    if (this.view.visible) this.refresh();
  }

  #expanded(node: N): void {
    this.#collapsed.delete(node.id);
    this.#source.retry?.(node);
    void this.#source.load(node);
    this.refresh();
  }

  #showHead(): void {
    const { message = '', description = '' } = this.#source.head();
    if (this.view.message !== message) this.view.message = message;
    if (this.view.description !== description) this.view.description = description;
  }
}

function treeItem(node: TreeNode, row: Row): vscode.TreeItem {
  const item = new vscode.TreeItem(inOneLine(row.label), collapsibleStates[row.expand]);
  item.id = node.id;
  item.contextValue = row.context;
  if (row.description !== undefined) item.description = inOneLine(row.description);
  if (row.icon !== undefined) {
    const { name, color } = row.icon;
    item.iconPath = new vscode.ThemeIcon(name, color === undefined ? undefined : new vscode.ThemeColor(color));
  }
  if (row.accessibility !== undefined) item.accessibilityInformation = { label: row.accessibility };
  if (row.command !== undefined) {
    const { id, title, target } = row.command;
    item.command = { command: id, title, arguments: [target] };
  }
  return item;
}

const collapsibleStates = {
  never: vscode.TreeItemCollapsibleState.None,
  collapsed: vscode.TreeItemCollapsibleState.Collapsed,
  expanded: vscode.TreeItemCollapsibleState.Expanded,
} as const;

/** Waits for `work`, but no longer than `ms`. */
async function settledWithin(work: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
  await Promise.race([work, timeout]);
  clearTimeout(timer);
}
