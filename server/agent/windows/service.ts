/** The Windows service of the agent: nssm (docs/dependencies.md) runs `node.exe`, starts it again when it ends, and stops it with Ctrl-C. */
import { win32 } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { mustRun, systemProgram } from './programs.ts';
import type { RunProgram } from './programs.ts';
import { readRegistryKey, writeRegistryKey } from './registry.ts';
import type { RegistryValue } from './registry.ts';

/** The service's name in commands; `serviceDisplayName` is the one that people see. */
export const serviceName = 'TidemarkAgent';
export const serviceDisplayName = 'Tidemark Agent';
export const serviceDescription = 'Lets Tidemark back up and restore the virtual machines of this Hyper-V host.';

/** Where the service's program and data lie. */
export interface ServicePaths {
  readonly installPath: string;
  readonly dataPath: string;
}

/** How long the agent may take to close its exports after Ctrl-C before it is ended, ms. */
const stopPatienceMs = 30_000;
/** An end sooner than this after the start is no run: nssm waits longer each time before it starts again, up to four minutes. */
const throttleMs = 5000;
const restartDelayMs = 2000;
/**
 * A file of what the program printed is put aside at a start when it is larger, bytes. While the program runs it prints a line or two, so nssm need not stand between it and the file
 * (`AppRotateOnline`): each start is soon enough. The program itself removes the old ones.
 */
const outputBytes = 1024 * 1024;

/** Key of the service in the registry. */
const serviceKey = String.raw`HKLM\SYSTEM\CurrentControlSet\Services` + `\\${serviceName}`;

/** What nssm reads, when the service starts, from the key `Parameters` below the service's own. */
export function serviceParameters({ installPath, dataPath }: ServicePaths): Readonly<Record<string, RegistryValue>> {
  const output = win32.join(dataPath, 'logs', 'service.log');
  const script = win32.join(installPath, 'server', 'tidemark.js');
  const config = win32.join(dataPath, 'config.json');
  return {
    Application: win32.join(installPath, 'node.exe'),
    AppDirectory: installPath,
    AppParameters: `"${script}" agent --config "${config}" --event-log`,
    // nssm's own console confuses newer builds of Windows; the program gets one of its own, to which Ctrl-C is sent.
    AppNoConsole: 1,
    AppStopMethodConsole: stopPatienceMs,
    AppThrottle: throttleMs,
    AppRestartDelay: restartDelayMs,
    AppStdout: output,
    AppStderr: output,
    AppRotateFiles: 1,
    AppRotateBytes: outputBytes,
  };
}

/** Values of the service's own key: it starts with Windows, after what starts at once. */
export const serviceValues: Readonly<Record<string, RegistryValue>> = {
  Description: serviceDescription,
  DelayedAutostart: 1,
};

/** A service's state, as `sc.exe` names it; undefined when there is no such service. */
export async function serviceState(run: RunProgram): Promise<string | undefined> {
  const { output } = await run(systemProgram('sc.exe'), ['query', serviceName]);
  return /\b(STOPPED|START_PENDING|STOP_PENDING|RUNNING|CONTINUE_PENDING|PAUSE_PENDING|PAUSED)\b/.exec(output)?.[1];
}

/**
 * Makes the service, or gives the one that is there these paths. Not by `nssm install`, which writes its path without quotes: Windows would then look for
 * `C:\\Program.exe` first.
 */
export async function installService(run: RunProgram, paths: ServicePaths, account?: string): Promise<void> {
  const program = `"${win32.join(paths.installPath, 'nssm.exe')}"`;
  const sc = async (...args: readonly string[]): Promise<string> =>
    mustRun(run, `Making the service ${serviceName}`, systemProgram('sc.exe'), args);
  if ((await serviceState(run)) === undefined) {
    await sc('create', serviceName, 'binPath=', program, 'start=', 'auto', 'DisplayName=', serviceDisplayName);
  }
  await writeRegistryKey(run, serviceKey, serviceValues);
  await writeRegistryKey(run, String.raw`${serviceKey}\Parameters`, serviceParameters(paths));
  if (account !== undefined) await sc('config', serviceName, 'obj=', account);
}

