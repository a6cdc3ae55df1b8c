/** Finds a Node that can run the daemon: 22.15 or later. */
import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { basename, delimiter, isAbsolute, join } from 'node:path';
import { promisify } from 'node:util';

import { errorCodes, TidemarkError } from '../../server/protocol/errors.ts';
import { l10n } from '../base/l10n.ts';

/** A program that runs JavaScript, and what its environment needs for that. */
export interface Runtime {
  readonly command: string;
  readonly env: Readonly<Record<string, string>>;
  /** `24.1.0`. */
  readonly version: string;
  readonly source: 'setting' | 'path' | 'editor';
}

/** Where to look. Tests give their own. */
export interface RuntimeOptions {
  /** The setting; empty when there is none. Then nothing else is tried: the user has chosen. */
  readonly nodePath: string;
  /** The PATH of this process. */
  readonly path: string;
  readonly platform: NodeJS.Platform;
  /** The program that runs this extension, and its Node's version. */
  readonly execPath: string;
  readonly ownVersion: string;
  /** Gives what `command --version` prints; throws when it cannot be run. */
  readonly askVersion: (command: string) => Promise<string>;
}

const oldest = { major: 22, minor: 15 } as const;

/** Whether `v22.15.0` (or later) can run the daemon. */
export function isNewEnough(version: string): boolean {
  const parts = /^v?(\d+)\.(\d+)\./.exec(version.trim());
  if (parts === null) return false;
  const [major, minor] = [Number(parts[1]), Number(parts[2])];
  return major > oldest.major || (major === oldest.major && minor >= oldest.minor);
}

/**
 * The Node of the setting; else the first on the PATH that is new enough; else the program that runs this extension, which is a
 * plain Node on a remote server and VS Code itself, told to act as Node, on a desktop. Throws `TM5004` when there is none.
 */
export async function findRuntime(options: RuntimeOptions): Promise<Runtime> {
  if (options.nodePath !== '') return fromSetting(options);
  const name = options.platform === 'win32' ? 'node.exe' : 'node';
  for (const directory of options.path.split(delimiter)) {
    // An empty or relative entry means the current folder, which may be anybody's.
    if (!isAbsolute(directory)) continue;
    const command = join(directory, name);
    const version = await versionOf(command, options).catch(() => undefined);
    if (version !== undefined && isNewEnough(version))
      return { command, env: {}, version: bare(version), source: 'path' };
  }
  if (isNewEnough(options.ownVersion)) return ofEditor(options);
  throw new TidemarkError(
    errorCodes.daemonStartFailed,
    l10n.t('No Node.js 22.15 or later was found to run the daemon.'),
    {
      hint: l10n.t('Install Node.js, or set `tidemark.daemon.nodePath`.'),
    },
  );
}

async function fromSetting(options: RuntimeOptions): Promise<Runtime> {
  const command = options.nodePath;
  const hint = l10n.t('Change the setting `tidemark.daemon.nodePath`, or leave it empty.');
  let version: string;
  try {
    version = await versionOf(command, options);
  } catch (cause) {
    throw new TidemarkError(errorCodes.daemonStartFailed, l10n.t('{0} cannot be run.', command), { hint, cause });
  }
  if (!isNewEnough(version)) {
    const message = l10n.t('{0} is not Node.js 22.15 or later: it says {1}.', command, version.trim().slice(0, 40));
    throw new TidemarkError(errorCodes.daemonStartFailed, message, { hint });
  }
  return { command, env: {}, version: bare(version), source: 'setting' };
}

function ofEditor({ execPath, ownVersion, platform }: RuntimeOptions): Runtime {
  const plain = basename(execPath, platform === 'win32' ? '.exe' : '').toLowerCase() === 'node';
  const env: Record<string, string> = plain ? {} : { ELECTRON_RUN_AS_NODE: '1' };
  return { command: execPath, env, version: bare(ownVersion), source: 'editor' };
}

/** Known answers, so that a PATH full of old Nodes costs its time once. */
const known = new Map<string, string>();

async function versionOf(command: string, options: RuntimeOptions): Promise<string> {
  const remembered = known.get(command);
  if (remembered !== undefined) return remembered;
  const version = await options.askVersion(command);
  known.set(command, version);
  return version;
}

const bare = (version: string): string => version.trim().replace(/^v/, '');

/** How long a program may take to say its version, ms. */
const versionTimeoutMs = 5000;

/** Runs `command --version`. */
export async function askVersion(command: string): Promise<string> {
  await access(command, constants.X_OK);
  const options = { timeout: versionTimeoutMs, windowsHide: true, maxBuffer: 65_536 };
  const { stdout } = await promisify(execFile)(command, ['--version'], options);
  return stdout;
}
