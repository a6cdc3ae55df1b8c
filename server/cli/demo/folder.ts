/** The folder of a demo. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { systemCode } from '../../base/files.ts';
import { rendezvousPaths } from '../../base/rendezvous.ts';
import { tryFileLock } from '../../base/file-lock.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';

/** What lies where. All absolute. */
export interface DemoFolder {
  readonly root: string;
  /** The simulated host. */
  readonly host: string;
  /** The daemon's data directory. */
  readonly data: string;
  readonly repository: string;
  /** Copies of the guest's disk at the moments of the backups. */
  readonly moments: string;
  readonly restored: string;
  readonly agentPassword: string;
  readonly repositoryPassword: string;
}

/** Marks a folder that a demo made: only such a folder is ever emptied. */
const markerName = 'tidemark-demo.txt';
const markerText = 'Made by `tidemark demo`, which may delete this folder and everything in it.\n';

/**
 * Makes the folder, a temporary one when `directory` is absent. An earlier demo there is replaced. Throws `TM6001` when other
 * files are there, `TM5005` when the earlier demo still runs.
 */
export async function makeDemoFolder(directory: string | undefined): Promise<DemoFolder> {
  const root = directory === undefined ? await mkdtemp(join(tmpdir(), 'tidemark-demo-')) : resolve(directory);
  const folder: DemoFolder = {
    root,
    host: join(root, 'host'),
    data: join(root, 'daemon'),
    repository: join(root, 'repository'),
    moments: join(root, 'moments'),
    restored: join(root, 'restored'),
    agentPassword: join(root, 'agent.password'),
    repositoryPassword: join(root, 'repository.password'),
  };
  await removeEarlier(folder);
  await mkdir(root, { recursive: true });
  await writeFile(join(root, markerName), markerText);
  for (const path of [folder.moments, folder.restored]) await mkdir(path);
  for (const path of [folder.agentPassword, folder.repositoryPassword]) {
    await writeFile(path, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600 });
  }
  return folder;
}

/** Deletes the folder. */
export async function removeDemoFolder(folder: DemoFolder): Promise<void> {
  await rm(folder.root, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}

async function removeEarlier(folder: DemoFolder): Promise<void> {
  const entries = await entriesOf(folder.root);
  if (entries.length === 0) return;
  if (!entries.includes(markerName)) {
    throw new TidemarkError(errorCodes.targetExists, `${folder.root} holds other files.`, {
      hint: 'Give --dir a folder that does not exist, is empty, or holds an earlier demo.',
    });
  }
  const { lock } = rendezvousPaths(folder.data);
  if (existsSync(lock)) {
    const held = tryFileLock(lock);
    if (held === undefined) {
      throw new TidemarkError(errorCodes.daemonBusy, `The demo in ${folder.root} still runs.`, {
        hint: `Stop it with Ctrl-C in its terminal, or with: tidemark daemon stop --data ${folder.data}`,
      });
    }
    held.release();
  }
  await removeDemoFolder(folder);
}

async function entriesOf(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw new TidemarkError(errorCodes.targetNotWritable, `${directory} cannot be used as a folder.`, {
      hint: 'Give --dir another folder.',
      cause: error,
    });
  }
}