/**
 * Holds the account and the parameters of the service that is there, and gives what sets them again. The password of an account is known to Windows only: such an account
 * stays when no other was set meanwhile.
 */
export async function keepService(run: RunProgram): Promise<() => Promise<void>> {
  const parametersKey = String.raw`${serviceKey}\Parameters`;
  const account = async (): Promise<RegistryValue | undefined> =>
    (await readRegistryKey(run, serviceKey)).get('ObjectName');
  const before = await account();
  const parameters = await readRegistryKey(run, parametersKey);
  return async () => {
    await writeRegistryKey(run, parametersKey, Object.fromEntries(parameters));
    if (before === undefined || before === (await account())) return;
    const args = ['config', serviceName, 'obj=', String(before)];
    await mustRun(run, `Setting the account of the service ${serviceName}`, systemProgram('sc.exe'), args);
  };
}

/** Puts quotes around the path of the service's program, which an MSI may have left without them. */
export async function quoteServicePath(run: RunProgram, installPath: string): Promise<void> {
  await writeRegistryKey(run, serviceKey, { ImagePath: `"${win32.join(installPath, 'nssm.exe')}"` }, ['ImagePath']);
}

/** For so long starting is tried again, ms: Windows starts nothing while it is still busy with its own services after a boot (1055). */
const startPatienceMs = 30_000;
/** Codes of `sc start` (winerror.h) after which trying again is of no use: disabled, wrong account. */
const hopeless: readonly number[] = [1058, 1069];

/** Starts the service; one that runs already is no failure. Throws `TM1900` when it cannot be started. */
export async function startService(run: RunProgram): Promise<void> {
  const deadline = Date.now() + startPatienceMs;
  for (;;) {
    const { code, output } = await run(systemProgram('sc.exe'), ['start', serviceName]);
    // ERROR_SERVICE_ALREADY_RUNNING
    if (code === 0 || code === 1056) return;
    if (hopeless.includes(code) || Date.now() > deadline) throw notStarted(code, output);
    await sleep(1000);
  }
}

function notStarted(code: number, output: string): TidemarkError {
  return new TidemarkError(errorCodes.internal, `The service ${serviceName} does not start (code ${code}): ${output}`, {
    hint:
      code === 1069
        ? 'Give its account the right "Log on as a service", and use a group managed service account or LocalSystem.'
        : 'The event log of Windows, Application, tells more.',
  });
}

/**
 * Stops the service and waits until it has; one that is not there is no failure. One that is about to start is let start first: Windows refuses to stop it then
 * (`ControlService`, 1061), and nssm would end the program but run on as a service that cannot be stopped any more. Throws `TM1900` when it goes on running.
 */
export async function stopService(run: RunProgram): Promise<void> {
  const deadline = Date.now() + 2 * stopPatienceMs;
  for (;;) {
    const state = await serviceState(run);
    if (state === undefined || state === 'STOPPED') return;
    if (!state.endsWith('_PENDING')) await run(systemProgram('sc.exe'), ['stop', serviceName]);
    if (Date.now() > deadline) {
      throw new TidemarkError(errorCodes.internal, `The service ${serviceName} does not stop.`, {
        hint: 'Wait for its backups and restores to end, or restart the computer, and try again.',
      });
    }
    await sleep(250);
  }
}

/** Stops and removes the service. One that is not there is no failure. */
export async function removeService(run: RunProgram): Promise<void> {
  if ((await serviceState(run)) === undefined) return;
  await stopService(run);
  await mustRun(run, `Removing the service ${serviceName}`, systemProgram('sc.exe'), ['delete', serviceName]);
}
