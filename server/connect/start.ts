/** Starts a daemon that outlives its starter. */
import { spawn } from 'node:child_process';
import { mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { tryFileLock } from '../base/file-lock.ts';
import { rendezvousPaths } from '../base/rendezvous.ts';
import { errorCodes, TidemarkError } from '../protocol/errors.ts';

/** How to start a daemon: a Node executable and the arguments that make it serve the data directory. */
export interface StartCommand {
  /** Path of a Node executable, version 22.15 or later. */
  readonly command: string;
  readonly args: readonly string[];
  /** Added to the daemon's environment: what makes a program other than `node` act as one. */
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/** A daemon process that was started and may or may not come up. */
export interface StartedDaemon {
  /** Whether the process ended and no other daemon holds the data directory. */
  failed(): Promise<boolean>;
  /** `TM5004` with the last thing the process said. */
  error(): Promise<TidemarkError>;
}

/** What a daemon prints before its log file is open, and when it dies; begins anew when it is larger than this, bytes. */
const maxOutputBytes = 1024 * 1024;

/**
 * Starts the command detached and hidden, its output in `DATA/logs/daemon-output.log`, its working directory the data directory (a daemon that
 * stood in a workspace would lock that folder on Windows).
 */
export async function startDetached(dataDirectory: string, start: StartCommand): Promise<StartedDaemon> {
  const logs = join(dataDirectory, 'logs');
  await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
  await mkdir(logs, { recursive: true, mode: 0o700 });
  await mkdir(rendezvousPaths(dataDirectory).directory, { recursive: true, mode: 0o700 });
  const outputFile = join(logs, 'daemon-output.log');
  const output = await open(outputFile, 'a', 0o600);
  let ended: string | undefined;
  let outputStart: number;
  try {
    outputStart = (await output.stat()).size;
    if (outputStart > maxOutputBytes) {
      await output.truncate(0);
      outputStart = 0;
    }
    const child = spawn(start.command, [...start.args], {
      cwd: dataDirectory,
      detached: true,
      windowsHide: true,
      stdio: ['ignore', output.fd, output.fd],
      env: { ...daemonEnvironment(process.env), ...start.env },
    });
    child.once('error', (error) => (ended = error.message));
    child.once('exit', (code, signal) => (ended ??= `it ended with ${signal ?? `exit code ${code}`}`));
    child.unref();
  } finally {
    await output.close();
  }
  return {
    async failed() {
      if (ended === undefined) return false;
      // Two starts at once: ours lost, and the winner is not ready yet.
      const lock = tryFileLock(rendezvousPaths(dataDirectory).lock);
      lock?.release();
      return lock !== undefined;
    },
    async error() {
      const said = (await readFile(outputFile)).subarray(outputStart).toString('utf8').trim().slice(-2000);
      const look = `Look into ${logs}, or run it in the foreground: tidemark daemon run`;
      const refusal = refusalIn(said);
      if (refusal !== undefined) {
        const message = `The daemon could not be started. ${refusal.message}`;
        return new TidemarkError(errorCodes.daemonStartFailed, message, { hint: refusal.hint ?? look });
      }
      const why = ended ?? 'it did not answer in time';
      return new TidemarkError(
        errorCodes.daemonStartFailed,
        `The daemon could not be started: ${why}.${said === '' ? '' : `\n${said}`}`,
        { hint: look },
      );
    },
  };
}

/** The last error that `tidemark daemon run` printed, without the frame of the command line; undefined when it ended in another way. */
function refusalIn(said: string): { readonly message: string; readonly hint: string | undefined } | undefined {
  const last = said.slice(Math.max(0, said.lastIndexOf('\ntidemark: '))).trim();
  const [, message, hint = ''] = /^tidemark: ([^]+?) \(TM\d{4}\)(?:\n([^]*))?$/.exec(last) ?? [];
  if (message === undefined) return undefined;
  return { message: unfolded(message), hint: hint === '' ? undefined : unfolded(hint) };
}

function unfolded(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

/** The environment without what belongs to the starter's own process: Electron and VS Code settings, and Node options such as a debugger. */
export function daemonEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const own = (name: string): boolean => /^(ELECTRON_RUN_AS_NODE|NODE_OPTIONS|VSCODE_.*)$/i.test(name);
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !own(name)));
}
