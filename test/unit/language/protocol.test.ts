import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import type { CodeLens, CompletionList, Hover, TextEdit, WorkspaceEdit } from 'vscode-languageserver';

import { getPolicyInventory, listPolicyFiles } from '../../../server/protocol/policy-language.ts';
import { FakeEditor } from './fake-editor.ts';
import { applied, sampleInventory } from './support.ts';

const a = 'file:///p/a.backup.yaml';
const b = 'untitled:Untitled-1';
const policy = (name: string, vm = 'sql-01'): string =>
  `name: ${name}\nrepository: main\nselect:\n  - host: hv01\n    vms: [${vm}]\n`;
const at = (uri: string, line: number, character: number) => ({ textDocument: { uri }, position: { line, character } });

async function started(): Promise<FakeEditor> {
  const editor = new FakeEditor();
  await editor.start();
  return editor;
}

describe('the language server and its editor', () => {
  it('says what it can, and asks what there is', async () => {
    using editor = new FakeEditor();
    const { capabilities } = await editor.start();
    assert.deepEqual(capabilities.renameProvider, { prepareProvider: true });
    assert.ok(capabilities.inlayHintProvider === true && capabilities.documentFormattingProvider === true);
    assert.deepEqual(new Set(editor.asked.slice(0, 2)), new Set([getPolicyInventory.method, listPolicyFiles.method]));
  });

  it('checks a file when it is opened and after each pause of typing, once', async () => {
    using editor = await started();
    await editor.open(a, 'nam: x\n');
    assert.ok(editor.codes(a).includes('TM7107'));
    await editor.type(a, 'n');
    await editor.type(a, policy('x', 'oracle'));
    await editor.settled();
    assert.equal(editor.timers.waiting, 1);
    await editor.checked();
    assert.ok(editor.codes(a).includes('TM7302'), editor.codes(a).join());
    assert.ok(!editor.codes(a).includes('TM7107'));
    const [first] = editor.published.get(a) ?? [];
    assert.equal(first?.codeDescription?.href, `https://docs.example/policies/${String(first?.code)}.md`);
  });

  it('answers about the file as it is typed: completion, hover, lenses, formatting', async () => {
    using editor = await started();
    await editor.open(a, policy('x'));
    const { items } = await editor.connection.sendRequest<CompletionList>('textDocument/completion', at(a, 4, 10));
    assert.ok(items.some(({ label }) => label === 'sql-test'));
    const hover = await editor.connection.sendRequest<Hover>('textDocument/hover', at(a, 4, 12));
    assert.match(JSON.stringify(hover.contents), /running/);
    const lenses = await editor.connection.sendRequest<CodeLens[]>('textDocument/codeLens', {
      textDocument: { uri: a },
    });
    assert.ok(lenses.some(({ command }) => command?.title === '1 VM'));
    await editor.type(a, 'name:   x\n');
    const options = { tabSize: 2, insertSpaces: true };
    const edits = await editor.connection.sendRequest<TextEdit[]>('textDocument/formatting', {
      textDocument: { uri: a },
      options,
    });
    assert.equal(edits.length, 1);
  });

  it('checks again, and has lenses shown again, when the inventory comes late', async () => {
    using editor = new FakeEditor();
    const full = editor.inventory;
    editor.inventory = { applied: [], trusted: true };
    await editor.start();
    await editor.open(a, policy('x', 'oracle'));
    assert.ok(editor.codes(a).includes('TM7310') && !editor.codes(a).includes('TM7302'));
    const refreshes = editor.asked.filter((method) => method === 'workspace/codeLens/refresh').length;
    editor.inventory = full;
    await editor.connection.sendNotification('tidemark/language/inventoryDidChange', {});
    await editor.checked();
    assert.ok(editor.codes(a).includes('TM7302') && !editor.codes(a).includes('TM7310'));
    assert.ok(editor.asked.filter((method) => method === 'workspace/codeLens/refresh').length > refreshes);
  });

  it('goes on with what it knows when the editor’s answer is none, and logs that', async () => {
    using editor = await started();
    await editor.open(a, policy('x', 'oracle'));
    editor.inventory = { inventory: { hosts: 'all' } };
    await editor.connection.sendNotification('tidemark/language/inventoryDidChange', {});
    await editor.checked();
    assert.ok(editor.codes(a).includes('TM7302'));
    assert.ok(editor.logged.some((line) => line.includes('The editor did not answer')));
  });

  it('asks once more, not once per change, when changes come faster than answers', async () => {
    using editor = await started();
    editor.asked.length = 0;
    for (let index = 0; index < 10; index++) {
      await editor.connection.sendNotification('tidemark/language/inventoryDidChange', {});
    }
    await editor.settled();
    const questions = editor.asked.filter((method) => method === getPolicyInventory.method).length;
    assert.ok(questions >= 1 && questions <= 3, `${questions} questions`);
  });

  it('checks nothing again when the answer is the same', async () => {
    using editor = await started();
    editor.files = [{ uri: 'file:///p/c.backup.yaml', text: policy('c') }];
    await editor.connection.sendNotification('tidemark/language/filesDidChange', {});
    await editor.open(a, policy('x'));
    await editor.checked();
    editor.inventory = structuredClone(editor.inventory);
    await editor.connection.sendNotification('tidemark/language/inventoryDidChange', {});
    await editor.connection.sendNotification('tidemark/language/filesDidChange', {});
    await editor.settled();
    assert.equal(editor.timers.waiting, 0);
    editor.inventory = { inventory: sampleInventory(), applied: [applied()], trusted: true };
    await editor.connection.sendNotification('tidemark/language/inventoryDidChange', {});
    await editor.settled();
    assert.equal(editor.timers.waiting, 1);
  });

  it('finds a name that is there twice: in files, in open files, and no more when one is closed', async () => {
    using editor = await started();
    editor.files = [{ uri: 'file:///p/c.backup.yaml', text: policy('x') }];
    await editor.connection.sendNotification('tidemark/language/filesDidChange', {});
    await editor.settled();
    await editor.open(a, policy('x'));
    assert.ok(editor.codes(a).includes('TM7208'), editor.codes(a).join());
    const place = editor.published.get(a)?.flatMap(({ relatedInformation = [] }) => relatedInformation)[0];
    assert.equal(place?.location.uri, 'file:///p/c.backup.yaml');
    editor.files = [];
    await editor.connection.sendNotification('tidemark/language/filesDidChange', {});
    await editor.checked();
    assert.ok(!editor.codes(a).includes('TM7208'));
    await editor.open(b, policy('x'));
    assert.ok(editor.codes(a).includes('TM7208') && editor.codes(b).includes('TM7208'));
    await editor.connection.sendNotification('textDocument/didClose', { textDocument: { uri: b } });
    await editor.checked();
    assert.ok(!editor.codes(a).includes('TM7208'));
    assert.deepEqual(editor.codes(b), []);
  });

  it('takes an open file as it is typed, not as it is on disk', async () => {
    using editor = await started();
    editor.files = [{ uri: a, text: policy('x') }];
    await editor.connection.sendNotification('tidemark/language/filesDidChange', {});
    await editor.open(a, policy('y'));
    await editor.open(b, policy('x'));
    assert.ok(!editor.codes(b).includes('TM7208'));
  });

  it('takes the old side of a comparison for a copy, not for another policy', async () => {
    using editor = await started();
    const old = 'git:/p/a.backup.yaml?HEAD';
    await editor.open(a, policy('x'));
    await editor.open(old, policy('x'));
    await editor.checked();
    assert.ok(!editor.codes(a).includes('TM7208') && !editor.codes(old).includes('TM7208'));
  });

  it('renames, says what stays applied, and refuses a bad name with a sentence', async () => {
    using editor = new FakeEditor();
    editor.inventory = { inventory: sampleInventory(), applied: [applied({ name: 'x' })], trusted: true };
    await editor.start();
    await editor.open(a, policy('x'));
    const rename = (newName: string) =>
      editor.connection.sendRequest<WorkspaceEdit>('textDocument/rename', { ...at(a, 0, 6), newName });
    assert.equal((await rename('weekly')).changes?.[a]?.[0]?.newText, 'weekly');
    await editor.settled();
    assert.match(editor.shown.join(), /stays applied under its old name/);
    await assert.rejects(rename('No Name'), /name of lower-case letters/);
  });

  it('answers about a file that is not open with nothing', async () => {
    using editor = await started();
    assert.equal(await editor.connection.sendRequest('textDocument/hover', at('file:///nowhere', 0, 0)), null);
  });

  it('starts without options: diagnostics then have no link', async () => {
    using editor = new FakeEditor();
    await editor.start({ documentation: 1 });
    await editor.open(a, 'nam: x\n');
    const [first] = editor.published.get(a) ?? [];
    assert.ok(first !== undefined && first.codeDescription === undefined);
    assert.ok(editor.logged.some((line) => line.includes('The editor gave no options')));
  });

  it('is told to shut down, and checks nothing more', async () => {
    using editor = await started();
    await editor.open(a, policy('x'));
    await editor.type(a, 'y');
    await editor.settled();
    assert.equal(await editor.connection.sendRequest('shutdown'), null);
    assert.equal(editor.timers.waiting, 0);
  });
});
