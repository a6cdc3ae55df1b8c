/**
 * The pictures of the documentation, in this order: each begins in the window where the one before left it. `npm run screenshots` takes
 * every scene in three themes into docs/images.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { commandTitle, containerTitle, paletteTitle, viewName, walkthroughTitle } from '../support/vscode/labels.ts';
import { until } from '../support/vscode/until.ts';
import type { PictureOptions, WorkbenchWindow } from '../support/vscode/window.ts';
import type { HyperVHost } from './support/hyperv-host.ts';
import type { LabHost } from './support/lab-host.ts';
import { percentOf, runText } from './support/runs.ts';
import { addHost } from './support/wizards.ts';

const hosts = viewName('tidemark.hosts');
const runs = viewName('tidemark.runs');
const repositories = viewName('tidemark.repositories');
const policies = viewName('tidemark.policies');
const title = commandTitle;
const mib = 1 << 20;

/** What a scene is made with. */
export interface Stage {
  readonly window: WorkbenchWindow;
  /** A host with the VMs `sql01` and `web01`, behind a network that can be slowed down. */
  readonly lab: LabHost;
}

/** What a scene of a host with the agent for Hyper-V is made with. */
export interface HyperVStage {
  readonly window: WorkbenchWindow;
  /** A host with the VMs `dc01`, `sql01` and `web01`. */
  readonly host: HyperVHost;
}

export interface Scene<S = Stage> {
  /** The picture is `<name>-<theme>.png`. */
  readonly name: string;
  readonly set: (stage: S) => Promise<void>;
  /** The upper left part that the picture shows; the whole window without it. */
  readonly size?: PictureOptions['size'];
  /** What is shown is under the pointer: it is set again in each theme. */
  readonly pointer?: boolean;
}

/** Width of the side bar. */
const sideBarWidth = 560;
const sideBarOnly = (height: number): PictureOptions['size'] => ({ width: sideBarWidth + 60, height });

const policyTexts = {
  'nightly-sql': `name: nightly-sql
description: SQL servers, every night
repository: demo
select:
  - host: hv02
    vms: [sql*]
consistency: application-or-crash
schedule:
  - cron: "0 2 * * MON-SAT"
    timezone: Europe/Warsaw
    type: incremental
  - cron: "0 2 * * SUN"
    timezone: Europe/Warsaw
    type: full
window: { from: "22:00", to: "06:00" }
retention: { keepLast: 3, keepDaily: 14, keepWeekly: 8, keepMonthly: 12, keepYearly: 3 }
verify: after-backup
`,
  'web-hourly': `name: web-hourly
description: Web servers, every hour
repository: demo
select:
  - host: hv02
    vms: [web01, wbe02]
schedule:
  - cron: "0 2 31 2 *"
    timezone: Europe/Warsaw
retention: { keepLast: 0 }
notify: { on: [failure], webhok: https://ops.example/hook }
`,
  'weekly-archive': `name: weekly-archive
repository: demo
select:
  - host: hv02
    vms: ["*"]
schedule:
  - cron: "0 3 * * SUN"
    timezone: Europe/Warsaw
    type: full
retention: { keepWeekly: 52 }
`,
} as const;

/** Puts the files into the workspace that the pictures show. */
export function prepareWorkspace(workspace: string): void {
  mkdirSync(join(workspace, 'policies'));
  for (const [name, text] of Object.entries(policyTexts))
    writeFileSync(join(workspace, `policies/${name}.backup.yaml`), text);
}

