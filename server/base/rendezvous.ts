/** The files in `DATA/run` through which clients find a daemon (protocol/daemon-handshake.ts). */
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import { rendezvous as parseRendezvous } from '../protocol/daemon-handshake.ts';
import type { Rendezvous } from '../protocol/daemon-handshake.ts';
import { readJsonFile, systemCode, writeFileDurably } from './files.ts';

/** Where the files of a data directory lie. */
export function rendezvousPaths(dataDirectory: string): {
  readonly directory: string;
  readonly file: string;
  readonly token: string;
  readonly lock: string;
} {
  const directory = join(dataDirectory, 'run');
  return {
    directory,
    file: join(directory, 'daemon.json'),
    token: join(directory, 'token'),
    /** Held by the daemon for its whole life. */
    lock: join(directory, 'daemon.lock'),
  };
}

/** Publishes where the daemon listens; the token first, so that whoever sees the address finds its token. */
export async function writeRendezvous(dataDirectory: string, value: Rendezvous, token: Uint8Array): Promise<void> {
  const paths = rendezvousPaths(dataDirectory);
  await mkdir(paths.directory, { recursive: true, mode: 0o700 });
  await writeFileDurably(paths.token, `${Buffer.from(token).toString('hex')}\n`, { mode: 0o600 });
  await writeFileDurably(paths.file, `${JSON.stringify(value, undefined, 2)}\n`, { mode: 0o600 });
}

/** Takes the files away, so that the next client does not try a daemon that is gone. */
export async function removeRendezvous(dataDirectory: string): Promise<void> {
  const paths = rendezvousPaths(dataDirectory);
  await rm(paths.file, { force: true });
  await rm(paths.token, { force: true });
}

/** Where the daemon of this data directory listens and the token; undefined when there are no such files. Throws `TM5002` when they are damaged or not ours to read. */
export async function readRendezvous(
  dataDirectory: string,
): Promise<{ readonly rendezvous: Rendezvous; readonly token: Buffer } | undefined> {
  const paths = rendezvousPaths(dataDirectory);
  try {
    const rendezvous = await readJsonFile(paths.file, parseRendezvous, 65_536);
    if (rendezvous === undefined) return undefined;
    const text = (await readFile(paths.token, 'utf8')).trim();
    if (!/^[0-9a-f]{64}$/.test(text)) {
      throw new TidemarkError(errorCodes.daemonAuthenticationFailed, `${paths.token} holds no token.`);
    }
    return { rendezvous, token: Buffer.from(text, 'hex') };
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    if (systemCode(error) === 'EACCES' || systemCode(error) === 'EPERM') {
      throw new TidemarkError(
        errorCodes.daemonAuthenticationFailed,
        `The daemon of ${dataDirectory} belongs to another user.`,
        { hint: 'Choose a data directory of your own with --data.', cause: error },
      );
    }
    throw error;
  }
}
