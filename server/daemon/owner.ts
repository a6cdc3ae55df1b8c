/** The id that marks what this data directory's daemon makes on hosts. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { systemCode, writeFileDurably } from '../base/files.ts';
import { ownerId } from '../protocol/ids.ts';
import type { OwnerId } from '../protocol/ids.ts';

/** Reads `DATA/owner`, or makes it at the first start. Throws `TM1001` when it is damaged: a new id would orphan what the old one made. */
export async function openOwner(dataDirectory: string): Promise<OwnerId> {
  const path = join(dataDirectory, 'owner');
  try {
    return ownerId((await readFile(path, 'utf8')).trim(), path);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
  const created = ownerId(randomBytes(16).toString('hex'), path);
  await writeFileDurably(path, `${created}\n`, { mode: 0o600 });
  return created;
}
