/** Hosts that do not answer: each says so by itself, what was known of it stays, and no other host waits for it. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';

import { commandTitle, containerTitle, viewName } from '../support/vscode/labels.ts';
import { startSession } from '../support/vscode/session.ts';
import type { Session } from '../support/vscode/session.ts';
import { story } from '../support/vscode/steps.ts';
import { until } from '../support/vscode/until.ts';
import { cli, LabHost } from './support/lab-host.ts';

const hosts = viewName('tidemark.hosts');
const refreshHost = commandTitle('tidemark.host.refresh');

describe('hosts that do not answer', () => {
  let session: Session;
  let alive: LabHost;
  let refusing: LabHost;
  let silent: LabHost;

  before(async () => {
    session = await startSession({ machineSettings: { 'tidemark.inventory.hostTimeoutSeconds': 5 } });
    const start = async (name: string): Promise<LabHost> => {
      const directory = join(session.directory, 'labs');
      const host = await LabHost.start({ directory, name, vms: { [`vm-${name}`]: '8MiB' } });
      await cli('host', 'add', name, host.url, '--password-file', host.passwordFile, '--data', session.daemonData);
      return host;
    };
    alive = await start('alive');
    refusing = await start('refusing');
    silent = await start('silent');
  });
  after(async () => {
    await session[Symbol.asyncDispose]();
    for (const host of [alive, refusing, silent]) await host[Symbol.asyncDispose]();
  });

  const step = story(() => session);

  step('are listed with their VMs while they do', async ({ sideBar }) => {
    await sideBar.open(containerTitle);
    for (const { name } of [alive, refusing, silent]) {
      await sideBar.expand(hosts, name);
      await sideBar.row(hosts, `vm-${name}`);
    }
  });

  step('say so after a refresh, and keep the VMs that were known', async ({ sideBar }) => {
    await refusing.path[Symbol.asyncDispose]();
    silent.path.bytesPerSecond = 0;
    for (const { name } of [refusing, silent]) await sideBar.inlineAction(hosts, name, refreshHost);
    for (const { name } of [refusing, silent]) {
      await until(
        () => sideBar.rows(hosts),
        (rows) => rows.some((row) => row.startsWith(name) && /unreachable|did not answer/.test(row)),
        60_000,
      );
      await sideBar.row(hosts, `vm-${name}`);
    }
  });

  step('say in their tooltip why', async ({ sideBar }) => {
    const tooltip = await sideBar.tooltip(await sideBar.row(hosts, refusing.name));
    assert.match(tooltip, /unreachable/);
    assert.ok(tooltip.includes(new URL(refusing.url).host), tooltip);
  });

  step('keep no other host waiting: it is read again while the silent one is asked', async ({ sideBar }) => {
    await sideBar.inlineAction(hosts, silent.name, refreshHost);
    await cli('sim', 'create-vm', alive.root, 'newcomer', '--disk', 'os=8MiB');
    await sideBar.inlineAction(hosts, alive.name, refreshHost);
    await sideBar.row(hosts, 'newcomer');
  });

  step('are themselves again when they answer', async ({ sideBar }) => {
    silent.path.bytesPerSecond = Infinity;
    await sideBar.inlineAction(hosts, silent.name, refreshHost);
    await until(
      () => sideBar.rows(hosts),
      (rows) => rows.some((row) => row.startsWith(silent.name) && !/unreachable|did not answer|cached/.test(row)),
      60_000,
    );
  });

  step('interrupt nobody with a message', async ({ messages, problems }) => {
    assert.deepEqual(await messages.toasts(), []);
    assert.deepEqual(problems, []);
  });
});
