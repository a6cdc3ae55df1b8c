/** Installs and upgrades the agent on Windows: what the script, the MSI and setup.exe do between them, in one place. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { defaultAgentPort, parseListen } from '../listen-address.ts';
import type { ListenAddress } from '../listen-address.ts';
import { readConfigDocument } from '../set-up/config-file.ts';
import { setUpAgent } from '../set-up/set-up.ts';
import type { SetUpOptions, SetUpResult } from '../set-up/set-up.ts';
import { accountSid, isLocalSystem } from './accounts.ts';
import { waitUntilAnswering } from './answering.ts';
import { registerEventSource, removeEventSource } from './event-log.ts';
import { allowThroughFirewall, removeFirewallRule } from './firewall.ts';
import { readSettingsFiles, writeSettingsFiles } from './former.ts';
import { forgetInstallation, readInstallation, writeInstallation } from './installation.ts';
import type { Installation } from './installation.ts';
import { checkPrerequisites, thisComputer } from './prerequisites.ts';
import { isEmptyFolder, localPath, protectProgramFolder, stageProgramFolder } from './program-folder.ts';
import type { RunProgram } from './programs.ts';
import { installService, keepService, removeService, serviceState, startService, stopService } from './service.ts';

/** What to install. What is absent stays as an earlier installation has it, or gets its default. */
export interface InstallOptions extends Pick<SetUpOptions, 'password' | 'provider' | 'root' | 'threads'> {
  /** The folder that this program runs from: the unpacked package. */
  readonly packageFolder: string;
  readonly version: string;
  readonly installPath?: string | undefined;
  readonly dataPath?: string | undefined;
  readonly protocol?: 'http' | 'https' | undefined;
  readonly listenAddress?: string | undefined;
  readonly port?: number | undefined;
  /** Whether to open the firewall for the agent. When absent, a rule that is there stays as it is, and follows the port. */
  readonly firewall?: boolean | undefined;
  /** `DOMAIN\name$` or `LocalSystem`. */
  readonly serviceAccount?: string | undefined;
  /** An MSI has put the program in its place and makes the service itself: do the rest only. */
  readonly byMsi: boolean;
  readonly run: RunProgram;
  /** Told each step before it begins. */
  readonly onStep: (text: string) => void;
}

/** How long the agent may take until it answers, ms: the first start of PowerShell on a busy host takes its time. */
export const answerPatienceMs = 60_000;

interface Plan extends InstallOptions {
  readonly paths: { readonly installPath: string; readonly dataPath: string };
  readonly listen: string;
  readonly address: ListenAddress;
  readonly earlier: Installation | undefined;
  /** Whether the rule of the firewall is made anew now, and whether it is ours to make later. */
  readonly opens: { readonly now: boolean; readonly later: boolean };
  /** Whether a program of an earlier installation is there. */
  readonly upgrade: boolean;
}

/**
 * Checks the computer, installs or upgrades, and waits until the agent answers. When anything fails, what was there before is put back and started. Throws `TM1002` for what the
 * user has to change, `TM1900` for steps that failed.
 */
export async function installAgent(options: InstallOptions): Promise<SetUpResult> {
  const plan = await planOf(options);
  const { run, onStep, paths, byMsi } = plan;
  onStep('Checking this computer');
  await checkPrerequisites(thisComputer(run), {
    installPath: paths.installPath,
    provider: plan.provider ?? 'hyperv',
    listen: plan.address,
    upgrade: plan.upgrade,
  });
  const undo = new AsyncDisposableStack();
  try {
    return await (byMsi ? configureForMsi(plan, undo) : installUndoably(plan, undo));
  } catch (error) {
    onStep('Putting back what was there before');
    await undo.disposeAsync().catch((failure: unknown) => {
      throw notUndone(error, failure);
    });
    throw error;
  }
}

async function configureForMsi(plan: Plan, undo: AsyncDisposableStack): Promise<SetUpResult> {
  const result = await configureUndoably(plan, undo);
  await openFirewall(plan);
  return result;
}

