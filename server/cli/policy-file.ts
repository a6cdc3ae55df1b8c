/** Policy files on this machine. */
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { systemCode } from '../base/files.ts';
import { decodePolicy, maxPolicyBytes } from '../policy/index.ts';
import { errorCodes, TidemarkError } from '../protocol/errors.ts';

/** How files of policies end. */
const policyEnding = '.backup.yaml';

/** At most this many files are taken from a folder. */
const mostFiles = 5000;

/** The bytes of a file; of one that is larger than a policy may be only the first `maxPolicyBytes + 1`. Throws `TM1003`. */
export async function readPolicyBytes(path: string): Promise<Uint8Array> {
  try {
    await using file = await open(path, 'r');
    const buffer = Buffer.alloc(maxPolicyBytes + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length);
      length += bytesRead;
      if (bytesRead === 0 || length === buffer.length) return buffer.subarray(0, length);
    }
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** The text of a policy file. Throws `TM1003` when it cannot be read, `TM7001` when it is too large or not UTF-8. */
export async function readPolicyText(path: string): Promise<string> {
  return decodePolicy(await readPolicyBytes(path), `The file ${path}`);
}

/**
 * The policy files in a folder and the folders below it, in order; `undefined` when `path` is no folder. Hidden folders, `node_modules`
 * and links are left out. Throws `TM1003`.
 */
export async function policyFilesIn(path: string): Promise<readonly string[] | undefined> {
  try {
    return (await stat(path)).isDirectory() ? await filesBelow(path) : undefined;
  } catch (error) {
    throw unreadable(path, error);
  }
}

async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const found: string[] = [];
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    if (entry.isFile() && entry.name.endsWith(policyEnding)) found.push(path);
    else if (entry.isDirectory() && !entry.name.startsWith('.') && entry.name !== 'node_modules')
      found.push(...(await filesBelow(path)));
    if (found.length > mostFiles) {
      throw new TidemarkError(errorCodes.invalidFile, `The folder ${folder} has more than ${mostFiles} policy files.`, {
        hint: 'Name a folder that holds fewer.',
      });
    }
  }
  return found;
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'is not there',
  EISDIR: 'is a folder, not a file',
  EACCES: 'may not be read by this user',
  EPERM: 'may not be read by this user',
};

function unreadable(path: string, error: unknown): TidemarkError {
  if (TidemarkError.is(error)) return error;
  const code = systemCode(error);
  const reason = reasons[code ?? ''] ?? `cannot be read${code === undefined ? '' : ` (${code})`}`;
  return new TidemarkError(errorCodes.invalidFile, `${path} ${reason}.`, { cause: error });
}
