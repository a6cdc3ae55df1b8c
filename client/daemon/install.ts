/**
 * The copy of the daemon that runs. Not the extension's own folder: VS Code replaces that on an update, and cannot while a
 * daemon runs from it.
 */
import { createHash, randomBytes } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';

import { systemCode } from '../../server/base/files.ts';
import { errorCodes, TidemarkError } from '../../server/protocol/errors.ts';
import { l10n } from '../base/l10n.ts';

export interface InstallOptions {
  /** The bundle in the extension: `dist/server`. */
  readonly source: string;
  readonly version: string;
  /** The daemon's data directory; copies lie in its folder `daemon`. */
  readonly dataDirectory: string;
}

/** Written into the copy: its scripts are ES modules wherever it lies. */
const manifest = '{ "type": "module" }\n';
const manifestName = 'package.json';

/** Makes the copy unless it is there and whole, and gives its folder. Two windows may do so at once. Throws `TM5004`. */
export async function installDaemon({ source, version, dataDirectory }: InstallOptions): Promise<string> {
  const home = join(dataDirectory, 'daemon');
  try {
    const hash = await folderHash(source);
    const target = join(home, `${version}-${hash.slice(0, 12)}`);
    if (await isWhole(target, hash)) return target;
    await mkdir(home, { recursive: true, mode: 0o700 });
    const temporary = join(home, `.new-${randomBytes(8).toString('hex')}`);
    try {
      await cp(source, temporary, { recursive: true, filter: (path) => !path.endsWith('.map') });
      await writeFile(join(temporary, manifestName), manifest);
      await moveInto(temporary, target, hash);
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
    return target;
  } catch (cause) {
    throw installError(home, cause);
  }
}

/** Puts the finished copy in place. Another window may have done so in the meantime; a damaged copy is moved away first. */
async function moveInto(temporary: string, target: string, hash: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await rename(temporary, target);
      return;
    } catch (error) {
      if (await isWhole(target, hash)) return;
      if (attempt === 3) throw error;
      const aside = `${temporary}-old-${attempt}`;
      await rename(target, aside).catch(ignoreMissing);
      await rm(aside, { recursive: true, force: true });
    }
  }
}

function ignoreMissing(error: unknown): void {
  if (systemCode(error) !== 'ENOENT') throw error;
}

/** Copies that are this young may be another window's, just made, ms. */
const oldEnoughMs = 60 * 60 * 1000;

/**
 * Removes copies other than `current`. For whoever has just started a daemon from `current`: a data directory has one daemon at a time,
 * so nothing runs from the others. What cannot be removed (a program still has a file open) is left for the next time.
 */
export async function removeOldCopies(current: string, now: number = Date.now()): Promise<readonly string[]> {
  const home = join(current, '..');
  const removed: string[] = [];
  for (const name of await readdir(home)) {
    const path = join(home, name);
    if (path === current) continue;
    try {
      if (now - (await stat(path)).mtimeMs < oldEnoughMs) continue;
      await rm(path, { recursive: true, force: true });
      removed.push(path);
    } catch (error) {
      const code = systemCode(error);
      if (code === undefined) throw error;
    }
  }
  return removed;
}

async function isWhole(folder: string, hash: string): Promise<boolean> {
  try {
    return (await folderHash(folder)) === hash;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}

/** SHA-256 over paths and contents of a folder, without source maps and without the manifest that the copy adds. */
async function folderHash(folder: string): Promise<string> {
  const hash = createHash('sha256');
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const names = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll(sep, '/'))
    .filter((name) => !name.endsWith('.map') && name !== manifestName);
  if (names.length === 0) throw Object.assign(new Error(`${folder} is empty`), { code: 'ENOENT' });
  for (const name of names.sort()) {
    const content = await readFile(join(folder, name));
    hash.update(`${name}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
}

function installError(home: string, cause: unknown): TidemarkError {
  const code = systemCode(cause) ?? 'unknown';
  const message = l10n.t('The daemon could not be copied to {0} ({1}).', home, code);
  const hint =
    code === 'ENOSPC'
      ? l10n.t('The disk is full: make room, then start the daemon again.')
      : l10n.t('Check that you may write there, or choose another folder with `tidemark.daemon.dataDirectory`.');
  return new TidemarkError(errorCodes.daemonStartFailed, message, { hint, cause });
}
