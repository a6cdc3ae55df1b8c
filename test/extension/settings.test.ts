import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import * as vscode from 'vscode';

import { settings } from '../../client/contributions.ts';
import { getDaemonStatus } from '../../server/protocol/daemon.ts';
import { activated, eventually, simulator } from './support.ts';

const configuration = (): vscode.WorkspaceConfiguration => vscode.workspace.getConfiguration('tidemark');
const set = async (name: string, value: unknown): Promise<void> =>
  configuration().update(name, value, vscode.ConfigurationTarget.Global);

describe('the settings', () => {
  after(async () => {
    await set('daemon.autoStart', undefined);
    await set('inventory.overdueAfterHours', undefined);
  });

  it('are known to VS Code with the defaults of the code', () => {
    for (const [id, { fallback }] of Object.entries(settings)) {
      const inspected = vscode.workspace.getConfiguration().inspect(id);
      assert.deepEqual(inspected?.defaultValue, fallback, id);
    }
  });

  it('place the daemon in the folder that they name', async () => {
    await simulator();
    const { app } = await activated();
    const { dataDirectory } = await app.daemon.request(getDaemonStatus, {});
    assert.equal(dataDirectory, vscode.workspace.getConfiguration().get('tidemark.daemon.dataDirectory'));
  });

  it('keep the extension from starting a daemon when they say so', async () => {
    const { app } = await activated();
    await app.daemon.stop(true);
    await set('daemon.autoStart', false);
    await eventually('the setting', () => configuration().get('daemon.autoStart') === false);
    await assert.rejects(app.daemon.client(), { code: 'TM5001' });
    await set('daemon.autoStart', true);
    await app.daemon.start();
    assert.equal(app.daemon.state.kind, 'connected');
  });

  it('that make no sense count as not set', async () => {
    await set('inventory.overdueAfterHours', -5);
    await eventually('the setting', () => configuration().get('inventory.overdueAfterHours') === -5);
    await vscode.commands.executeCommand('tidemark.hosts.refresh');
    const { app } = await activated();
    assert.equal(app.daemon.state.kind, 'connected');
  });
});