/** Last done is first undone: the old service is started when everything else is as it was. */
async function installUndoably(plan: Plan, undo: AsyncDisposableStack): Promise<SetUpResult> {
  const { run, onStep, paths } = plan;
  const state = await serviceState(run);
  if (state !== undefined && state !== 'STOPPED') undo.defer(async () => startService(run));
  onStep(`Copying the program to ${paths.installPath}`);
  const folder = await stageProgramFolder(run, plan.packageFolder, paths.installPath);
  undo.defer(async () => folder.undo());
  if (state !== undefined) onStep('Stopping the service');
  await stopService(run);
  await folder.swap();
  const result = await configureUndoably(plan, undo);
  onStep('Making the service');
  undo.defer(state === undefined ? async () => removeService(run) : await keepService(run));
  await installService(run, paths, plan.serviceAccount);
  onStep('Starting the service');
  undo.defer(async () => stopService(run));
  await startService(run);
  await waitForAgent(plan.address, result);
  await openFirewall(plan);
  await folder.tidy();
  return result;
}

function notUndone(error: unknown, failure: unknown): TidemarkError {
  const known = TidemarkError.from(error);
  const why = TidemarkError.from(failure).message;
  return new TidemarkError(known.code, `${known.message} What was there before could not be put back: ${why}`, {
    hint: 'Look at the services of Windows and at the folder of the program, then install again.',
    cause: error,
  });
}

async function planOf(options: InstallOptions): Promise<Plan> {
  const { run } = options;
  const earlier = await readInstallation(run);
  const programs = process.env['ProgramFiles'] ?? String.raw`C:\Program Files`;
  const data = process.env['ProgramData'] ?? String.raw`C:\ProgramData`;
  const installPath = localPath(
    options.installPath ?? earlier?.installPath ?? String.raw`${programs}\Tidemark Agent`,
    'The folder of the program',
  );
  const dataPath = localPath(
    options.dataPath ?? earlier?.dataPath ?? String.raw`${data}\Tidemark Agent`,
    'The folder of the data',
  );
  const upgrade = earlier?.installPath !== undefined;
  checkFolders(installPath, dataPath, earlier, options);
  if (!same(dataPath, earlier?.dataPath) && !(await isEmptyFolder(dataPath))) {
    // Whoever may write below C:\ProgramData could have put a key or a password of his own there.
    throw usage(
      `The folder ${dataPath} is not empty, and no Tidemark agent was installed with it here.`,
      'Choose another folder for the data, or empty this one.',
    );
  }
  if (!options.byMsi && !same(installPath, earlier?.installPath) && !(await isEmptyFolder(installPath))) {
    throw usage(`The folder ${installPath} is not empty.`, 'Choose another folder for the program.');
  }
  const before = await readConfigDocument(join(dataPath, 'config.json'));
  const listen = listenOf(options, before?.listen);
  const address = parseListen(listen);
  const isSamePort = before !== undefined && parseListen(before.listen).port === address.port;
  return {
    ...options,
    paths: { installPath, dataPath },
    listen,
    address,
    opens: opensFirewall(options.firewall, earlier?.firewall, upgrade && isSamePort),
    earlier,
    upgrade,
    provider: options.provider ?? before?.provider,
  };
}

function checkFolders(
  installPath: string,
  dataPath: string,
  earlier: Installation | undefined,
  options: InstallOptions,
): void {
  const inside = (inner: string, outer: string): boolean =>
    `${inner}\\`.toLowerCase().startsWith(`${outer}\\`.toLowerCase());
  if (inside(installPath, dataPath) || inside(dataPath, installPath)) {
    throw usage('The folders of the program and of the data lie in one another.', 'Choose two separate folders.');
  }
  if (!options.byMsi && (inside(options.packageFolder, installPath) || inside(installPath, options.packageFolder))) {
    throw usage('The package lies in the folder of the program.', 'Unpack it elsewhere and run it there.');
  }
  const moved = (['installPath', 'dataPath'] as const).find(
    (name) => earlier?.installPath !== undefined && !same({ installPath, dataPath }[name], earlier[name]),
  );
  if (moved === undefined) return;
  throw usage(
    `The agent is installed in ${String(earlier?.installPath)} with its data in ${String(earlier?.dataPath)}.`,
    'An upgrade keeps both folders. To use others, uninstall the agent first.',
  );
}