export const scenes: readonly Scene[] = [
  {
    name: 'welcome',
    size: sideBarOnly(900),
    set: async ({ window: { sideBar } }) => {
      await sideBar.open(containerTitle);
      await sideBar.resize(sideBarWidth);
      await (await sideBar.welcome(hosts)).getByText('No Hyper-V hosts yet').waitFor();
    },
  },
  {
    name: 'walkthrough',
    set: async ({ window }) => {
      // Beside the side bar there is no room for the walkthrough's own pictures.
      await window.command('View: Close Primary Side Bar');
      await window.openWalkthrough(walkthroughTitle());
    },
  },
  {
    name: 'hosts',
    size: sideBarOnly(400),
    set: async ({ window, lab }) => {
      const { sideBar, messages } = window;
      await window.command('View: Close All Editors');
      await sideBar.open(containerTitle);
      await window.command(paletteTitle('tidemark.simulator.try'));
      await messages.toast('simulated host').waitFor();
      await sideBar.expand(hosts, 'simulated');
      await backUp(window, 'shop');
      await window.command(paletteTitle('tidemark.simulator.write'));
      await messages.toast('shop:').waitFor();
      await backUp(window, 'shop');
      await addHost(window, lab);
      await sideBar.expand(hosts, lab.name);
      await backUp(window, 'web01');
      await sideBar.collapse(hosts, lab.name);
      await sideBar.expand(hosts, 'shop');
      await sideBar.row(hosts, pointLabel);
      await only(window, hosts);
    },
  },
  {
    name: 'tooltip',
    size: { width: 1000, height: 620 },
    pointer: true,
    set: async ({ window: { sideBar } }) => {
      await sideBar.tooltip(await sideBar.row(hosts, 'shop'));
    },
  },
  {
    name: 'runs',
    size: sideBarOnly(400),
    set: async ({ window, lab }) => {
      await window.sideBar.expand(hosts, lab.name);
      // A link that is now better and now worse, for the chart; at last so slow that the run is there for all pictures, compressed or not.
      for (const [index, rate] of [8, 11, 6, 3].entries()) {
        lab.path.bytesPerSecond = rate * mib;
        if (index === 0) await window.sideBar.inlineAction(hosts, 'sql01', title('tidemark.vm.backUp'));
        await reaches(window, 'sql01', 6 + index * 5);
      }
      await only(window, runs);
    },
  },
  {
    name: 'run-page',
    set: async ({ window }) => {
      await window.sideBar.inlineAction(runs, /sql01/, title('tidemark.run.show'));
      const page = await window.webview();
      await page.getByRole('progressbar').first().waitFor();
    },
  },
  {
    name: 'repositories',
    size: sideBarOnly(400),
    set: async ({ window, lab }) => {
      lab.path.bytesPerSecond = Infinity;
      await until(
        () => runText(window.sideBar, 'sql01'),
        (text) => text?.includes('stored') === true,
        60_000,
      );
      await window.command('View: Close All Editors');
      await window.sideBar.expand(repositories, 'demo');
      await window.sideBar.expand(repositories, 'shop');
      await only(window, repositories);
    },
  },
  {
    name: 'policy-editor',
    size: { width: 1400, height: 520 },
    set: async ({ window }) => {
      await only(window, policies);
      await (await window.sideBar.row(policies, 'web-hourly')).click();
      await window.editor.squiggles('error').first().waitFor();
      await window.editor.lens(/VM/).waitFor();
    },
  },
  {
    name: 'policy-plan',
    size: { width: 1400, height: 760 },
    set: async ({ window }) => {
      await window.command('View: Close All Editors');
      await (await window.sideBar.row(policies, 'nightly-sql')).click();
      const page = window.page.locator('.tab', { hasText: 'Plan of nightly-sql' });
      await window.editor.clickLens('Plan', page);
      await (await window.webview()).getByRole('cell', { name: 'sql01' }).first().waitFor();
    },
  },
  {
    name: 'policies',
    size: sideBarOnly(400),
    set: async ({ window }) => {
      const { sideBar, messages, editor } = window;
      for (const name of ['nightly-sql', 'weekly-archive']) {
        await sideBar.inlineAction(policies, name, title('tidemark.policy.apply'));
        await messages.answerDialog('Apply');
        await messages.toast(`${name} is applied`).waitFor();
      }
      await sideBar.inlineAction(policies, 'nightly-sql', title('tidemark.policy.backUp'));
      const row = async (): Promise<string> =>
        (await sideBar.rows(policies)).find((one) => one.startsWith('nightly-sql')) ?? '';
      await until(row, (text) => text.includes('last run succeeded'), 60_000);
      await (await sideBar.row(policies, 'weekly-archive')).click();
      await editor.shows('keepWeekly: 52');
      await editor.select('keepWeekly: 52');
      await editor.type('keepWeekly: 26');
      await editor.save();
      await window.command('View: Close All Editors');
      await sideBar.expand(policies, 'nightly-sql');
      await sideBar.expand(policies, 'VMs');
      await sideBar.expand(policies, 'History');
      await only(window, policies);
    },
  },
  {
    name: 'error',
    set: async ({ window, lab }) => {
      await lab.path[Symbol.asyncDispose]();
      await only(window, hosts);
      await window.sideBar.contextMenu(hosts, lab.name, title('tidemark.host.test'));
      await window.messages.toast('cannot be reached').waitFor();
      await window.messages.toast('Connecting to').waitFor({ state: 'detached' });
      await window.sideBar.expand(hosts, lab.name);
    },
  },
];

/** The pictures of a Hyper-V host, in a window of their own. */
export const hypervScenes: readonly Scene<HyperVStage>[] = [
  {
    name: 'hyperv-added',
    set: async ({ window, host }) => {
      await window.sideBar.open(containerTitle);
      await window.sideBar.resize(sideBarWidth);
      await addHost(window, host);
      await window.sideBar.expand(hosts, host.name);
      await window.sideBar.row(hosts, 'sql01');
      await window.messages.toast(`Host ${host.name} is added`).waitFor();
    },
  },
  {
    name: 'hyperv-run',
    set: async ({ window, host }) => {
      await window.command('Notifications: Clear All Notifications');
      await backUp(window, 'dc01');
      for (const [index, rate] of [8, 11, 6, 3].entries()) {
        host.path.bytesPerSecond = rate * mib;
        if (index === 0) await window.sideBar.inlineAction(hosts, 'sql01', title('tidemark.vm.backUp'));
        await reaches(window, 'sql01', 6 + index * 5);
      }
      await window.sideBar.inlineAction(runs, /sql01/, title('tidemark.run.show'));
      const page = await window.webview();
      await page.getByRole('progressbar').first().waitFor();
    },
  },
];

/** Restore points are called by the time at which they were made. */
const pointLabel = /^\d{4}-\d\d-\d\d/;

/** Leaves one view of the side bar open, and nothing over it. */
async function only(window: WorkbenchWindow, view: string): Promise<void> {
  await window.command('Notifications: Clear All Notifications');
  for (const other of [hosts, runs, repositories, policies]) if (other !== view) await window.sideBar.close(other);
  await window.sideBar.view(view);
}

/** Backs a VM up by the icon beside it and waits for the end. */
async function backUp({ sideBar }: WorkbenchWindow, vm: string): Promise<void> {
  const ended = async (): Promise<number> =>
    (await sideBar.rows(runs)).filter((row) => row.includes(vm) && row.includes('stored')).length;
  const before = await ended();
  await sideBar.inlineAction(hosts, vm, title('tidemark.vm.backUp'));
  await until(ended, (count) => count > before, 60_000);
}

/** Waits until the run of a VM is so far. */
async function reaches({ sideBar }: WorkbenchWindow, vm: string, percent: number): Promise<void> {
  await until(
    async () => percentOf(await runText(sideBar, vm)) ?? 0,
    (reached) => reached >= percent,
    60_000,
  );
}
