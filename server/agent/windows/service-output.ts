/** The files of what the service's program printed: nssm puts them aside at a start when they are large, and never removes one. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { systemCode } from '../../base/files.ts';

/** Of those put aside, so many stay: the newest. */
const kept = 2;

/** As nssm names a file that it puts aside: `service-20261128T093015.123.log`, in UTC. */
const putAside = /^service-\d{8}T\d{6}\.\d{3}\.log$/;

/** Removes all but the newest files that were put aside. A folder that is not there is no failure. */
export async function tidyServiceOutput(dataPath: string): Promise<void> {
  const logs = join(dataPath, 'logs');
  const old = (await namesIn(logs)).filter((name) => putAside.test(name)).toSorted();
  for (const name of old.slice(0, -kept)) await rm(join(logs, name), { force: true });
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}
