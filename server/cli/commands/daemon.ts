/** `tidemark daemon`: the process that does the work. */
import { setTimeout as sleep } from 'node:timers/promises';

import type { Command } from 'commander';

import { tryFileLock } from '../../base/file-lock.ts';
import { readRendezvous, rendezvousPaths } from '../../base/rendezvous.ts';
import { connectDaemon } from '../../connect/index.ts';
import * as daemon from '../../protocol/daemon.ts';
import type { DaemonStatus } from '../../protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { globalOptions, printResult, withDaemon } from '../context.ts';
import type { CliContext, GlobalOptions } from '../context.ts';
import { age, table } from '../table.ts';
import { version } from '../version.ts';

const pollMs = 20;

/** Adds the commands. */
export function addDaemonCommands(program: Command, context: CliContext): void {
  const group = program
    .command('daemon')
    .description('the process that owns hosts, repositories and runs')
    .addHelpText('after', '\nExample:\n  tidemark daemon status\n  tidemark daemon stop --data /srv/tidemark');

  group
    .command('run')
    .description('serve in the foreground until stopped (SIGTERM or Ctrl-C)')
    .option('--quiet', 'write the log to its file only', false)
    .action(async (options: { quiet: boolean }, command: Command) => {
      const globals = globalOptions(command);
      const print = (line: string): void => context.terminal.error(`${line}\n`);
      const onLogLine = options.quiet ? undefined : print;
      const { runDaemon } = await import('../../daemon/main.ts');
      await runDaemon({ dataDirectory: globals.data, version, signal: context.signal, onLogLine });
    });

  group
    .command('start')
    .description('start in the background, unless one runs; other commands do this by themselves')
    .action(async (_options: object, command: Command) => {
      const globals = globalOptions(command);
      const status = await withDaemon(context, globals, async (client) =>
        client.request(daemon.getDaemonStatus, {}, { signal: context.signal }),
      );
      printResult(context, globals, status, statusText(status));
    });

  group
    .command('stop')
    .description('stop the daemon, and wait until it is gone')
    .option('--cancel-runs', 'cancel active runs instead of refusing', false)
    .action(async (options: { cancelRuns: boolean }, command: Command) => {
      const globals = globalOptions(command);
      const stopped = await stop(context, globals, options.cancelRuns);
      const text = stopped === null ? `No daemon serves ${globals.data}.\n` : 'The daemon has stopped.\n';
      printResult(context, globals, { stopped }, text);
    });

  group
    .command('status')
    .description('show whether a daemon runs, and where its log is; exits with 1 when none does')
    .action(async (_options: object, command: Command) => {
      const globals = globalOptions(command);
      await using client = await connectRunning(context, globals);
      const status = await client.request(daemon.getDaemonStatus, {}, { signal: context.signal });
      printResult(context, globals, status, statusText(status));
    });
}

/** Stops the daemon and gives its process id; null when none runs. Throws `TM5005` while runs are active. */
async function stop(context: CliContext, globals: GlobalOptions, cancelRuns: boolean): Promise<number | null> {
  const { signal } = context;
  try {
    await using client = await connectRunning(context, globals);
    const { pid } = await client.request(daemon.getDaemonStatus, {}, { signal });
    await client.request(daemon.stopDaemon, { cancelRuns }, { signal });
    while (await holds(globals.data, client.instance)) await sleep(pollMs, undefined, { signal });
    return pid;
  } catch (error) {
    if (TidemarkError.is(error, errorCodes.daemonNotRunning)) return null;
    throw error;
  }
}

/** Whether the daemon process `instance` still holds its data directory. Its process id would not tell: ids are used again. */
async function holds(dataDirectory: string, instance: string): Promise<boolean> {
  const lock = tryFileLock(rendezvousPaths(dataDirectory).lock);
  lock?.release();
  if (lock !== undefined) return false;
  const found = await readRendezvous(dataDirectory);
  return found === undefined || found.rendezvous.instance === instance;
}

async function connectRunning(context: CliContext, globals: GlobalOptions): ReturnType<typeof connectDaemon> {
  return connectDaemon({
    dataDirectory: globals.data,
    client: `tidemark-cli ${version}`,
    signal: context.signal,
  });
}

function statusText(status: DaemonStatus): string {
  return table(
    [{ title: 'DAEMON' }, { title: '' }],
    [
      ['version', status.version],
      ['process', `${status.pid}, started ${age(status.startedAt)}`],
      ['data', status.dataDirectory],
      ['log', status.logFile],
      ['active runs', String(status.activeRuns)],
      ['hosts', String(status.hosts)],
      ['repositories', String(status.repositories)],
    ],
  );
}
