/**
 * A host with the agent for Hyper-V, by clicks and keys: added over https with its fingerprint in sight, backed up in full and by changes, restored as a new VM; then
 * its agent dies in the middle of a backup. Below the agent are a real PowerShell and a fake of Hyper-V.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';

import { skipWithoutDotnet } from '../support/hyperv/pwsh.ts';
import { commandTitle, containerTitle, paletteTitle, viewName } from '../support/vscode/labels.ts';
import { startSession } from '../support/vscode/session.ts';
import type { Session } from '../support/vscode/session.ts';
import { story } from '../support/vscode/steps.ts';
import { until } from '../support/vscode/until.ts';
import { HyperVHost } from './support/hyperv-host.ts';
import { cli } from './support/lab-host.ts';
import { percentOf, runText } from './support/runs.ts';
import { addHost } from './support/wizards.ts';

const hosts = viewName('tidemark.hosts');
const backUp = commandTitle('tidemark.vm.backUp');
const mib = 1 << 20;

let missing: string | undefined;
skipWithoutDotnet({ skip: (message) => (missing = message) });

describe('a host with the agent for Hyper-V', { skip: missing ?? false }, () => {
  let session: Session;
  let host: HyperVHost;
  before(async () => {
    session = await startSession();
    const vms = { sql01: '256MiB', web01: '8MiB' };
    host = await HyperVHost.start({ directory: join(session.directory, 'lab'), name: 'hv01', vms });
  });
  after(async () => {
    await session[Symbol.asyncDispose]();
    await host[Symbol.asyncDispose]();
  });

  const step = story(() => session);
  const inTheEnd = async (text: RegExp): Promise<string> =>
    (await until(
      () => runText(session.window.sideBar, 'sql01'),
      (line) => line !== undefined && text.test(line),
      60_000,
    )) ?? '';

  step('is added, and the message has the fingerprint that its set-up printed', async (window) => {
    await window.sideBar.open(containerTitle);
    await addHost(window, host);
    await window.messages.toast(`Host ${host.name} is added`).waitFor();
    assert.ok((await window.messages.toasts()).join('\n').includes(host.fingerprint));
  });

  step('shows its VMs, and the fingerprint again in its tooltip', async ({ sideBar }) => {
    await sideBar.expand(hosts, host.name);
    for (const vm of ['sql01', 'web01']) await sideBar.row(hosts, vm);
    const tooltip = await sideBar.tooltip(await sideBar.row(hosts, host.name));
    assert.ok(tooltip.includes('Hyper-V') && tooltip.includes(host.fingerprint), tooltip);
  });

  step('is backed up, and the bar moves', async ({ sideBar }) => {
    const passwordFile = join(session.directory, 'lab', `${host.name}.password`);
    const repository = join(session.directory, 'repository');
    await cli('repo', 'init', 'main', repository, '--password-file', passwordFile, '--data', session.daemonData);
    host.path.bytesPerSecond = 8 * mib;
    await sideBar.inlineAction(hosts, 'sql01', backUp);
    const seen = new Set<number>();
    await until(
      async () => {
        const percent = percentOf(await runText(sideBar, 'sql01'));
        if (percent !== undefined) seen.add(percent);
        return seen.size;
      },
      (size) => size >= 3,
      60_000,
    );
    host.path.bytesPerSecond = Infinity;
    assert.match(await inTheEnd(/stored/), /full .*application-consistent/);
  });

  step('is backed up by changes after its guest has written', async ({ sideBar }) => {
    await cli('sim', 'load', host.root, 'sql01', 'os', '--percent', '1', '--seed', '8');
    await sideBar.inlineAction(hosts, 'sql01', backUp);
    await inTheEnd(/incremental .*stored/);
  });

  step('gets a VM back beside the original', async (window) => {
    const { quickInput, messages, sideBar } = window;
    await window.command(paletteTitle('tidemark.restorePoint.restoreVm'));
    await quickInput.asksIn('Which VM was backed up');
    await quickInput.pick('sql01');
    await quickInput.asksIn('From when');
    await quickInput.pickFirst();
    await quickInput.asksIn('Host to restore sql01 on');
    await quickInput.pick(host.name);
    await quickInput.prompts(/name of the restored vm/i);
    await quickInput.type('sql01');
    await quickInput.complains(/has a VM named sql01/);
    await quickInput.type('sql01-copy');
    await quickInput.pick('Not connected');
    assert.match((await messages.dialog()).message, /sql01-copy/);
    await messages.answerDialog('Restore');
    await until(
      () => sideBar.rows(hosts),
      (rows) => rows.some((row) => row.includes('sql01-copy') && row.includes('off')),
      60_000,
    );
  });

  step('whose agent dies in a backup: the run says so, and the host that it does not answer', async ({ sideBar }) => {
    await cli('sim', 'load', host.root, 'sql01', 'os', '--percent', '20', '--seed', '9');
    host.path.bytesPerSecond = mib;
    await sideBar.inlineAction(hosts, 'sql01', backUp);
    await until(
      async () => percentOf(await runText(sideBar, /^ +\S*sql01 /)),
      (percent) => percent !== undefined,
      60_000,
    );
    await host.killAgent();
    await inTheEnd(/connection to the agent|cannot be reached|failed/);
    await until(
      () => sideBar.rows(hosts),
      (rows) => rows.some((row) => row.startsWith(host.name) && row.includes('unreachable')),
      60_000,
    );
  });
});
