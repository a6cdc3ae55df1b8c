/** Where on this machine a differencing VHDX says its parent is, and how it shall say it. */
import { dirname, isAbsolute, relative, resolve, win32 } from 'node:path';

import type { ParentLocator } from './parent-locator.ts';

const verbatimPrefix = '\\\\?\\';

/** The places to look for the parent of the disk at `child`, in the order of MS-VHDX 2.6.2.6.3: relative, volume, absolute. */
export function parentCandidates(child: string, locator: ParentLocator): readonly string[] {
  const found: string[] = [];
  const { relativePath, volumePath, absolutePath } = locator;
  if (relativePath !== undefined && isRelative(relativePath)) {
    found.push(resolve(dirname(child), native(relativePath)));
  }
  // Volume names mean something to Windows only.
  if (volumePath !== undefined && process.platform === 'win32') found.push(volumePath);
  if (absolutePath !== undefined) {
    const path = withoutPrefix(absolutePath);
    if (isAbsolute(native(path))) found.push(native(path));
  }
  // A text with a zero in it names no file.
  return found.filter((path) => !path.includes('\0'));
}

/** `\\?\C:\…` is `C:\…`, and `\\?\UNC\server\…` is `\\server\…`. */
function withoutPrefix(path: string): string {
  if (!path.startsWith(verbatimPrefix)) return path;
  const rest = path.slice(verbatimPrefix.length);
  return /^unc\\/i.test(rest) ? `\\\\${rest.slice(4)}` : rest;
}

const isRelative = (path: string): boolean => !win32.isAbsolute(path) && !/^[a-z]:/i.test(path);
const native = (path: string): string => (process.platform === 'win32' ? path : path.replaceAll('\\', '/'));

/** The paths by which the disk at `child` shall name its parent. Only Windows gets an absolute one: elsewhere nobody could read it. */
export function pathsToParent(child: string, parent: string): Pick<ParentLocator, 'relativePath' | 'absolutePath'> {
  const path = relative(dirname(resolve(child)), resolve(parent)).replaceAll('/', '\\');
  const relativePath = path.startsWith('.') ? path : `.\\${path}`;
  if (process.platform !== 'win32') return { relativePath };
  return { relativePath, absolutePath: `${verbatimPrefix}${resolve(parent)}` };
}
