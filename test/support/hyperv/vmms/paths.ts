/** Object paths as text (`__PATH`), GUIDs made of names, and file paths as Windows writes them. */
import { createHash } from 'node:crypto';

import { plainText } from './wire.ts';
import type { Reference } from './wire.ts';

export const virtualization = 'root/virtualization/v2';
export const cimv2 = 'root/cimv2';

/** `\\HOST\root\virtualization\v2:CLASS.KEY="VALUE"`: backslashes and quotes inside a value are escaped (docs/hyperv.md). */
export function pathText(computerName: string, { className, keys }: Reference): string {
  const pairs = Object.entries(keys)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, key]) => `${name}="${plainText(key).replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`);
  return `\\\\${computerName}\\${virtualization.replaceAll('/', '\\')}:${className}.${pairs.join(',')}`;
}

const keyPattern = /(?:^|,)(\w+)="((?:[^"\\]|\\.)*)"/gy;

/** Reads an object path; undefined when the text is none, or names another computer or namespace. */
export function parsePathText(computerName: string, text: string): Reference | undefined {
  const match = /^(?:\\\\([^\\]+)\\)?root[\\/]virtualization[\\/]v2:(\w+)\.(.+)$/is.exec(text);
  const [, computer, className, rest = ''] = match ?? [];
  if (className === undefined) return undefined;
  if (computer !== undefined && computer !== '.' && computer.toUpperCase() !== computerName) return undefined;
  const keys: Record<string, string> = {};
  let end = 0;
  for (const { 0: whole, 1: name = '', 2: escaped = '', index } of rest.matchAll(keyPattern)) {
    keys[name] = escaped.replaceAll(/\\(.)/gs, '$1');
    end = index + whole.length;
  }
  return end === rest.length ? { className, keys } : undefined;
}

const guids = new Map<string, string>();

/** The same GUID for the same words, always. */
export function guidOf(...words: readonly string[]): string {
  const key = words.join('\0');
  let guid = guids.get(key);
  if (guid === undefined) {
    const hex = createHash('sha256').update(key).digest('hex').toUpperCase();
    guid = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
    guids.set(key, guid);
  }
  return guid;
}

/** How paths of files are written on the wire: as they are, or as a program under Wine knows them (`Z:` is the root). */
export interface PathMapping {
  toWire(path: string): string;
  fromWire(path: string): string;
}

/** The paths of this machine. */
export const samePaths: PathMapping = { toWire: (path) => path, fromWire: (path) => path };

/** `/x/y` is `Z:\x\y`; a relative path only gets backslashes. */
export const winePaths: PathMapping = {
  toWire: (path) => `${path.startsWith('/') ? 'Z:' : ''}${path.replaceAll('/', '\\')}`,
  fromWire: (path) => path.replace(/^[zZ]:(?=[\\/])/, '').replaceAll('\\', '/'),
};
