/** The simulated host: everything on this machine, without any Hyper-V. */
import * as vscode from 'vscode';

import * as daemon from '../../server/protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../server/protocol/errors.ts';
import type { App } from '../app.ts';
import { runCommand } from './registry.ts';
import type { CommandHandler } from './registry.ts';
import { withProgress } from '../ui/progress.ts';
import { vmsText } from '../views/tree/texts.ts';
import { distinctVms } from './flows/backup-options.ts';

/** Disks with a file system in them are made first, on a machine that may be busy, ms. */
const startTimeoutMs = 180_000;
/** Its agent may have to be ended, and large files to be removed, ms. */
const stopTimeoutMs = 120_000;

/** `tidemark.simulator.try`: host, VMs and repository in one go, then what to do with them. */
export function trySimulator(app: App): CommandHandler<'tidemark.simulator.try'> {
  return async () => {
    const { stores, notify } = app;
    const title = vscode.l10n.t('Making a simulated host with its VMs, agent and repository…');
    const made = await withProgress({ title, place: 'notification', cancellable: true }, async (signal) =>
      app.daemon.request(daemon.startSimulator, {}, { signal, timeoutMs: startTimeoutMs }),
    );
    stores.hosts.apply(made.host);
    await Promise.all([
      stores.repositories.load({ force: true }),
      stores.vms.load(made.host.name, { force: true }),
      vscode.commands.executeCommand('tidemark.hosts.focus'),
    ]);
    const [first] = made.vms;
    const target = first === undefined ? undefined : { host: made.host.name, vmId: first.id, vmName: first.name };
    const ready = made.created
      ? vscode.l10n.t('The simulated host is ready, with {0} and a repository.', vmsText(made.vms.length))
      : vscode.l10n.t('The simulated host was there already, with {0}.', vmsText(made.vms.length));
    const next =
      first === undefined
        ? ''
        : vscode.l10n.t('Next: back up {0}, let its guest write, and back up again.', first.name);
    const backUp = {
      title: vscode.l10n.t('Back Up {0}', first?.name ?? ''),
      run: async () => runCommand('tidemark.vm.backUp', target),
    };
    void notify.info(`${ready} ${next}`.trim(), { actions: target === undefined ? [] : [backUp] });
  };
}

/** `tidemark.simulator.write`: the guest of the chosen VMs writes; without one, the guest that has a file system. */
export function simulatorWrite(app: App): CommandHandler<'tidemark.simulator.write'> {
  return async (_, selection) => {
    const { host } = daemon.simulatorNames;
    const chosen = distinctVms(selection.filter((vm) => vm.host === host));
    const vms = chosen.length === 0 ? [undefined] : chosen.map(({ vmId }) => vmId);
    for (const vm of vms) {
      const title = vscode.l10n.t('The guest writes…');
      const written = await withProgress({ title, place: { viewId: 'tidemark.hosts' } }, async (signal) =>
        app.daemon.request(daemon.simulatorGuestWrite, { vm }, { signal }),
      );
      const target = { host, vmId: written.vm, vmName: written.vmName };
      const backUp = {
        title: vscode.l10n.t('Back Up {0}', written.vmName),
        run: async () => runCommand('tidemark.vm.backUp', target),
      };
      void app.notify.info(`${written.vmName}: ${written.text}`, { actions: [backUp] });
    }
  };
}

/** `tidemark.simulator.stop`: takes host, repository and everything in them away. */
export function stopSimulator(app: App): CommandHandler<'tidemark.simulator.stop'> {
  return async () => {
    const { host, repository } = daemon.simulatorNames;
    await app.notify.confirm({
      message: vscode.l10n.t('Remove the simulated host?'),
      detail: vscode.l10n.t(
        'Host {0}, repository {1}, their VMs and all their restore points are deleted. Nothing else is touched.',
        host,
        repository,
      ),
      confirm: vscode.l10n.t('Remove'),
    });
    try {
      await stop(app, false);
    } catch (error) {
      if (!TidemarkError.is(error, errorCodes.daemonBusy)) throw error;
      await app.notify.confirm({
        message: vscode.l10n.t('Runs are using the simulated host. Cancel them?'),
        detail: error.message,
        confirm: vscode.l10n.t('Cancel Runs and Remove'),
      });
      await stop(app, true);
    }
  };
}

async function stop({ daemon: link, stores }: App, cancelRuns: boolean): Promise<void> {
  const { host } = daemon.simulatorNames;
  const title = vscode.l10n.t('Removing the simulated host…');
  await withProgress({ title, place: 'notification' }, async () =>
    link.request(daemon.stopSimulator, { cancelRuns }, { timeoutMs: stopTimeoutMs }),
  );
  stores.hosts.forget(host);
  stores.vms.forget(host);
  stores.restorePoints.expire();
  await stores.repositories.load({ force: true });
}
