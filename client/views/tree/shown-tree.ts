/** Remembers what a tree view was given, to say which nodes really changed: nothing else is refreshed, so nothing flickers. */
import { sameRow } from './row.ts';
import type { Row, TreeNode } from './row.ts';

/** The content of a tree, from what is known at this moment. No method waits or asks anybody. */
export interface TreeModel<N extends TreeNode> {
  /** The children of a node, in order; the first level without one. */
  children(parent: N | undefined): readonly N[];
  row(node: N): Row;
  /** Markdown, asked for when the pointer rests on the line. */
  tooltip(node: N): string | undefined;
}

interface Entry<N> {
  node: N;
  readonly parent: Entry<N> | undefined;
  /** Absent until the view asked for it. */
  row: Row | undefined;
  /** Absent until the view asked for them. */
  children: readonly Entry<N>[] | undefined;
}

/** A tree as a view has it. Nodes keep their identity as objects while their data stays the same, as VS Code wants it. */
export class ShownTree<N extends TreeNode> {
  readonly #model: TreeModel<N>;
  readonly #entries = new Map<string, Entry<N>>();
  #roots: readonly Entry<N>[] | undefined;
  /** Ids that went from their place during a look; what comes again elsewhere has moved. */
  readonly #gone = new Set<string>();
  #moved = false;

  constructor(model: TreeModel<N>) {
    this.#model = model;
  }

  /** The children for the view. */
  children(parent: N | undefined): readonly N[] {
    const entry = parent === undefined ? undefined : this.#entries.get(parent.id);
    const nodes = this.#model.children(entry?.node ?? parent);
    // The view may ask for what is below a node that is gone already.
    if (parent !== undefined && entry === undefined) return nodes;
    return this.#record(entry, nodes).map(({ node }) => node);
  }

  /** The line for the view. */
  row(node: N): Row {
    const row = this.#model.row(node);
    const entry = this.#entries.get(node.id);
    if (entry !== undefined) entry.row = row;
    return row;
  }

  parent(node: N): N | undefined {
    return this.#entries.get(node.id)?.parent?.node;
  }

  /** A node that the view has. */
  node(id: string): N | undefined {
    return this.#entries.get(id)?.node;
  }

  /** Nodes whose children the view asked for. */
  opened(): readonly N[] {
    return [...this.#entries.values()].filter(({ children }) => children !== undefined).map(({ node }) => node);
  }

  /** How many nodes the view has. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * Nodes that look different, or have other children, than the view was told; `undefined` stands for everything. Told once. VS Code
   * keeps the selection of a node that moves to another parent only when everything is refreshed at once.
   */
  changed(): readonly (N | undefined)[] {
    if (this.#roots === undefined) return [];
    const changed: N[] = [];
    this.#gone.clear();
    this.#moved = false;
    const fresh = this.#model.children(undefined);
    const same = sameNodes(this.#roots, fresh);
    if (!same) this.#record(undefined, fresh);
    this.#visit(this.#roots, changed);
    return same && !this.#moved ? changed : [undefined];
  }

  #visit(entries: readonly Entry<N>[], changed: N[] | undefined): void {
    for (const entry of entries) {
      const differs = [this.#rowDiffers(entry), this.#childrenDiffer(entry)].includes(true);
      if (differs) changed?.push(entry.node);
      // A view that refreshes a node asks again for what is below it.
      if (entry.children !== undefined) this.#visit(entry.children, differs ? undefined : changed);
    }
  }

  #rowDiffers(entry: Entry<N>): boolean {
    if (entry.row === undefined) return false;
    const row = this.#model.row(entry.node);
    const differs = !sameRow(entry.row, row);
    entry.row = row;
    return differs;
  }

  #childrenDiffer(entry: Entry<N>): boolean {
    if (entry.children === undefined) return false;
    const fresh = this.#model.children(entry.node);
    if (sameNodes(entry.children, fresh)) return false;
    this.#record(entry, fresh);
    return true;
  }

  #record(parent: Entry<N> | undefined, nodes: readonly N[]): readonly Entry<N>[] {
    const before = (parent === undefined ? this.#roots : parent.children) ?? [];
    const entries = nodes.map((node) => this.#entry(parent, node));
    const kept = new Set(entries);
    for (const entry of before) if (!kept.has(entry)) this.#drop(entry);
    if (parent === undefined) this.#roots = entries;
    else parent.children = entries;
    return entries;
  }

  #entry(parent: Entry<N> | undefined, node: N): Entry<N> {
    const known = this.#entries.get(node.id);
    if (known !== undefined && known.parent === parent) {
      if (!sameNode(known.node, node)) known.node = node;
      return known;
    }
    if (known !== undefined || this.#gone.has(node.id)) this.#moved = true;
    const entry: Entry<N> = { node, parent, row: undefined, children: undefined };
    this.#entries.set(node.id, entry);
    return entry;
  }

  #drop(entry: Entry<N>): void {
    // A node of the same id may have come elsewhere meanwhile.
    if (this.#entries.get(entry.node.id) === entry) {
      this.#entries.delete(entry.node.id);
      this.#gone.add(entry.node.id);
    }
    for (const child of entry.children ?? []) this.#drop(child);
  }
}

function sameNodes<N extends TreeNode>(entries: readonly Entry<N>[], nodes: readonly N[]): boolean {
  return (
    entries.length === nodes.length &&
    entries.every(({ node }, index) => {
      const other = nodes[index];
      return other !== undefined && sameNode(node, other);
    })
  );
}

/** Nodes are flat, and those of a kind are made with their fields in one order: comparing the plain ones is comparing the nodes. */
function sameNode(a: TreeNode, b: TreeNode): boolean {
  if (a === b) return true;
  if (a.id !== b.id) return false;
  const fields = Object.entries(a);
  const others = Object.entries(b);
  return (
    fields.length === others.length &&
    fields.every(([name, value], index) => {
      const [otherName, other] = others[index] ?? [];
      return name === otherName && (value === other || (typeof value === 'object' && typeof other === 'object'));
    })
  );
}
