/** `tidemark daemon`: the process that does the work. */
import type { Command } from 'commander';

import { lineLogger } from '../../base/log.ts';
import { connectDaemon } from '../../connect/index.ts';
import { runDaemon } from '../../daemon/main.ts';
import * as daemon from '../../protocol/daemon.ts';
import type { DaemonStatus } from '../../protocol/daemon.ts';
import { globalOptions, printResult, withDaemon } from '../context.ts';
import type { CliContext, GlobalOptions } from '../context.ts';
import { age, table } from '../table.ts';
import { version } from '../version.ts';

/** Adds the commands. */
export function addDaemonCommands(program: Command, context: CliContext): void {
  const group = program.command('daemon').description('the process that owns hosts, repositories and runs');

  group
    .command('run')
    .description('serve in the foreground until stopped (SIGTERM or Ctrl-C)')
    .action(async (_options: object, command: Command) => {
      const globals = globalOptions(command);
      const log = lineLogger((line) => context.terminal.error(`${line}\n`));
      await runDaemon({ dataDirectory: globals.data, version, signal: context.signal, log });
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
    .description('stop the daemon')
    .option('--cancel-runs', 'cancel active runs instead of refusing', false)
    .action(async (options: { cancelRuns: boolean }, command: Command) => {
      const globals = globalOptions(command);
      await using client = await connectRunning(context, globals);
      const { pid } = await client.request(daemon.getDaemonStatus, {}, { signal: context.signal });
      await client.request(daemon.stopDaemon, { cancelRuns: options.cancelRuns }, { signal: context.signal });
      printResult(context, globals, { stopped: pid }, 'The daemon has stopped.\n');
    });

  group
    .command('status')
    .description('show whether a daemon runs, and where its log is')
    .action(async (_options: object, command: Command) => {
      const globals = globalOptions(command);
      await using client = await connectRunning(context, globals);
      const status = await client.request(daemon.getDaemonStatus, {}, { signal: context.signal });
      printResult(context, globals, status, statusText(status));
    });
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