/** An upgrade touches no rule whose port stays: an administrator may have made it narrower. */
function opensFirewall(given: boolean | undefined, earlier: boolean | undefined, isThere: boolean): Plan['opens'] {
  const later = given ?? earlier ?? true;
  return { later, now: later && (given === true || !isThere) };
}

const same = (one: string, other: string | undefined): boolean => one.toLowerCase() === other?.toLowerCase();

/** An address of parts, of which those not given stay as they were. */
function listenOf(options: InstallOptions, before: string | undefined): string {
  const earlier = before === undefined ? undefined : parseListen(before);
  const protocol = options.protocol ?? (earlier?.tls === false ? 'http' : 'https');
  const host = options.listenAddress ?? earlier?.host ?? '0.0.0.0';
  const port = options.port ?? earlier?.port ?? defaultAgentPort;
  return `${protocol}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

async function configureUndoably(plan: Plan, undo: AsyncDisposableStack): Promise<SetUpResult> {
  const { run, paths, earlier } = plan;
  const kept = await keepSettings(paths.dataPath);
  undo.defer(kept);
  if (earlier === undefined) undo.defer(async () => forgetInstallation(run));
  else undo.defer(async () => writeInstallation(run, earlier));
  if (earlier?.installPath === undefined) {
    undo.defer(async () => removeFirewallRule(run));
    undo.defer(async () => removeEventSource(run));
  }
  return configure(plan);
}

async function openFirewall({ run, opens, paths, address, onStep }: Plan): Promise<void> {
  if (!opens.now) return;
  onStep(`Opening port ${address.port} of the firewall for the agent`);
  await allowThroughFirewall(run, paths.installPath, address.port);
}

/** Settings, certificate, password, rights, event log: everything but program, service and firewall. */
async function configure(plan: Plan): Promise<SetUpResult> {
  const { run, onStep, paths, listen, password, threads, provider, root, serviceAccount } = plan;
  if (password === undefined && plan.earlier === undefined) {
    throw usage('A password is needed.', 'Daemons must know it to use this agent. Give it with a password file.');
  }
  onStep('Writing the settings');
  // An account that is not named keeps the rights it has.
  const accounts =
    serviceAccount === undefined || isLocalSystem(serviceAccount) ? [] : [await accountSid(run, serviceAccount)];
  const result = await setUpAgent({ directory: paths.dataPath, listen, password, threads, provider, root, accounts });
  if (plan.byMsi) await protectProgramFolder(run, paths.installPath);
  await registerEventSource(run);
  await writeInstallation(run, { ...paths, version: plan.version, firewall: plan.opens.later });
  return result;
}

/** Holds the small files of a data folder, and gives what puts them back: all of a first installation is removed. */
async function keepSettings(dataPath: string): Promise<() => Promise<void>> {
  if (await isEmptyFolder(dataPath)) return async () => rm(dataPath, { recursive: true, force: true });
  const files = await readSettingsFiles(dataPath);
  return async () => writeSettingsFiles(dataPath, files);
}

/** Waits until the agent that was set up so answers. Throws `TM1900`. */
async function waitForAgent({ tls, host, port }: ListenAddress, { certificateSha256 }: SetUpResult): Promise<void> {
  await waitUntilAnswering({ tls, host, port, certificateSha256 }, answerPatienceMs);
}

function usage(message: string, hint: string): TidemarkError {
  return new TidemarkError(errorCodes.invalidUsage, message, { hint });
}
