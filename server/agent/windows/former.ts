/**
 * What an upgrade by an MSI changes of the agent's own: settings, password, certificate, registry, firewall. Windows Installer puts files and service back when an upgrade fails
 * late; these it does not know. So they are copied before anything is changed, and put back by its rollback.
 */
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { readJsonFile, systemCode, writeFileDurably } from '../../base/files.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { boolean, literal, optional, string } from '../../protocol/parse.ts';
import { parseListen } from '../listen-address.ts';
import { readConfigDocument } from '../set-up/config-file.ts';
import { strictObject } from '../set-up/strict-object.ts';
import { removeEventSource } from './event-log.ts';
import { allowThroughFirewall, removeFirewallRule } from './firewall.ts';
import { readInstallation, writeInstallation } from './installation.ts';
import type { Installation } from './installation.ts';
import type { RunProgram } from './programs.ts';
import { stopService } from './service.ts';

/** The files in a data folder that an installation writes; all are small. */
const settingsFiles = ['config.json', 'credential.json', 'certificate.pem', 'key.pem'] as const;
const copyFolder = 'former';
const description = 'installation.json';
const maxBytes = 64 * 1024;

const path = string({ maxLength: 4096 });
const shape = strictObject({
  version: literal(1),
  dataPath: path,
  installPath: optional(path),
  installedVersion: optional(string({ maxLength: 64 })),
  firewall: optional(boolean),
});

/** Contents of the settings' files; undefined for those that are not there. */
export type SettingsFiles = ReadonlyMap<string, Buffer | undefined>;

/** Reads the settings' files of a data folder. */
export async function readSettingsFiles(dataPath: string): Promise<SettingsFiles> {
  const found = new Map<string, Buffer | undefined>();
  for (const name of settingsFiles) found.set(name, await contentOf(join(dataPath, name)));
  return found;
}

/** Makes the settings' files of a data folder these again: what was not there is removed. */
export async function writeSettingsFiles(dataPath: string, files: SettingsFiles): Promise<void> {
  await mkdir(dataPath, { recursive: true });
  for (const [name, content] of files) {
    if (content === undefined) await rm(join(dataPath, name), { force: true });
    else await writeFileDurably(join(dataPath, name), content, { mode: 0o600 });
  }
}

/** Copies what is installed, or was kept of it, into its own data folder, which nobody else may read; instead of an older copy. Does nothing where nothing is. */
export async function keepFormer(run: RunProgram): Promise<void> {
  const installation = await readInstallation(run);
  if (installation === undefined) return;
  const { dataPath, installPath, version, firewall } = installation;
  const folder = join(dataPath, copyFolder);
  const unfinished = `${folder}.new`;
  for (const old of [folder, unfinished]) await rm(old, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true, mode: 0o700 });
  await writeSettingsFiles(unfinished, await readSettingsFiles(dataPath));
  const text = JSON.stringify({ version: 1, dataPath, installPath, installedVersion: version, firewall });
  await writeFileDurably(join(unfinished, description), text, { mode: 0o600 });
  // Whole or not there.
  await rename(unfinished, folder);
}

/**
 * Puts back what `keepFormer` copied from this data folder. Does nothing where there is no copy. Throws `TM1003` for a copy that cannot be used.
 */
export async function putBackFormer(run: RunProgram, dataPath: string): Promise<void> {
  const folder = join(dataPath, copyFolder);
  const kept = await readJsonFile(join(folder, description), shape, maxBytes);
  if (kept === undefined) return;
  if (kept.dataPath.toLowerCase() !== dataPath.toLowerCase()) {
    throw new TidemarkError(errorCodes.invalidFile, `The copy in ${folder} is of ${kept.dataPath}.`);
  }
  await stopService(run);
  const { installPath, installedVersion: version, firewall } = kept;
  const former: Installation = { dataPath, installPath, version, firewall };
  const now = await readInstallation(run);
  // One that cannot be read is another one.
  const portNow = await portOf(now?.dataPath).catch(() => undefined);
  await writeSettingsFiles(dataPath, await readSettingsFiles(folder));
  await writeInstallation(run, former);
  if (installPath === undefined) {
    await removeFirewallRule(run);
    await removeEventSource(run);
  } else await putBackFirewall(run, { now, portNow }, { ...former, installPath });
  // An installation takes no folder that has something in it: all of it is new.
  if (now !== undefined && now.dataPath.toLowerCase() !== dataPath.toLowerCase()) {
    await rm(now.dataPath, { recursive: true, force: true });
  }
  await rm(folder, { recursive: true, force: true });
}

/** Removes the copy, once the installation has succeeded. */
export async function forgetFormer(run: RunProgram, dataPath: string): Promise<void> {
  const known = new Set([dataPath, (await readInstallation(run))?.dataPath ?? dataPath]);
  for (const folder of known) await rm(join(folder, copyFolder), { recursive: true, force: true });
}

/** A rule that was not changed is left alone: an administrator may have made it narrower. */
async function putBackFirewall(
  run: RunProgram,
  { now, portNow }: { readonly now: Installation | undefined; readonly portNow: number | undefined },
  { dataPath, installPath, firewall }: Installation & { readonly installPath: string },
): Promise<void> {
  const port = await portOf(dataPath);
  if (now?.firewall === true && firewall === false) await removeFirewallRule(run);
  else if (firewall !== false && port !== undefined && port !== portNow) {
    await allowThroughFirewall(run, installPath, port);
  }
}

async function portOf(dataPath: string | undefined): Promise<number | undefined> {
  if (dataPath === undefined) return undefined;
  const config = await readConfigDocument(join(dataPath, 'config.json'));
  return config === undefined ? undefined : parseListen(config.listen).port;
}

async function contentOf(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
