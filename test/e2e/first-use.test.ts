/**
 * The way of a new user, by clicks and keys only: the first view, the simulated host, a backup, a host of one's own, a backup that is
 * watched in two windows and after a reload, one that is cancelled, a disk restored and compared with the guest's, a restore point deleted.
 * Each step begins where the one before left the window.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';

import { sameBytes } from '../integration/acceptance/support/files.ts';
import { commandTitle, containerTitle, paletteTitle, viewName } from '../support/vscode/labels.ts';
import { startSession } from '../support/vscode/session.ts';
import type { Session } from '../support/vscode/session.ts';
import { story } from '../support/vscode/steps.ts';
import { until } from '../support/vscode/until.ts';
import { LabHost } from './support/lab-host.ts';
import { percentOf, runText } from './support/runs.ts';
import { addHost, restoreDisk } from './support/wizards.ts';

const hosts = viewName('tidemark.hosts');
const runs = viewName('tidemark.runs');
const repositories = viewName('tidemark.repositories');
const policies = viewName('tidemark.policies');
const backUp = 'tidemark.vm.backUp';
const title = commandTitle;
/** Restore points are called by the time at which they were made. */
const pointLabel = /^ *\d{4}-\d\d-\d\d \d\d:\d\d/;
const mib = 1 << 20;

describe('a new user', () => {
  let session: Session;
  let lab: LabHost;
  before(async () => {
    session = await startSession();
    const vms = { sql01: '256MiB', web01: '256MiB' };
    lab = await LabHost.start({ directory: join(session.directory, 'lab'), name: 'hv02', vms });
  });
  after(async () => {
    await session[Symbol.asyncDispose]();
    await lab[Symbol.asyncDispose]();
  });

  const step = story(() => session);

  step('reads in every empty view why it is empty, with a button for what to do', async ({ sideBar }) => {
    await sideBar.open(containerTitle);
    for (const [view, text, button] of [
      [hosts, 'No Hyper-V hosts yet', 'Add Host'],
      [runs, 'Nothing has run yet', 'Back Up a VM'],
      [repositories, 'No repository yet', 'Create Repository'],
      [policies, 'No policy yet', 'New Policy'],
    ] as const) {
      const welcome = await sideBar.welcome(view);
      await welcome.getByText(text).waitFor();
      await welcome.getByRole('button', { name: button }).waitFor();
    }
  });

  step('has hosts, VMs and a repository after one click', async ({ sideBar }) => {
    const welcome = await sideBar.welcome(hosts);
    await welcome.getByRole('button', { name: title('tidemark.simulator.try') }).click();
    await sideBar.expand(hosts, 'simulated');
    await sideBar.row(hosts, 'shop');
    await sideBar.row(repositories, 'demo');
  });

  step('backs a VM up by the icon beside it', async ({ sideBar, messages }) => {
    await sideBar.inlineAction(hosts, 'shop', title(backUp));
    await messages.toast(/shop.*(succeeded|backed up|done)/i).waitFor();
    await until(
      () => runText(sideBar, 'shop'),
      (text) => text?.includes('full') === true && text.includes('stored'),
    );
    await until(
      () => sideBar.rows(hosts),
      (rows) => rows.some((row) => row.includes('shop') && !row.includes('never')),
    );
  });

  step('adds a host, told while typing what does not fit', async (window) => {
    await addHost(window, lab);
    await window.sideBar.expand(hosts, lab.name);
    await window.sideBar.row(hosts, 'sql01');
  });

  step('starts a backup from the palette and sees the bar move', async (window) => {
    const { sideBar, quickInput } = window;
    lab.path.bytesPerSecond = 2 * mib;
    await window.command(paletteTitle(backUp));
    // There is one repository only: nobody is asked for it.
    await quickInput.pickMany(['sql01']);
    const seen = new Set<number>();
    await until(
      async () => {
        const percent = percentOf(await runText(sideBar, 'sql01'));
        if (percent !== undefined) seen.add(percent);
        return [...seen];
      },
      ({ length }) => length >= 4,
      60_000,
    );
    const order = [...seen];
    assert.deepEqual(
      order,
      order.toSorted((a, b) => a - b),
      'the bar never goes back',
    );
    await window
      .statusItem(/1 run|sql01|%/)
      .first()
      .waitFor();
  });

  step('finds the running backup in a second window', async () => {
    const second = await session.openSecondWindow();
    await second.sideBar.open(containerTitle);
    const read = async (): Promise<number | undefined> => percentOf(await runText(second.sideBar, 'sql01'));
    const first = await until(read, (percent) => percent !== undefined, 60_000);
    await until(read, (percent) => percent !== undefined && percent > (first ?? 0), 60_000);
    await second.close();
  });

  step('finds it again after the window was loaded anew, and it ends well', async (window) => {
    await window.reload();
    await window.sideBar.open(containerTitle);
    await until(
      async () => percentOf(await runText(window.sideBar, 'sql01')),
      (percent) => percent !== undefined,
      60_000,
    );
    lab.path.bytesPerSecond = Infinity;
    await until(
      () => runText(window.sideBar, 'sql01'),
      (text) => text?.includes('stored') === true,
      60_000,
    );
  });

  step('cancels another run by the icon beside it', async ({ sideBar }) => {
    lab.path.bytesPerSecond = mib / 2;
    await sideBar.expand(hosts, lab.name);
    await sideBar.inlineAction(hosts, 'web01', title(backUp));
    await until(
      async () => percentOf(await runText(sideBar, 'web01')),
      (percent) => percent !== undefined,
      60_000,
    );
    await sideBar.inlineAction(runs, /web01/, title('tidemark.run.cancel'));
    await until(
      () => runText(sideBar, 'web01'),
      (text) => text?.includes('cancelled') === true,
      60_000,
    );
    lab.path.bytesPerSecond = Infinity;
  });

  step('restores a disk to a file that has the bytes of the guest', async (window) => {
    const target = join(session.directory, 'restored.raw');
    await restoreDisk(window, { vm: 'sql01', target });
    await until(
      () => runText(window.sideBar, /restored\.raw|sql01.*os|os.*sql01/),
      (text) => text?.includes('written to') === true,
      60_000,
    );
    assert.ok(await sameBytes(target, await lab.guestDisk('sql01', join(session.directory, 'guest.raw'))));
  });

  step('deletes a restore point only after a question that names it', async ({ sideBar, messages }) => {
    await sideBar.expand(hosts, 'sql01');
    const ask = async (): Promise<void> =>
      sideBar.contextMenu(hosts, pointLabel, title('tidemark.restorePoint.delete'));
    await sideBar.row(hosts, pointLabel);
    await ask();
    const question = await messages.dialog();
    assert.match(`${question.message} ${question.detail}`, /sql01/);
    await messages.answerDialog('Cancel');
    await sideBar.row(hosts, pointLabel);
    await ask();
    await messages.answerDialog('Delete');
    await until(
      () => sideBar.rows(hosts),
      (rows) => !rows.some((row) => pointLabel.test(row)),
      60_000,
    );
  });

  step('was told of no error of the workbench', async ({ problems }) => {
    await Promise.resolve();
    assert.deepEqual(problems, []);
  });
});
