/** Asks which VMs. */
import { setTimeout as sleep } from 'node:timers/promises';

import * as vscode from 'vscode';

import type { VmEntry } from '../../../server/protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import type { App } from '../../app.ts';
import type { VmTarget } from '../../targets.ts';
import { pickMany, pickOne } from '../../ui/pick.ts';
import type { Choice, StepOptions } from '../../ui/pick.ts';
import { ageText } from '../../views/tree/texts.ts';
import { knownHosts } from './ask-host.ts';

interface VmQuestion extends StepOptions {
  /** Only the VMs of this host. */
  readonly host?: string | undefined;
}

/** A host that does not answer holds the list up no longer than this, ms. */
const patienceMs = 2000;

/** Asks for some of the VMs. Throws as `pickMany`. */
export async function askVms(app: App, question: VmQuestion): Promise<readonly VmTarget[]> {
  return pickMany({ ...question, choices: async (signal) => vmChoices(app, question.host, signal) });
}

/** Asks for one VM. Throws as `pickOne`. */
export async function askVm(app: App, question: VmQuestion): Promise<VmTarget> {
  return pickOne({ ...question, choices: async (signal) => vmChoices(app, question.host, signal) });
}

async function vmChoices(
  app: App,
  only: string | undefined,
  signal: AbortSignal,
): Promise<readonly Choice<VmTarget>[]> {
  const hosts = only === undefined ? (await knownHosts(app, signal)).map(({ name }) => name) : [only];
  const { vms } = app.stores;
  const known = (): readonly VmEntry[] => hosts.flatMap((host) => vms.vms(host).value);
  const loading = vms.loadAll(hosts, { signal });
  await Promise.race([loading, sleep(patienceMs)]);
  if (known().length === 0) await loading;
  const found = known();
  if (found.length > 0) return found.map((entry) => vmChoice(entry, Date.now()));
  const failed = hosts.map((host) => vms.vms(host).error).find((error) => error !== undefined);
  throw failed ?? new TidemarkError(errorCodes.vmNotFound, vscode.l10n.t('The hosts have no VMs.'));
}

function vmChoice({ host, vm, lastRestorePoint }: VmEntry, now: number): Choice<VmTarget> {
  const last =
    lastRestorePoint === undefined
      ? vscode.l10n.t('no backup yet')
      : vscode.l10n.t('last backup {0}', ageText(lastRestorePoint.createdAt, now));
  return {
    label: vm.name,
    description: `${host} · ${last}`,
    iconPath: new vscode.ThemeIcon('vm'),
    value: { host, vmId: vm.id, vmName: vm.name },
  };
}
