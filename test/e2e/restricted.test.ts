/** A workspace that is not trusted: what the daemon has is there, what the folder says counts for nothing. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';

import { commandTitle, containerTitle, paletteTitle, viewName } from '../support/vscode/labels.ts';
import { startSession } from '../support/vscode/session.ts';
import type { Session } from '../support/vscode/session.ts';
import { story } from '../support/vscode/steps.ts';
import { until } from '../support/vscode/until.ts';

const hosts = viewName('tidemark.hosts');
const policies = viewName('tidemark.policies');
const applyPolicy = commandTitle('tidemark.policy.apply');
const restrictedMode = 'Restricted Mode';

/** A folder from somewhere: with a policy, and with settings that would run a program of its choice. */
function prepare(workspace: string): void {
  mkdirSync(join(workspace, '.vscode'));
  const evil = {
    'tidemark.daemon.nodePath': join(workspace, 'evil.sh'),
    'tidemark.daemon.address': 'https://evil.example',
  };
  writeFileSync(join(workspace, '.vscode/settings.json'), JSON.stringify(evil));
  writeFileSync(join(workspace, 'evil.sh'), '#!/bin/sh\ntouch "$(dirname "$0")/was-run"\n', { mode: 0o755 });
  // One with errors, and one that could be applied.
  writeFileSync(join(workspace, 'nightly.backup.yaml'), 'name: nightly\n');
  const select = '  - host: hv01\n    vms: ["*"]\n';
  writeFileSync(join(workspace, 'whole.backup.yaml'), `name: whole\nrepository: main\nselect:\n${select}`);
}

describe('in a workspace that is not trusted', () => {
  let session: Session;
  before(async () => {
    session = await startSession({ trust: true, prepare });
  });
  after(async () => session[Symbol.asyncDispose]());

  const step = story(() => session);

  step('the views work, with the daemon that the user has', async (window) => {
    await window.statusItem(restrictedMode).waitFor();
    await window.sideBar.open(containerTitle);
    const welcome = await window.sideBar.welcome(hosts);
    await welcome.getByText('No Hyper-V hosts yet').waitFor();
    await until(
      () => session.server.daemons().length,
      (daemons) => daemons === 1,
    );
    const [daemon] = session.server.daemons();
    assert.ok(daemon?.command.includes(session.daemonData), daemon?.command);
  });

  step('policies are shown and checked, with the reason why they are not applied', async (window) => {
    const { sideBar, quickInput, editor } = window;
    await sideBar.row(policies, 'nightly');
    const pane = await sideBar.view(policies);
    await pane.getByText('not trusted').first().waitFor();
    const whole = await sideBar.row(policies, 'whole');
    await whole.hover();
    assert.equal(await whole.locator(`.action-label[aria-label^="${applyPolicy}"]`).count(), 0);
    for (const command of ['tidemark.policy.apply', 'tidemark.policy.backUp'])
      assert.ok(!(await quickInput.offers(paletteTitle(command))), command);
    await (await sideBar.row(policies, 'nightly')).click();
    await editor.squiggles('error').first().waitFor();
    await editor.lens('Not applied').waitFor();
    assert.equal(await editor.lens(/Apply|Run now/).count(), 0, 'no lens offers to do anything');
  });

  step('trust makes the policies usable, and the folder still cannot name a program', async (window) => {
    await window.command('Workspaces: Manage Workspace Trust');
    await window.page.locator('.workspace-trust-editor .monaco-button', { hasText: /^Trust$/ }).click();
    await window.statusItem(restrictedMode).waitFor({ state: 'hidden' });
    const row = await window.sideBar.row(policies, 'whole');
    await row.hover();
    await row.locator(`.action-label[aria-label^="${applyPolicy}"]`).waitFor();
    assert.equal(session.server.daemons().length, 1);
  });

  step('nothing was an error of the workbench', async ({ problems }) => {
    await Promise.resolve();
    assert.deepEqual(problems, []);
  });
});
