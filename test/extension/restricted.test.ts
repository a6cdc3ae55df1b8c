import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as vscode from 'vscode';

import { publicCommands } from '../../client/contributions.ts';
import { activated, extension, simulator } from './support.ts';

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
