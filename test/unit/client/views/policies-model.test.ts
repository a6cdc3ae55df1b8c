import assert from 'node:assert/strict';
import { test } from 'node:test';

import { PoliciesModel } from '../../../../client/views/policies/policies-model.ts';
import type { PolicyFile } from '../../../../client/views/policies/policies-model.ts';
import { allNodes, labels } from './support/world.ts';

const file = (path: string, folderName = 'site'): PolicyFile => ({
  uri: `file:///w/${folderName}/${path}`,
  path,
  folderUri: `file:///w/${folderName}`,
  folderName,
});

const made = (files: readonly PolicyFile[], more: { readonly failure?: string; readonly trusted?: boolean } = {}) =>
  new PoliciesModel({ files, failure: more.failure, trusted: more.trusted ?? true });

test('policy files show by name, with their folder, in the order of their paths', () => {
  const model = made([
    file('b.backup.yaml'),
    file('sql/nightly.backup.yaml'),
    file('a10.backup.yaml'),
    file('a2.backup.yaml'),
  ]);
  assert.deepEqual(labels(model), ['a2', 'a10', 'b', 'nightly']);
  const node = model.children(undefined).at(-1);
  assert.ok(node !== undefined);
  assert.equal(model.row(node).description, 'sql');
  assert.equal(model.row(node).accessibility, 'Policy file nightly, sql');
});

test('a click opens the file', () => {
  const model = made([file('a.backup.yaml')]);
  const [node] = model.children(undefined);
  assert.ok(node !== undefined);
  assert.deepEqual(model.row(node).command?.target, { policyUri: 'file:///w/site/a.backup.yaml' });
});

test('several workspace folders are told apart', () => {
  const model = made([file('a.backup.yaml', 'one'), file('a.backup.yaml', 'two')]);
  assert.deepEqual(labels(model), ['one', 'two']);
  const ids = allNodes(model).map(({ id }) => id);
  assert.equal(ids.length, 4);
  assert.equal(new Set(ids).size, 4);
});

test('in a workspace that is not trusted policies are shown and not offered to run', () => {
  const trusted = made([file('a.backup.yaml')]);
  const untrusted = made([file('a.backup.yaml')], { trusted: false });
  const context = (model: PoliciesModel): readonly string[] =>
    model.children(undefined).map((node) => model.row(node).context);
  assert.deepEqual(context(trusted), ['tidemark.policy+trusted']);
  assert.deepEqual(context(untrusted), ['tidemark.policy']);
  assert.match(untrusted.head().message ?? '', /not trusted/);
});

test('the view says that what the daemon runs on a schedule is not in it yet', () => {
  assert.match(made([file('a.backup.yaml')]).head().message ?? '', /later version/);
  assert.deepEqual(made([]).head(), {}, 'the welcome text says it when there is nothing');
});

test('a workspace that cannot be searched says why', () => {
  const model = made([], { failure: 'no provider' });
  const [node] = model.children(undefined);
  assert.ok(node !== undefined);
  assert.equal(model.row(node).description, 'no provider');
});
