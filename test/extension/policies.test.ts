import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, describe, it, mock } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as vscode from 'vscode';

import type { App } from '../../client/app.ts';
import type { PolicyEntry } from '../../client/policy/policy-entries.ts';
import { simulatorNames } from '../../server/protocol/daemon.ts';
import { activated, eventually, simulator } from './support.ts';

const { host, repository } = simulatorNames;
const name = 'nightly';
const text = `name: ${name}
repository: ${repository}
select:
  - host: ${host}
    vms: ["shop*"]
schedule:
  - cron: "0 2 * * *"
    timezone: Europe/Warsaw
retention: { keepLast: 3 }
`;

function fileUri(file = `${name}.backup.yaml`): vscode.Uri {
  const [folder] = vscode.workspace.workspaceFolders ?? [];
  assert.ok(folder, 'the window has a folder');
  return vscode.Uri.joinPath(folder.uri, file);
}

/** Opens a file that has this text, made anew or edited and saved as a user does it. */
async function open(content: string, file?: string): Promise<vscode.TextDocument> {
  const uri = fileUri(file);
  const known = vscode.workspace.textDocuments.find((document) => document.uri.toString() === uri.toString());
  if (known === undefined) await vscode.workspace.fs.writeFile(uri, new TextEncoder().encode(content));
  const document = known ?? (await vscode.workspace.openTextDocument(uri));
  await vscode.window.showTextDocument(document);
  await write(document, content);
  return document;
}

/** Makes the document read so, and saves it. */
async function write(document: vscode.TextDocument, content: string): Promise<void> {
  if (document.getText() === content && !document.isDirty) return;
  const edit = new vscode.WorkspaceEdit();
  edit.replace(document.uri, new vscode.Range(0, 0, document.lineCount, 0), content);
  assert.ok(await vscode.workspace.applyEdit(edit));
  assert.ok(await document.save(), 'the file is saved');
}

/** Answers of the language server come when it has started and knows the names. */
async function asked<T>(what: string, ask: () => Thenable<T>, good: (answer: T) => boolean): Promise<T> {
  const end = Date.now() + 60_000;
  for (;;) {
    const answer = await ask();
    if (good(answer)) return answer;
    assert.ok(Date.now() < end, `In a minute this did not come: ${what}; the last answer: ${JSON.stringify(answer)}`);
    await sleep(100);
  }
}

function disposable(owned: vscode.Disposable): Disposable {
  return { [Symbol.dispose]: () => void owned.dispose() };
}

function at(document: vscode.TextDocument, marker: string): vscode.Position {
  const offset = document.getText().indexOf(marker);
  assert.ok(offset >= 0, `${marker} is in the text`);
  return document.positionAt(offset + marker.length);
}

/** The language servers that this extension host has started. */
function serverProcesses(): readonly number[] {
  const own = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry));
  return own.map(Number).filter((pid) => {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      const parent = /^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
      return command.includes('policy-language.js') && Number(parent) === process.pid;
    } catch {
      // It ended meanwhile.
      return false;
    }
  });
}

const labelOf = ({ label }: vscode.CompletionItem): string => (typeof label === 'string' ? label : label.label);

async function completions(document: vscode.TextDocument, position: vscode.Position): Promise<readonly string[]> {
  const list = await vscode.commands.executeCommand<vscode.CompletionList>(
    'vscode.executeCompletionItemProvider',
    document.uri,
    position,
  );
  return list.items.map(labelOf);
}

async function lenses(document: vscode.TextDocument): Promise<readonly vscode.Command[]> {
  const found = await vscode.commands.executeCommand<readonly vscode.CodeLens[]>(
    'vscode.executeCodeLensProvider',
    document.uri,
    20,
  );
  return found.flatMap(({ command }) => (command === undefined ? [] : [command]));
}

const lens = async (document: vscode.TextDocument, title: RegExp): Promise<vscode.Command> => {
  const all = await asked(
    `a lens ${String(title)}`,
    async () => lenses(document),
    (found) => found.some((one) => title.test(one.title)),
  );
  const found = all.find((one) => title.test(one.title));
  assert.ok(found);
  return found;
};

