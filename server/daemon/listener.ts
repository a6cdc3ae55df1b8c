/** Where clients connect: a random socket or named pipe, found through the rendezvous files, guarded by mutual proof. */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, rm, rmdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';

import { systemCode } from '../base/files.ts';
import type { Logger } from '../base/log.ts';
import { proveAsServer } from '../base/mutual-proof.ts';
import { readRendezvous, removeRendezvous, rendezvousPaths, writeRendezvous } from '../base/rendezvous.ts';
import { proofBytes } from '../protocol/daemon-handshake.ts';

/** `sun_path` holds 104 bytes on macOS and 108 on Linux, with the closing zero. */
const maxSocketPathBytes = 100;
const temporaryPrefix = 'tidemark-';
/** Connections at a time, proved or not. */
const maxConnections = 128;

/** What the rendezvous file says besides the address. */
export interface ListenerOptions {
  readonly dataDirectory: string;
  readonly instance: string;
  readonly version: string;
  readonly logFile: string;
  readonly protocol: { readonly min: number; readonly max: number };
  readonly log: Logger;
  /** Called with each connection whose client has proved itself. */
  readonly onClient: (socket: Socket) => void;
}

/** A listener that is open. */
export interface Listener {
  /** Takes the rendezvous files away and stops listening; connections that are open stay. */
  close(): Promise<void>;
}

/** Begins to listen and publishes where. Call it with the daemon's lock held. */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const { dataDirectory } = options;
  const { directory } = rendezvousPaths(dataDirectory);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await removeStale(dataDirectory, options.log);
  const token = randomBytes(proofBytes);
  const address = await newAddress(directory);
  const server = createServer((socket) => {
    socket.on('error', (error) => options.log.log('debug', 'A client connection failed', error));
    proveAsServer(socket, token).then(
      () => options.onClient(socket),
      (error: unknown) =>
        options.log.log('warning', 'A connection was refused: it gave no proof of knowing the token', error),
    );
  });
  server.maxConnections = maxConnections;
  await opened(server, address);
  if (process.platform !== 'win32') await chmod(address, 0o600);
  await writeRendezvous(
    dataDirectory,
    {
      format: 1,
      instance: options.instance,
      pid: process.pid,
      startedAt: new Date().toISOString(),
      address,
      protocol: options.protocol,
      version: options.version,
      logFile: options.logFile,
    },
    token,
  );
  return {
    async close() {
      await removeRendezvous(dataDirectory);
      server.close();
      await removeSocket(address, directory);
    },
  };
}

async function opened(server: Server, address: string): Promise<void> {
  const done = Promise.withResolvers<void>();
  server.once('error', done.reject).once('listening', done.resolve);
  server.listen(address);
  await done.promise;
}

/** A random address: Node cannot set the access rights of a Windows pipe (nodejs/node#47086), so at least nobody can guess its name. */
async function newAddress(directory: string): Promise<string> {
  const name = randomBytes(8).toString('hex');
  if (process.platform === 'win32') return `\\\\.\\pipe\\tidemark-${randomBytes(16).toString('hex')}`;
  const beside = join(directory, `${name}.sock`);
  if (Buffer.byteLength(beside) < maxSocketPathBytes) return beside;
  // Made by mkdtemp: ours alone (0700), under a name that was free.
  return join(await mkdtemp(join(temporaryRoot(), temporaryPrefix)), 's');
}

function temporaryRoot(): string {
  const longest = join(tmpdir(), `${temporaryPrefix}XXXXXX`, 's');
  return Buffer.byteLength(longest) < maxSocketPathBytes ? tmpdir() : '/tmp';
}

async function removeSocket(address: string, directory: string): Promise<void> {
  if (process.platform === 'win32') return;
  await rm(address, { force: true });
  const parent = dirname(address);
  if (parent === directory) return;
  try {
    await rmdir(parent);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
}

/** Removes what a daemon that was killed left: its sockets and its rendezvous files. */
async function removeStale(dataDirectory: string, log: Logger): Promise<void> {
  const { directory } = rendezvousPaths(dataDirectory);
  try {
    const old = await readRendezvous(dataDirectory);
    const address = old?.rendezvous.address;
    const isTemporary = address !== undefined && /^tidemark-[A-Za-z0-9]{6}$/.test(basename(dirname(address)));
    if (isTemporary && dirname(dirname(address)) === temporaryRoot()) await removeSocket(address, directory);
  } catch (error) {
    log.log('warning', 'The rendezvous file of an earlier daemon is damaged and is replaced', error);
  }
  await removeRendezvous(dataDirectory);
  for (const name of await readdir(directory)) {
    if (/^[0-9a-f]{16}\.sock$/.test(name) || name.endsWith('.tmp')) await rm(join(directory, name), { force: true });
  }
}
