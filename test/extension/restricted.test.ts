import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import * as vscode from 'vscode';

import { publicCommands } from '../../client/contributions.ts';
import { activated, eventually, extension, simulator } from './support.ts';

describe('in a workspace that is not trusted', () => {
  it('the extension is active, and the window knows that it is restricted', async () => {
    assert.equal(vscode.workspace.isTrusted, false);
    await activated();
    assert.ok(extension().isActive);
  });

  it('every command is registered', async () => {
    const registered = new Set(await vscode.commands.getCommands(true));
    for (const id of Object.keys(publicCommands)) assert.ok(registered.has(id), id);
  });

  it('hosts, VMs and runs are there: they belong to the daemon and not to the folder', async () => {
    assert.ok((await simulator()).length > 0);
  });

  it('a policy of the folder is checked, and neither applied nor run', async () => {
    const { app } = await activated();
    const errors: unknown[] = [];
    const report = mock.method(app.errors, 'report', (_: string, error: unknown) => errors.push(error));
    const [folder] = vscode.workspace.workspaceFolders ?? [];
    assert.ok(folder);
    const uri = vscode.Uri.joinPath(folder.uri, 'foreign.backup.yaml');
    await vscode.workspace.fs.writeFile(uri, Buffer.from('name: foreign\nrepositry: demo\n'));
    await vscode.workspace.openTextDocument(uri);
    await eventually('what is wrong in the file', () => vscode.languages.getDiagnostics(uri).length > 0);
    for (const command of ['tidemark.policy.apply', 'tidemark.policy.backUp', 'tidemark.policy.backUpFull'])
      await vscode.commands.executeCommand(command, { policyUri: uri.toString() });
    assert.deepEqual(
      errors.map((error) => String(error)),
      Array.from({ length: 3 }, () => String(errors[0])),
    );
    assert.match(String(errors[0]), /not trusted/);
    await app.stores.policies.load({ force: true });
    assert.deepEqual(app.stores.policies.policies.value, []);
    report.mock.restore();
  });

  it('the folder cannot say which program or which daemon to use', async () => {
    const { app } = await activated();
    await vscode.workspace.fs.createDirectory(settingsFolder());
    await vscode.workspace.fs.writeFile(
      vscode.Uri.joinPath(settingsFolder(), 'settings.json'),
      Buffer.from(
        JSON.stringify({ 'tidemark.daemon.nodePath': '/bin/false', 'tidemark.restore.connectNetwork': true }),
      ),
    );
    await app.daemon.restart(true);
    assert.equal(app.daemon.state.kind, 'connected');
    assert.notEqual(vscode.workspace.getConfiguration().get('tidemark.daemon.nodePath'), '/bin/false');
  });
});

function settingsFolder(): vscode.Uri {
  const [folder] = vscode.workspace.workspaceFolders ?? [];
  assert.ok(folder);
  return vscode.Uri.joinPath(folder.uri, '.vscode');
}
