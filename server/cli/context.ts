/** What every command gets: where to print, which daemon to ask, how to end. */
import { resolve } from 'node:path';

import type { Command } from 'commander';

import { readPasswordFile } from '../base/files.ts';
import { connectDaemon, connectRemoteDaemon } from '../connect/index.ts';
import type { DaemonClient, StartCommand } from '../connect/index.ts';
import { resolveDataDirectory } from '../connect/data-directory.ts';
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import { readHiddenLine, readStandardInputLine } from './prompt.ts';
import { styleFor } from './terminal.ts';
import type { Style, Terminal } from './terminal.ts';
import { version } from './version.ts';

/** The CLI's surroundings; tests give their own. */
export interface CliContext {
  readonly terminal: Terminal;
  readonly style: Style;
  /** Aborted by Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
  /** How to start this program again: `[node, script]`. */
  readonly self: { readonly command: string; readonly script: string };
}

/** Makes the context of a process. */
export function createContext(terminal: Terminal, signal: AbortSignal): CliContext {
  return {
    terminal,
    style: styleFor(terminal),
    signal,
    self: { command: process.execPath, script: process.argv[1] ?? '' },
  };
}

/** Options that every command has. */
export interface GlobalOptions {
  readonly json: boolean;
  /** Absolute data directory of the daemon. */
  readonly data: string;
  /** The daemon on another machine to ask instead. */
  readonly daemon?: RemoteDaemonOptions | undefined;
}

/** How to reach a daemon on another machine. */
export interface RemoteDaemonOptions {
  readonly url: string;
  readonly passwordFile?: string | undefined;
  /** SHA-256 of its certificate, hex; without it an authority must vouch for the certificate. */
  readonly certificate?: string | undefined;
}

/** Reads the options that stand before or after the command. */
export function globalOptions(command: Command): GlobalOptions {
  const options: {
    readonly json?: boolean;
    readonly data?: string;
    readonly daemon?: string;
    readonly daemonPasswordFile?: string;
    readonly daemonCertificate?: string;
  } = command.optsWithGlobals();
  const { daemon: url, daemonPasswordFile: passwordFile, daemonCertificate: certificate } = options;
  if (url === undefined && (passwordFile !== undefined || certificate !== undefined)) {
    throw new TidemarkError(errorCodes.invalidUsage, '--daemon-password-file and --daemon-certificate need --daemon.');
  }
  if (url !== undefined && options.data !== undefined) {
    throw new TidemarkError(errorCodes.invalidUsage, '--data names a daemon of this machine, --daemon one of another.');
  }
  const daemon = url === undefined ? undefined : { url, passwordFile, certificate };
  return { json: options.json === true, data: resolveDataDirectory(options.data), daemon };
}

/** The data directory, for commands that work on the daemon's own machine only. Throws `TM1002`, with `why`, when another one is asked for. */
export function localData(options: GlobalOptions, why: string): string {
  if (options.daemon === undefined) return options.data;
  throw new TidemarkError(errorCodes.invalidUsage, why, { hint: 'Run this there, without --daemon.' });
}

/** A path on the machine of the daemon: a relative one is one of this directory, which only a local daemon shares. */
export function daemonPath(options: GlobalOptions, path: string): string {
  return options.daemon === undefined ? resolve(path) : path;
}

/** A daemon that a command started by itself ends when nobody has needed it for so long. */
const endWhenIdle = ['--exit-when-idle', '10'];

/** How to start the daemon of a data directory in the background. */
export function daemonStartCommand(
  context: CliContext,
  data: string,
  options: readonly string[] = endWhenIdle,
): { readonly command: string; readonly args: readonly string[] } {
  const { command, script } = context.self;
  return { command, args: [script, 'daemon', 'run', '--quiet', '--data', data, ...options] };
}

/** Connects to the daemon, starting a local one when none runs, and closes the connection afterwards. */
export async function withDaemon<T>(
  context: CliContext,
  options: GlobalOptions,
  use: (client: DaemonClient) => Promise<T>,
): Promise<T> {
  const start = options.daemon === undefined ? daemonStartCommand(context, options.data) : undefined;
  await using client = await connectTo(context, options, start);
  return await use(client);
}

/** Connects to the daemon that the options name. `start` starts a local one when none runs. */
export async function connectTo(
  context: CliContext,
  options: GlobalOptions,
  start?: StartCommand,
): Promise<DaemonClient> {
  const { signal } = context;
  const client = `tidemark-cli ${version}`;
  const { daemon } = options;
  if (daemon === undefined) return connectDaemon({ dataDirectory: options.data, client, start, signal });
  const { url, certificate: certificateSha256 } = daemon;
  const password = await readPassword(context, daemon.passwordFile, `Password of the daemon at ${url}`, 'daemon-');
  return (await connectRemoteDaemon({ url, password, certificateSha256, client, signal })).client;
}

/** Prints a result: as one JSON document, or as `text` for people. */
export function printResult(context: CliContext, options: GlobalOptions, result: unknown, text: string): void {
  context.terminal.out(options.json ? `${JSON.stringify(result, undefined, 2)}\n` : text);
}

/** A password from `--password-file` (with `prefix`: `--daemon-password-file`) (`-` is standard input), or asked for on a terminal. Never from an argument. */
export async function readPassword(
  context: CliContext,
  file: string | undefined,
  question: string,
  prefix: 'daemon-' | '' = '',
): Promise<string> {
  if (file === '-') return readStandardInputLine();
  if (file !== undefined) return readPasswordFile(file);
  if (process.stdin.isTTY && context.terminal.interactive) return readHiddenLine(question);
  throw new TidemarkError(errorCodes.invalidUsage, 'A password is needed, and there is no terminal to ask for it.', {
    hint: `Give --${prefix}password-file FILE, or --${prefix}password-file - to read it from standard input.`,
  });
}
