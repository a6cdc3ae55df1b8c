/** What the registry remembers of an installation: written by administrators only, so what it says of a folder can be believed. */
import { readRegistryKey, removeRegistryKey, writeRegistryKey } from './registry.ts';
import { runProgram } from './programs.ts';
import type { RunProgram } from './programs.ts';

const key = String.raw`HKLM\SOFTWARE\Tidemark\Agent`;

/** An installation that is there, or whose data was kept. */
export interface Installation {
  readonly dataPath: string;
  /** Absent when the program was uninstalled and its data kept. */
  readonly installPath?: string | undefined;
  readonly version?: string | undefined;
  /** Whether the rule of the firewall is ours to make. */
  readonly firewall?: boolean | undefined;
}

/** What is installed; undefined when nothing is, and no data was kept. */
export async function readInstallation(run: RunProgram): Promise<Installation | undefined> {
  const values = await readRegistryKey(run, key);
  const text = (name: string): string | undefined => {
    const value = values.get(name);
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const dataPath = text('DataPath');
  if (dataPath === undefined) return undefined;
  const installPath = text('InstallPath');
  const version = text('Version');
  const firewall = values.get('Firewall');
  return {
    dataPath,
    ...(installPath && { installPath }),
    ...(version && { version }),
    ...(typeof firewall === 'number' && { firewall: firewall !== 0 }),
  };
}

/** Where the agent that is installed on this computer keeps its configuration; undefined when none is. */
export async function installedDataPath(): Promise<string | undefined> {
  return (await readInstallation(runProgram))?.dataPath;
}

/** Remembers an installation instead of what was remembered before. */
export async function writeInstallation(run: RunProgram, installation: Installation): Promise<void> {
  await removeRegistryKey(run, key);
  const { dataPath, installPath = '', version = '', firewall } = installation;
  const choice = firewall === undefined ? {} : { Firewall: firewall ? 1 : 0 };
  await writeRegistryKey(run, key, { DataPath: dataPath, InstallPath: installPath, Version: version, ...choice });
}

/** Forgets it. */
export async function forgetInstallation(run: RunProgram): Promise<void> {
  await removeRegistryKey(run, key);
}
