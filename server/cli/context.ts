/** What every command gets: where to print, which daemon to ask, how to end. */
import type { Command } from 'commander';

import { readPasswordFile } from '../base/files.ts';
import { connectDaemon } from '../connect/index.ts';
import type { DaemonClient } from '../connect/index.ts';
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
}

/** Reads the options that stand before or after the command. */
export function globalOptions(command: Command): GlobalOptions {
  const options: { readonly json?: boolean; readonly data?: string } = command.optsWithGlobals();
  return { json: options.json === true, data: resolveDataDirectory(options.data) };
}

/** How to start the daemon of a data directory in the background. */
export function daemonStartCommand(
  context: CliContext,
  data: string,
): { readonly command: string; readonly args: readonly string[] } {
  return { command: context.self.command, args: [context.self.script, 'daemon', 'run', '--quiet', '--data', data] };
}

/** Connects to the daemon, starting it when none runs, and closes the connection afterwards. */
export async function withDaemon<T>(
  context: CliContext,
  options: GlobalOptions,
  use: (client: DaemonClient) => Promise<T>,
): Promise<T> {
  await using client = await connectDaemon({
    dataDirectory: options.data,
    client: `tidemark-cli ${version}`,
    start: daemonStartCommand(context, options.data),
    signal: context.signal,
  });
  return await use(client);
}

/** Prints a result: as one JSON document, or as `text` for people. */
export function printResult(context: CliContext, options: GlobalOptions, result: unknown, text: string): void {
  context.terminal.out(options.json ? `${JSON.stringify(result, undefined, 2)}\n` : text);
}

/** A password from `--password-file` (`-` is standard input), or asked for on a terminal. Never from an argument. */
export async function readPassword(context: CliContext, file: string | undefined, question: string): Promise<string> {
  if (file === '-') return readStandardInputLine();
  if (file !== undefined) return readPasswordFile(file);
  if (process.stdin.isTTY && context.terminal.interactive) return readHiddenLine(question);
  throw new TidemarkError(errorCodes.invalidUsage, 'A password is needed, and there is no terminal to ask for it.', {
    hint: 'Give --password-file FILE, or --password-file - to read it from standard input.',
  });
}
