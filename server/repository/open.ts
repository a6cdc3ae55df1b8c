/** Creating and opening repositories. */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

import { syncDirectory, systemCode, temporarySuffix } from '../base/files.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../protocol/errors.ts';
import { repositoryId } from '../protocol/ids.ts';
import type { Repository } from './api.ts';
import type { StorageBackend } from './backend.ts';
import { configCopy, configFile, encodeConfig, newConfig, readConfig } from './config.ts';
import type { FoundConfig } from './config.ts';
import { findMasterSecret, putSlot, removeOtherSlots } from './key-ring.ts';
import { sealSlot } from './key-slot.ts';
import { deriveKeys, keyBytes } from './keys.ts';
import { openLocalBackend } from './local-backend.ts';
import { OpenCore } from './open-core.ts';
import { OpenRepository } from './open-repository.ts';
import { newRecoveryKey, parseRecoveryKey } from './recovery-key.ts';
import { storageError } from './storage-errors.ts';

/** Options of creating and opening. */
export interface OpenOptions {
  /** When opening, the recovery key is as good. */
  readonly password: string;
  readonly signal: AbortSignal;
  /** Stands in for the directory, for tests of failing storage. */
  readonly backend?: StorageBackend | undefined;
}

/** What file systems and file managers put into folders by themselves. */
const ignored = new Set(['lost+found', '.DS_Store', 'System Volume Information', '$RECYCLE.BIN', 'desktop.ini']);
/** What an interrupted creation may have left. */
const ownFolders = new Set(['keys', 'leases']);

/**
 * Creates a repository in a folder that is empty or not there yet. The recovery key is shown here and never again.
 * Throws `TM4002` when there is one, `TM1001` when the folder holds other files, `TM4006`, `TM4007`.
 */
export async function createRepository(
  location: string,
  { password, signal, backend = openLocalBackend(location) }: OpenOptions,
): Promise<{ readonly repository: Repository; readonly recoveryKey: string }> {
  throwIfAborted(signal);
  await makeFolder(location);
  const id = repositoryId(randomBytes(16).toString('hex'), 'id');
  const createdAt = new Date().toISOString();
  const masterSecret = randomBytes(keyBytes);
  const recoveryKey = newRecoveryKey();
  const slots = [
    await sealSlot('password', password, masterSecret, id, createdAt),
    await sealSlot('recovery', parseRecoveryKey(recoveryKey) ?? '', masterSecret, id, createdAt),
  ];
  for (const slot of slots) await putSlot(backend, slot, signal);
  const config = newConfig(id, createdAt);
  // With this file the repository exists. Of two that are being created here, one gets it.
  await backend.put(configFile, [encodeConfig(config)], { signal, ifAbsent: true });
  await backend.put(configCopy, [encodeConfig(config)], { signal });
  await removeOtherSlots(backend, new Set(slots.map((slot) => slot.id)), signal);
  const core = new OpenCore({ id, location, backend, keys: deriveKeys(masterSecret, id), warnings: [] });
  return { repository: new OpenRepository(core, config), recoveryKey };
}

/**
 * Opens a repository with its password or recovery key. Throws `TM4001` when there is none, `TM4003` for a wrong password,
 * `TM4004` when it is of a newer version, `TM4008` when it is damaged beyond its copies, `TM4014` when it cannot be reached.
 */
export async function openRepository(
  location: string,
  { password, signal, backend = openLocalBackend(location) }: OpenOptions,
): Promise<Repository> {
  const warnings: string[] = [];
  const found = await readConfig(backend, location, signal);
  const { id } = found.config;
  const masterSecret = await findMasterSecret(backend, id, password, (text) => warnings.push(text), signal);
  await repairConfig(backend, found, warnings, signal);
  const core = new OpenCore({ id, location, backend, keys: deriveKeys(masterSecret, id), warnings });
  await core.refreshIndex(signal);
  return new OpenRepository(core, found.config);
}

/** Writes the copy of the configuration that is damaged or missing anew. */
async function repairConfig(
  backend: StorageBackend,
  { config, broken }: FoundConfig,
  warnings: string[],
  signal: AbortSignal,
): Promise<void> {
  if (broken === undefined) return;
  try {
    await backend.put(broken, [encodeConfig(config)], { signal });
    warnings.push(`${broken} was damaged or missing; it was restored from its copy.`);
  } catch (error) {
    throwIfAborted(signal);
    warnings.push(`${broken} is damaged or missing and could not be restored: ${TidemarkError.from(error).message}`);
  }
}

async function makeFolder(location: string): Promise<void> {
  try {
    await mkdir(location, { recursive: true, mode: 0o700 });
    await syncDirectory(dirname(location));
    const names = (await readdir(location)).filter((name) => !ignored.has(name));
    if (names.includes(configFile)) throw existsAlready(location);
    if (names.includes(configCopy)) throw existsAlready(location);
    if (names.some((name) => !ownFolders.has(name) && !name.endsWith(temporarySuffix))) {
      throw new TidemarkError(errorCodes.invalidInput, `${location} is not empty.`, {
        hint: 'Choose a folder of its own for the repository.',
      });
    }
  } catch (error) {
    if (systemCode(error) === 'EEXIST' || systemCode(error) === 'ENOTDIR') {
      throw new TidemarkError(errorCodes.invalidInput, `${location} is not a folder.`, { cause: error });
    }
    throw storageError(error, location, 'write');
  }
  const info = await stat(location);
  if (!info.isDirectory()) throw new TidemarkError(errorCodes.invalidInput, `${location} is not a folder.`);
}

function existsAlready(location: string): TidemarkError {
  return new TidemarkError(errorCodes.repositoryExists, `There is a repository at ${location} already.`, {
    hint: 'Open it with its password, or choose another folder.',
  });
}
