/** `tidemark.vm.backUp` and `tidemark.vm.backUpFull`: one VM or several, to the repository of last time or another. */
import * as vscode from 'vscode';

import type { BackupRequest } from '../../server/protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../server/protocol/errors.ts';
import type { App } from '../app.ts';
import type { VmTarget } from '../targets.ts';
import { runSteps } from '../ui/pick.ts';
import { askBackupRepository, knownRepositories } from './ask/ask-repository.ts';
import { askVms } from './ask/ask-vm.ts';
import { rememberRepository } from './ask/last-repository.ts';
import { activeBackupOf, backupRequest, distinctVms, onlyRepository } from './flows/backup-options.ts';
import type { CommandHandler } from './registry.ts';

/** Incremental where the host knows what changed since the last restore point, else full: the daemon says so in the run. */
export function backUp(app: App): CommandHandler<'tidemark.vm.backUp'> {
  return async (_, selection) => startBackups(app, selection, 'incremental');
}

/** Reads everything again. */
export function backUpFull(app: App): CommandHandler<'tidemark.vm.backUpFull'> {
  return async (_, selection) => startBackups(app, selection, 'full');
}

async function startBackups(app: App, selection: readonly VmTarget[], type: BackupRequest['type']): Promise<void> {
  const title = type === 'full' ? vscode.l10n.t('Back Up in Full') : vscode.l10n.t('Back Up Now');
  let vms = distinctVms(selection);
  let repository = '';
  await runSteps([
    async (back) => {
      if (selection.length > 0) return false;
      vms = await askVms(app, { title, back, placeholder: vscode.l10n.t('Which VMs to back up') });
      return true;
    },
    async (back) => {
      const only = onlyRepository((await knownRepositories(app)).map(({ name }) => name));
      repository =
        only ??
        (await askBackupRepository(app, { title, back, placeholder: vscode.l10n.t('Where to keep the backup') }));
      return only === undefined;
    },
  ]);
  await rememberRepository(app, repository);
  const busy: VmTarget[] = [];
  for (const vm of vms) if (!(await startOne(app, vm, repository, type))) busy.push(vm);
  if (busy.length > 0) tellBusy(app, busy);
}

/** Starts one; false when the VM is in a run already. */
async function startOne(app: App, vm: VmTarget, repository: string, type: BackupRequest['type']): Promise<boolean> {
  try {
    await app.stores.runs.start(backupRequest(vm, repository, type));
    return true;
  } catch (error) {
    if (TidemarkError.is(error, errorCodes.vmAlreadyRunning)) return false;
    throw error;
  }
}

function tellBusy(app: App, busy: readonly VmTarget[]): void {
  const [first] = busy;
  const run = first === undefined ? undefined : activeBackupOf(first, app.stores.runs.active);
  const names = busy.map(({ vmName }) => vmName).join(', ');
  const message =
    busy.length === 1
      ? vscode.l10n.t('{0} is in a run already. Nothing was started.', names)
      : vscode.l10n.t('In a run already, and not started again: {0}', names);
  const show = {
    title: vscode.l10n.t('Show Run'),
    run: async () =>
      vscode.commands.executeCommand('tidemark.run.show', run === undefined ? undefined : { runId: run.id }),
  };
  void app.notify.info(message, { actions: [show] });
}