describe('policy files', () => {
  let app: App;
  const errors: unknown[] = [];
  before(async () => {
    await simulator();
    ({ app } = await activated());
    // A search before there is a file must not be the last one.
    await vscode.commands.executeCommand('tidemark.policies.refresh');
    // Nor must a server that was started before there is one be deaf.
    await vscode.commands.executeCommand('tidemark.policyLanguage.restart');
    mock.method(app.errors, 'report', (_: string, error: unknown) => errors.push(error));
    // A test window shows no modal dialog; the end-to-end tests answer those.
    mock.method(
      app.notify,
      'choose',
      async ({ answers }: { readonly answers: readonly { readonly value: unknown }[] }) =>
        Promise.resolve(answers[0]?.value),
    );
    mock.method(app.notify, 'confirm', async () => Promise.resolve());
  });
  after(async () => {
    mock.restoreAll();
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
    await vscode.workspace.fs.delete(fileUri());
  });

  const entry = async (): Promise<PolicyEntry | undefined> => {
    await app.policies.read();
    return app.policies.entries.find((one) => one.name === name);
  };
  const state = async (wanted: PolicyEntry['state']): Promise<PolicyEntry> => {
    const found = await asked(`the state ${wanted}`, entry, (one) => one?.state === wanted);
    assert.ok(found);
    return found;
  };

  it('have a language of their own', async () => {
    const document = await open(text);
    assert.equal(document.languageId, 'backup-policy');
  });

  it('are checked: an unknown VM is found, named with the nearest one, and fixed', async () => {
    const document = await open(text.replace('shop*', 'shpo'));
    const problems = await asked(
      'a diagnostic of the unknown VM',
      async () => Promise.resolve(vscode.languages.getDiagnostics(document.uri)),
      (found) => found.some(({ message }) => message.includes('shpo')),
    );
    const problem = problems.find(({ message }) => message.includes('shpo'));
    assert.ok(problem);
    assert.match(document.getText(problem.range), /shpo/);
    assert.match(JSON.stringify(problem.code), /TM7\d{3}/);
    const actions = await vscode.commands.executeCommand<readonly vscode.CodeAction[]>(
      'vscode.executeCodeActionProvider',
      document.uri,
      problem.range,
    );
    const fix = actions.find(({ title, edit }) => edit !== undefined && title.includes('shop'));
    assert.ok(fix?.edit, actions.map(({ title }) => title).join(', '));
    assert.ok(await vscode.workspace.applyEdit(fix.edit));
    assert.match(document.getText(), /shop/);
    assert.doesNotMatch(document.getText(), /shpo/);
    await document.save();
  });

  it('complete keys, hosts and VMs, the same that the trees show', async () => {
    const document = await open(text);
    await write(document, `${text}exp`);
    const keys = await asked(
      'keys',
      async () => completions(document, at(document, '\nexp')),
      (found) => found.includes('export'),
    );
    assert.ok(!keys.includes('retention'), 'a key that is there is not offered again');
    await write(document, text.replace(`host: ${host}`, 'host: '));
    await asked(
      'hosts',
      async () => completions(document, at(document, 'host: ')),
      (found) => found.includes(host),
    );
    await write(document, text.replace('["shop*"]', '[]'));
    await asked(
      'VMs',
      async () => completions(document, at(document, 'vms: [')),
      (found) => found.some((label) => label.includes('shop')),
    );
    await write(document, text);
  });

  it('say over a cron expression what it means', async () => {
    const document = await open(text);
    const hovers = await asked(
      'a hover',
      async () =>
        vscode.commands.executeCommand<readonly vscode.Hover[]>(
          'vscode.executeHoverProvider',
          document.uri,
          at(document, 'cron: "0 2'),
        ),
      (found) => found.length > 0,
    );
    const said = hovers
      .flatMap(({ contents }) => contents)
      .map((content) => (typeof content === 'string' ? content : content.value))
      .join('\n');
    assert.match(said, /02:00/);
  });

  it('have no lenses when the setting says so', async () => {
    const document = await open(text);
    await lens(document, /Plan/);
    const configuration = vscode.workspace.getConfiguration('tidemark');
    await configuration.update('policies.codeLens', false, vscode.ConfigurationTarget.Global);
    await asked(
      'no lens',
      async () => lenses(document),
      (found) => found.length === 0,
    );
    await configuration.update('policies.codeLens', undefined, vscode.ConfigurationTarget.Global);
    await lens(document, /Plan/);
  });

  it('are planned by their lens: the page names the VMs', async () => {
    const document = await open(text);
    const { command, arguments: args = [] } = await lens(document, /Plan/);
    await vscode.commands.executeCommand(command, ...(args as readonly unknown[]));
    assert.deepEqual(errors, []);
    const pages = await vscode.workspace.openTextDocument(
      vscode.Uri.from({ scheme: 'tidemark-plan', path: `/Plan of ${name}.md` }),
    );
    assert.match(pages.getText(), /\| shop/);
  });

  it('are applied by their lens, and the view says so', async () => {
    const document = await open(text);
    await state('not-applied');
    const { command, arguments: args = [] } = await lens(document, /Apply/);
    await vscode.commands.executeCommand(command, ...(args as readonly unknown[]));
    assert.deepEqual(errors, []);
    const { applied } = await state('applied');
    assert.equal(applied?.current.version, 1);
    assert.ok(applied.vms > 0);
  });

  it('run by their lens: the run has the backups of the VMs as its parts', async () => {
    const document = await open(text);
    const { command, arguments: args = [] } = await lens(document, /Run now/i);
    await vscode.commands.executeCommand(command, ...(args as readonly unknown[]));
    assert.deepEqual(errors, []);
    const run = await eventually('the run of the policy, ended', () =>
      app.stores.runs.runs.value.find(
        ({ request, finishedAt }) => request.kind === 'policy' && finishedAt !== undefined,
      ),
    );
    assert.equal(run.state, 'succeeded', run.error?.message);
    assert.ok(app.stores.runs.startedHere(run.id));
    const parts = app.stores.runs.runs.value.filter(({ parent }) => parent === run.id);
    assert.ok(parts.some(({ request }) => request.kind === 'backup'));
    await vscode.commands.executeCommand('tidemark.run.showReport', { runId: run.id });
    assert.deepEqual(errors, []);
  });

  it('that were changed say so, and are compared with what is applied', async () => {
    const document = await open(text);
    await write(document, text.replace('keepLast: 3', 'keepLast: 5'));
    const { file } = await state('changed');
    assert.ok(file);
    await lens(document, /Changed since applied/);
    await vscode.commands.executeCommand('tidemark.policy.compare', { policyUri: file.uri });
    assert.deepEqual(errors, []);
    const tab = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
    assert.ok(tab instanceof vscode.TabInputTextDiff);
    const [applied, edited] = await Promise.all(
      [tab.original, tab.modified].map(async (uri) => vscode.workspace.openTextDocument(uri)),
    );
    assert.match(applied?.getText() ?? '', /keepLast: 3/);
    assert.match(edited?.getText() ?? '', /keepLast: 5/);
    assert.notEqual(applied?.languageId, 'backup-policy', 'nothing is checked or run of what was');
  });

  it('are applied again as a new version, and rolled back to the first one', async () => {
    const document = await open(text.replace('keepLast: 3', 'keepLast: 5'));
    await vscode.commands.executeCommand('tidemark.policy.apply', document.uri);
    assert.equal((await state('applied')).applied?.current.version, 2);
    await vscode.commands.executeCommand('tidemark.policy.rollBack', {
      kind: 'policyVersion',
      policyName: name,
      version: 1,
    });
    assert.deepEqual(errors, []);
    const { applied } = await state('changed');
    assert.equal(applied?.current.change, 'rolled-back');
  });

  it('are resumed after a pause, and deleted from the daemon only', async () => {
    const command = vscode.commands.executeCommand('tidemark.policy.pause', { policyName: name });
    const pause = Promise.resolve(command).then(() => 'ended');
    // The first choice of the list, as soon as it is there.
    while ((await Promise.race([pause, sleep(200)])) !== 'ended')
      await vscode.commands.executeCommand('workbench.action.acceptSelectedQuickOpenItem');
    assert.deepEqual(errors, []);
    assert.ok(app.stores.policies.policy(name)?.paused);
    await vscode.commands.executeCommand('tidemark.policy.resume', { policyName: name });
    assert.equal(app.stores.policies.policy(name)?.paused, undefined);
    await vscode.commands.executeCommand('tidemark.policy.delete', { policyName: name });
    assert.deepEqual(errors, []);
    const { file } = await state('not-applied');
    assert.ok(file);
  });

  it('are what is checked, and not the old versions that Git and others show of them', async () => {
    using provider = disposable(
      vscode.workspace.registerTextDocumentContentProvider('old', { provideTextDocumentContent: () => 'nam: x\n' }),
    );
    assert.ok(provider);
    const old = await vscode.workspace.openTextDocument(vscode.Uri.parse(`old:/${name}.backup.yaml`));
    assert.equal(old.languageId, 'backup-policy');
    const document = await open('nam: x\n', 'now.backup.yaml');
    // What is opened first is checked first.
    await eventually('a diagnostic of the key', () => vscode.languages.getDiagnostics(document.uri).length > 0);
    assert.deepEqual(vscode.languages.getDiagnostics(old.uri), []);
    assert.deepEqual(await lenses(old), []);
    await vscode.workspace.fs.delete(document.uri);
  });

  it('are checked again when the server ended by itself', async (t) => {
    if (process.platform !== 'linux') {
      t.skip('how to find the process is known for Linux only');
      return;
    }
    const known = serverProcesses();
    assert.equal(known.length, 1, 'one server for this window');
    for (const pid of known) process.kill(pid, 'SIGKILL');
    await eventually('another server', () => serverProcesses().some((pid) => !known.includes(pid)));
    const document = await open('nam: x\n', 'again.backup.yaml');
    await eventually('a diagnostic of the key', () => vscode.languages.getDiagnostics(document.uri).length > 0);
    await vscode.workspace.fs.delete(document.uri);
  });

  it('are checked again after the server was started anew', async () => {
    await vscode.commands.executeCommand('tidemark.policyLanguage.restart');
    assert.deepEqual(errors, []);
    const document = await open(text.replace('name:', 'nam:'), 'broken.backup.yaml');
    await asked(
      'a diagnostic of the key',
      async () => Promise.resolve(vscode.languages.getDiagnostics(document.uri)),
      (found) => found.length > 0,
    );
    await vscode.workspace.fs.delete(document.uri);
  });
});
