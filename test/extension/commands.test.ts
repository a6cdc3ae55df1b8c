import assert from 'node:assert/strict';
import { after, before, describe, it, mock } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as vscode from 'vscode';

import { publicCommands } from '../../client/contributions.ts';
import { activated, simulator } from './support.ts';

/** A test window shows no modal dialog; the end-to-end tests answer those. */
const refusedDialog = /refused to show dialog in tests/;

interface Report {
  readonly command: string;
  readonly error: unknown;
}

/** Runs a command as the palette does, and gives up every question it asks, until it has ended. */
async function runAndGiveUp(command: string): Promise<void> {
  const run = Promise.resolve(vscode.commands.executeCommand(command)).then(() => 'ended');
  const deadline = Date.now() + 30_000;
  while ((await Promise.race([run, sleep(100)])) !== 'ended') {
    assert.ok(Date.now() < deadline, `${command} did not end after its questions were given up`);
    await vscode.commands.executeCommand('workbench.action.closeQuickOpen');
  }
}

describe('every command', () => {
  const reports: Report[] = [];
  before(async () => {
    await simulator();
    const { app } = await activated();
    mock.method(app.errors, 'report', (command: string, error: unknown) => reports.push({ command, error }));
  });
  after(() => mock.restoreAll());

  it('is registered', async () => {
    const registered = new Set(await vscode.commands.getCommands(true));
    assert.deepEqual(
      Object.keys(publicCommands).filter((id) => !registered.has(id)),
      [],
    );
  });

  for (const command of Object.keys(publicCommands))
    it(`${command} answers without an argument, and ends when its questions are given up`, async () => {
      reports.length = 0;
      await runAndGiveUp(command);
      const unexpected = reports.filter(
        ({ error }) =>
          !(error instanceof vscode.CancellationError) &&
          !refusedDialog.test(String(error)) &&
          // Two bundles, two classes; and the bundler renames them.
          !(error instanceof Error && error.name === 'TidemarkError'),
      );
      assert.deepEqual(unexpected, []);
    });

  it('takes an argument that makes no sense for none', async () => {
    reports.length = 0;
    await vscode.commands.executeCommand('tidemark.hosts.clearFilter', { nonsense: true });
    assert.deepEqual(reports, []);
  });
});
