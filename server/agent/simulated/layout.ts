/** Where everything of a host directory lies, and which names may become part of a path. */
import { join } from 'node:path';

import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { refuse } from '../../protocol/parse.ts';
import type { Parser } from '../../protocol/parse.ts';

/** The folders of a host. All but `vms` hold what a crash may leave; `recover` empties them. */
export const folders = {
  vms: 'vms',
  /** The RAM of running VMs. */
  memory: 'memory',
  locks: 'locks',
  exports: 'export',
  restoring: 'restoring',
  creating: 'creating',
  incoming: 'incoming',
} as const;

/** A VM's state file, in its folder. */
export const vmFile = 'vm.json';

export const hostPath = (root: string): string => join(root, 'host.json');
export const folderPath = (root: string, folder: keyof typeof folders, ...rest: readonly string[]): string =>
  join(root, folders[folder], ...rest);
export const memoryPath = (root: string, vmId: string): string => folderPath(root, 'memory', vmId);
export const vmLockPath = (root: string, vmId: string): string => folderPath(root, 'locks', `vm-${vmId}.lock`);
/** Guards the list of VMs: names and ids are taken under it. Never taken before a VM's lock is waited for. */
export const hostLockPath = (root: string): string => folderPath(root, 'locks', 'host.lock');
/** Guards the making and removing of unfinished folders. Nothing else is waited for while it is held. */
export const stagingLockPath = (root: string): string => folderPath(root, 'locks', 'staging.lock');

/** Longest name in UTF-8 bytes: leaves room for `_<GUID>.avhdx` and temporary suffixes within the 255 of file systems. */
const maxNameBytes = 128;
// Win32 "Naming Files, Paths, and Namespaces": reserved characters and device names.
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const reservedCharacters = /[<>:"/\\|?*\u0000-\u001f\u007f]/;
const reservedNames = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])(\..*)?$/i;

/** Why `name` cannot name a file on every platform; undefined when it can. */
function nameProblem(name: string, maxBytes: number): string | undefined {
  if (name === '') return 'is empty';
  if (Buffer.byteLength(name) > maxBytes) return `is longer than ${maxBytes} bytes`;
  if (reservedCharacters.test(name)) return 'holds a character that file names cannot have';
  if (/^\s|[\s.]$/.test(name) || name.startsWith('.')) return 'begins with a dot or space, or ends with one';
  if (reservedNames.test(name)) return 'is reserved by Windows';
  return undefined;
}

/** Refuses names of VMs and disks that cannot be file names. Throws `TM1001`. */
export function checkName(name: string, what: 'VM' | 'disk'): void {
  const problem = nameProblem(name, maxNameBytes);
  if (problem === undefined) return;
  throw new TidemarkError(errorCodes.invalidInput, `${JSON.stringify(name)} cannot name a ${what}: it ${problem}.`, {
    hint: 'Use letters, digits, dashes and underscores.',
  });
}

/** Names differ when they differ on a file system that ignores case. */
export const sameName = (a: string, b: string): boolean =>
  a.normalize('NFC').toLowerCase() === b.normalize('NFC').toLowerCase();

/** Parses the name of a file inside a VM's folder. */
export const plainFileName: Parser<string> = (value, path) =>
  typeof value === 'string' && nameProblem(value, 255) === undefined ? value : refuse(path, 'the name of a file');
