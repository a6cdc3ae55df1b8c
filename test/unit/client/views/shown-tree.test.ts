import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Row } from '../../../../client/views/tree/row.ts';
import { ShownTree } from '../../../../client/views/tree/shown-tree.ts';
import type { TreeModel } from '../../../../client/views/tree/shown-tree.ts';

interface Node {
  readonly id: string;
  readonly name: string;
}

/** A tree that a test writes: children by the id of their parent, labels by id. */
class Written implements TreeModel<Node> {
  readonly below = new Map<string, readonly string[]>();
  readonly labels = new Map<string, string>();
  readonly names = new Map<string, string>();

  children(parent: Node | undefined): readonly Node[] {
    const ids = this.below.get(parent?.id ?? '') ?? [];
    return ids.map((id) => ({ id, name: this.names.get(id) ?? id }));
  }

  row({ id }: Node): Row {
    return { label: this.labels.get(id) ?? id, context: 'tidemark.test', expand: 'never' };
  }

  tooltip(): undefined {
    return undefined;
  }
}

/** a (a1, a2) and b (b1), all of it shown. */
function shown() {
  const model = new Written();
  model.below.set('', ['a', 'b']).set('a', ['a1', 'a2']).set('b', ['b1']);
  const tree = new ShownTree(model);
  const show = (parent?: Node): void => {
    for (const node of tree.children(parent)) {
      tree.row(node);
      show(node);
    }
  };
  show();
  return { model, tree };
}

const ids = (nodes: readonly (Node | undefined)[]): readonly (string | undefined)[] => nodes.map((node) => node?.id);

test('a tree in which nothing changed has nothing to refresh', () => {
  const { tree } = shown();
  assert.deepEqual(tree.changed(), []);
});

test('a line that looks different refreshes its node alone, once', () => {
  const { model, tree } = shown();
  model.labels.set('a2', 'changed');
  assert.deepEqual(ids(tree.changed()), ['a2']);
  assert.deepEqual(tree.changed(), []);
});

test('children that came or went refresh their parent, and nothing below it a second time', () => {
  const { model, tree } = shown();
  model.below.set('a', ['a1', 'a3']);
  model.labels.set('a1', 'changed');
  model.labels.set('b1', 'changed');
  assert.deepEqual(ids(tree.changed()), ['a', 'b1']);
  assert.deepEqual(tree.changed(), []);
});

test('children in another order refresh their parent', () => {
  const { model, tree } = shown();
  model.below.set('a', ['a2', 'a1']);
  assert.deepEqual(ids(tree.changed()), ['a']);
});

test('another first level refreshes the whole tree', () => {
  const { model, tree } = shown();
  model.below.set('', ['b', 'c']);
  model.labels.set('b1', 'changed');
  assert.deepEqual(tree.changed(), [undefined]);
  assert.deepEqual(tree.changed(), []);
});

for (const [from, to] of [
  ['a', 'b'],
  ['b', 'a'],
] as const) {
  test(`a node that moves from ${from} to ${to} refreshes everything at once, so that it stays selected`, () => {
    const { model, tree } = shown();
    const children = (id: string): readonly string[] => model.below.get(id) ?? [];
    const moving = children(from)[0] ?? '';
    model.below.set(from, children(from).slice(1)).set(to, [...children(to), moving]);
    assert.deepEqual(tree.changed(), [undefined]);
    const node = tree.node(moving);
    assert.ok(node !== undefined);
    assert.equal(tree.parent(node)?.id, to);
    assert.deepEqual(tree.changed(), []);
  });
}

test('what nobody has opened is not looked at', () => {
  const model = new Written();
  model.below.set('', ['a']).set('a', ['a1']);
  const tree = new ShownTree(model);
  assert.deepEqual(tree.changed(), []);
  tree.children(undefined);
  model.below.set('a', ['a2']);
  model.labels.set('a', 'changed');
  assert.deepEqual(tree.changed(), [], 'neither the line of a nor its children were asked for');
});

test('a node stays the same object while its data does, and is replaced when it changes', () => {
  const { model, tree } = shown();
  const [before] = tree.children(undefined);
  assert.equal(tree.children(undefined)[0], before);
  model.names.set('a', 'renamed');
  assert.deepEqual(tree.changed(), [undefined]);
  const [after] = tree.children(undefined);
  assert.notEqual(after, before);
  assert.deepEqual(after, { id: 'a', name: 'renamed' });
});

test('nodes that went away are forgotten with all that was below them', () => {
  const { model, tree } = shown();
  assert.equal(tree.size, 5);
  model.below.set('', ['b']);
  tree.changed();
  assert.equal(tree.size, 2);
  assert.equal(tree.node('a1'), undefined);
});

test('a view that asks for what is below a node that is gone gets it, and the tree stays as it is', () => {
  const { model, tree } = shown();
  const gone = tree.node('a');
  assert.ok(gone !== undefined);
  model.below.set('', ['b']);
  tree.changed();
  assert.deepEqual(ids(tree.children(gone)), ['a1', 'a2']);
  assert.equal(tree.size, 2);
  assert.deepEqual(tree.changed(), []);
});

test('a node knows its parent, as revealing it needs', () => {
  const { tree } = shown();
  const a1 = tree.node('a1');
  assert.ok(a1 !== undefined);
  assert.equal(tree.parent(a1)?.id, 'a');
  const a = tree.node('a');
  assert.ok(a !== undefined);
  assert.equal(tree.parent(a), undefined);
});
