/** Reads and writes the few registry values that the agent's installation has, with `reg.exe`. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { mustRun, systemProgram } from './programs.ts';
import type { RunProgram } from './programs.ts';

/** A value: text, or a number of 32 bits. */
export type RegistryValue = string | number;

/**
 * The values of a key, without those of the keys below it; empty when there is no such key. Read from an export, which is UTF-16: what `reg query`
 * prints is in the code page of the console, and paths may have any letters.
 */
export async function readRegistryKey(run: RunProgram, key: string): Promise<ReadonlyMap<string, RegistryValue>> {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-registry-'));
  const file = join(folder, 'key.reg');
  try {
    const { code } = await run(systemProgram('reg.exe'), ['export', key, file, '/y', '/reg:64']);
    return code === 0 ? parseExport(await readFile(file, 'utf16le')) : new Map();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Only the first key of an export is the one that was asked for. */
function parseExport(text: string): ReadonlyMap<string, RegistryValue> {
  const values = new Map<string, RegistryValue>();
  const [, body = ''] = /^\[[^\r\n]*\]\r?\n((?:(?!\[).*(?:\r?\n|$))*)/m.exec(text) ?? [];
  for (const [, name = '', quoted, number] of body.matchAll(
    /^"((?:[^"\\]|\\.)*)"=(?:"((?:[^"\\]|\\.)*)"|dword:([0-9a-f]{8}))/gm,
  )) {
    values.set(unescape(name), quoted === undefined ? Number.parseInt(number ?? '0', 16) : unescape(quoted));
  }
  return values;
}

function unescape(text: string): string {
  return text.replaceAll(/\\(.)/g, '$1');
}

/** Writes values of a key, which is made when it is not there. `expand`: names of texts in which Windows replaces variables. */
export async function writeRegistryKey(
  run: RunProgram,
  key: string,
  values: Readonly<Record<string, RegistryValue>>,
  expand: readonly string[] = [],
): Promise<void> {
  for (const [name, value] of Object.entries(values)) {
    const type = typeof value === 'number' ? 'REG_DWORD' : expand.includes(name) ? 'REG_EXPAND_SZ' : 'REG_SZ';
    const args = ['add', key, '/v', name, '/t', type, '/d', String(value), '/f', '/reg:64'];
    await mustRun(run, `Writing the registry key ${key}`, systemProgram('reg.exe'), args);
  }
}

/** Removes a key with everything below it. One that is not there is no failure. */
export async function removeRegistryKey(run: RunProgram, key: string): Promise<void> {
  await run(systemProgram('reg.exe'), ['delete', key, '/f', '/reg:64']);
}
