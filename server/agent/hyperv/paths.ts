/**
 * Which files of the host the agent opens: plain absolute paths of Windows with the name of a disk or of a configuration file. Paths come from
 * Hyper-V and from disk files (as parents), and who may write a disk file may write anything there. Rules of names: Microsoft's "Naming Files, Paths, and Namespaces".
 */
import { posix, win32 } from 'node:path';

import { errorCodes, TidemarkError } from '../../protocol/errors.ts';

/** What a path is for; each has its own extensions. */
export type FileKind = 'disk' | 'configuration';

const extensions = {
  disk: ['.vhdx', '.avhdx', '.vhd', '.avhd'],
  configuration: ['.vmcx', '.vmrs', '.vmgs'],
} as const;

/** Longest path of Windows, in characters. */
const maxPathLength = 32_767;
/** What no name of Windows holds; a colon would name an alternate stream. */
const forbidden = /[\p{Cc}<>:"/\\|?*]/u;
/** Names that are devices, with any extension. */
const deviceName = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])$/i;

/** What is written like a share of files and is none: named pipes and mail slots, where who listens learns who asks ("Universal Naming Convention"). */
const noShares: ReadonlySet<string> = new Set(['pipe', 'mailslot', 'ipc$']);

/** The rules by which paths are read; those of this machine unless a test says otherwise. */
export type PathRules = 'windows' | 'posix';

export const ownRules: PathRules = process.platform === 'win32' ? 'windows' : 'posix';

/** Whether this is a path of a file of that kind that the agent opens. */
export function isHostPath(path: string, kind: FileKind, rules: PathRules = ownRules): boolean {
  const names = plainNames(path, rules);
  return names !== undefined && names.length > 0 && hasExtension(path, kind);
}

/** The path, when `isHostPath`. Throws `TM2112`. */
export function hostPath(path: string, kind: FileKind, rules: PathRules = ownRules): string {
  if (isHostPath(path, kind, rules)) return path;
  const what = kind === 'disk' ? 'a virtual disk' : 'a configuration file';
  throw new TidemarkError(errorCodes.hostStateInvalid, `Tidemark does not open ${JSON.stringify(path)} as ${what}.`, {
    hint: `Only files with plain full paths are opened, with the extensions ${extensions[kind].join(', ')}. Look at the settings of the VM in Hyper-V Manager.`,
  });
}

/** Whether this is an absolute path, of a file or a folder, without devices, alternate streams, `.` and `..`. */
export function isPlainPath(path: string, rules: PathRules = ownRules): boolean {
  return plainNames(path, rules) !== undefined;
}

/** The names behind the drive, share or volume; undefined when the path does not begin with one, or a name is none. */
function plainNames(path: string, rules: PathRules): readonly string[] | undefined {
  if (path.length > maxPathLength) return undefined;
  if (rules === 'posix') {
    const names = path.split('/').filter((name) => name !== '');
    const plain = path.startsWith('/') && !path.includes('\0') && !names.includes('..') && !names.includes('.');
    return plain ? names : undefined;
  }
  // Without a separator a drive is where a process last was on it.
  if (path.endsWith(':')) return undefined;
  // A folder may be written with a separator at its end.
  const whole = /[\\/]$/.test(path) ? path : `${path}\\`;
  const { root } = splitRoot(whole);
  if (root === undefined) return undefined;
  // Behind `\\?\` a slash is a character of the name, elsewhere a separator.
  const names = whole.slice(root.length).split(whole.startsWith('\\\\?\\') ? '\\' : /[\\/]/);
  names.pop();
  return names.every(isPlainName) ? names : undefined;
}

/** Whether Windows takes this as the name of one file or folder, and as nothing else. */
export function isPlainName(name: string): boolean {
  if (name.length === 0 || name.length > 255 || forbidden.test(name) || /[. ]$/.test(name)) return false;
  return !deviceName.test(name.replace(/\..*$/s, '').trimEnd());
}

/** The beginning that names a drive (`C:\`), a share (`\\server\share\`) or a volume, with the server when there is one. */
function splitRoot(path: string): { readonly root?: string; readonly server?: string } {
  const local = /^(\\\\\?\\)?([a-z]:[\\/]|Volume\{[0-9a-f-]{36}\}\\)/i.exec(path);
  if (local !== null && (local[1] !== undefined || !/^Volume/i.test(path))) return { root: local[0] };
  const share = /^(?:\\\\\?\\UNC\\|\\\\)([^\\/]+)[\\]([^\\/]+)[\\]/i.exec(path);
  if (share === null) return {};
  const [root, server = '', name = ''] = share;
  if (!isPlainName(server) || !isPlainName(name) || noShares.has(name.toLowerCase())) return {};
  return { root, server: server.toLowerCase() };
}

function hasExtension(path: string, kind: FileKind): boolean {
  const lower = path.toLowerCase();
  return extensions[kind].some((extension) => lower.endsWith(extension));
}

/** One text for each file, however its path is written: Windows knows neither case nor two kinds of slashes. */
export function pathKey(path: string, rules: PathRules = ownRules): string {
  if (rules === 'posix') return posix.normalize(path);
  const plain = /^\\\\\?\\UNC\\/i.test(path) ? `\\\\${path.slice(8)}` : path.replace(/^\\\\\?\\(?=[a-z]:)/i, '');
  return win32.normalize(plain).toUpperCase();
}

/** Whether both are paths of the same file, as far as the texts say. */
export function sameFile(a: string, b: string, rules: PathRules = ownRules): boolean {
  return pathKey(a, rules) === pathKey(b, rules);
}

/** The name of the file that a path ends with. */
export function nameOf(path: string): string {
  return path.split(/[\\/]/).at(-1) ?? '';
}

/** Whether `path` lies in `folder`, at any depth. */
export function isInside(folder: string, path: string, rules: PathRules = ownRules): boolean {
  const separator = rules === 'windows' ? '\\' : '/';
  const key = pathKey(folder, rules);
  return pathKey(path, rules).startsWith(key.endsWith(separator) ? key : key + separator);
}

/**
 * Whether the disk file `child` may name `parent`: a plain path of a disk; on a file server only when the child is on the same one, since just looking
 * for a file on another one would log the host in there.
 */
export function mayBeParent(parent: string, child: string, rules: PathRules = ownRules): boolean {
  if (!isHostPath(parent, 'disk', rules)) return false;
  if (rules === 'posix') return true;
  const { server } = splitRoot(parent);
  return server === undefined || server === splitRoot(child).server;
}

/**
 * A name of a file or folder for a text that a person chose: what Windows does not take is replaced, at most `maxLength` characters, never empty.
 * Different texts may give the same name.
 */
export function safeName(text: string, maxLength: number): string {
  const replaced = text
    .toWellFormed()
    .normalize('NFC')
    .replace(/[\p{Cc}<>:"/\\|?*]/gu, '_');
  let short = '';
  for (const character of replaced) {
    if (short.length + character.length > maxLength) break;
    short += character;
  }
  const trimmed = short.trim().replace(/[. ]+$/, '');
  if (trimmed === '') return '_';
  return isPlainName(trimmed) ? trimmed : `_${trimmed}`.slice(0, maxLength).replace(/[. ]+$/, '');
}
