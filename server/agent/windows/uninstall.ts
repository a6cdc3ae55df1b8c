/** Uninstalls the agent from Windows. What it remembers stays unless it is asked for: the password, the certificate, the logs. */
import { rm } from 'node:fs/promises';

import { removeEventSource } from './event-log.ts';
import { removeFirewallRule } from './firewall.ts';
import { forgetInstallation, readInstallation, writeInstallation } from './installation.ts';
import type { RunProgram } from './programs.ts';
import { removeService, stopService } from './service.ts';

/** What to uninstall. */
export interface UninstallOptions {
  /** The folder that this program runs from. */
  readonly packageFolder: string;
  /** Remove the data folder too. */
  readonly removeData: boolean;
  /** An MSI removes the service and the program itself: do the rest only. */
  readonly byMsi: boolean;
  readonly run: RunProgram;
  readonly onStep: (text: string) => void;
}

/** What is left. */
export interface UninstallResult {
  /** Where settings and logs still lie; absent when they were removed, or there was nothing. */
  readonly dataPath?: string;
  /** The program's folder, when this program runs from there: a running program cannot remove itself. */
  readonly programPath?: string;
}

const removal = { recursive: true, force: true, maxRetries: 10, retryDelay: 500 } as const;

/** Removes service, rule, event source and program, and the data when asked to. What is gone already is no failure, so it can be done again. */
export async function uninstallAgent(options: UninstallOptions): Promise<UninstallResult> {
  const { removeData, byMsi, run, onStep } = options;
  const installation = await readInstallation(run);
  onStep(byMsi ? 'Stopping the service' : 'Removing the service');
  await (byMsi ? stopService(run) : removeService(run));
  onStep('Removing the rule of the firewall and the source of events');
  await removeFirewallRule(run);
  await removeEventSource(run);
  if (installation === undefined) return {};
  const { dataPath, installPath, firewall } = installation;
  const programPath = byMsi || installPath === undefined ? undefined : await removeProgram(installPath, options);
  const program = programPath === undefined ? {} : { programPath };
  if (!removeData) {
    await writeInstallation(run, { dataPath, firewall });
    return { dataPath, ...program };
  }
  onStep(`Removing ${dataPath}`);
  await rm(dataPath, removal);
  await forgetInstallation(run);
  return program;
}

/** Gives the folder when it has to stay for now. */
async function removeProgram(
  installPath: string,
  { packageFolder, onStep }: UninstallOptions,
): Promise<string | undefined> {
  if (`${packageFolder}\\`.toLowerCase().startsWith(`${installPath}\\`.toLowerCase())) return installPath;
  onStep(`Removing ${installPath}`);
  await rm(installPath, removal);
  return undefined;
}
