/** `tidemark daemon`: the process that does the work. */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Command } from 'commander';

import { tryFileLock } from '../../base/file-lock.ts';
import { readRendezvous, rendezvousPaths } from '../../base/rendezvous.ts';
import { connectDaemon } from '../../connect/index.ts';
import type { DaemonOptions } from '../../daemon/daemon.ts';
import type { RemoteAccess } from '../../daemon/remote-listener.ts';
import * as daemon from '../../protocol/daemon.ts';
import type { DaemonStatus } from '../../protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { connectTo, daemonStartCommand, globalOptions, localData, printResult, readPassword } from '../context.ts';
import type { CliContext, GlobalOptions } from '../context.ts';
import { readTextFile, wholeNumber } from '../values.ts';
import { age, table } from '../table.ts';
import { version } from '../version.ts';
import { addMessageCommands } from './daemon-messages.ts';

const pollMs = 20;

interface RunOptions {
  readonly quiet: boolean;
  readonly listen?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly passwordFile?: string;
  readonly exitWhenIdle?: number;
  readonly metrics?: string;
}

const metricsOption = [
  '--metrics <address>',
  'offer metrics at http://ADDRESS/metrics, such as 127.0.0.1:9464',
] as const;
/** For daemons that are started by themselves. */
const metricsVariable = 'TIDEMARK_METRICS';

/** Where metrics are wanted. From the environment they are not worth a daemon that does not start. Throws `TM1002`. */
async function wantedMetrics(context: CliContext, option: string | undefined): Promise<DaemonOptions['metrics']> {
  const { parseMetricsAddress } = await import('../../daemon/metrics/listen.ts');
  if (option !== undefined) return { address: parseMetricsAddress(option), required: true };
  const text = process.env[metricsVariable] ?? '';
  if (text === '') return undefined;
  try {
    return { address: parseMetricsAddress(text), required: false };
  } catch (error) {
    context.terminal.error(`${metricsVariable}: ${TidemarkError.from(error).message}\n`);
    return undefined;
  }
}

/** What `--listen` and the options that belong to it ask for. Throws `TM1002` when they do not fit together. */
async function remoteAccess(context: CliContext, options: RunOptions): Promise<RemoteAccess | undefined> {
  const { listen, tlsCert, tlsKey, passwordFile } = options;
  if (listen === undefined) {
    if (tlsCert === undefined && tlsKey === undefined && passwordFile === undefined) return undefined;
    throw new TidemarkError(errorCodes.invalidUsage, '--tls-cert, --tls-key and --password-file need --listen.');
  }
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new TidemarkError(errorCodes.invalidUsage, 'A daemon that listens for other machines needs a certificate.', {
      hint: 'Give --tls-cert and --tls-key. A self-signed certificate will do.',
    });
  }
  const password = await readPassword(context, passwordFile, 'Password that clients on other machines must know');
  return { listen, cert: await readTextFile(tlsCert), key: await readTextFile(tlsKey), password };
}

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
    .option('--listen <url>', 'serve other machines too, at https://ADDRESS:PORT; port 0 takes a free one')
    .option('--tls-cert <file>', 'certificate (PEM), for --listen')
    .option('--tls-key <file>', "the certificate's key (PEM), for --listen")
    .option('--password-file <file>', 'file whose first line is the password of those machines; - for standard input')
    .option(
      '--exit-when-idle <minutes>',
      'end when for so long no client was connected and no run was active',
      wholeNumber(1, 1440),
    )
    .option(...metricsOption)
    .addHelpText(
      'after',
      '\nExample of a backup server:\n  tidemark daemon run --data /srv/tidemark --listen https://0.0.0.0:8441 \\\n    --tls-cert server.crt --tls-key server.key --password-file daemon.pw',
    )
    .action(async (options: RunOptions, command: Command) => {
      const globals = globalOptions(command);
      const print = (line: string): void => context.terminal.error(`${line}\n`);
      const onLogLine = options.quiet ? undefined : print;
      const remote = await remoteAccess(context, options);
      const { runDaemon } = await import('../../daemon/main.ts');
      await runDaemon({
        dataDirectory: globals.data,
        version,
        signal: context.signal,
        onLogLine,
        remote,
        metrics: await wantedMetrics(context, options.metrics),
        exitWhenIdleMs: options.exitWhenIdle === undefined ? undefined : options.exitWhenIdle * 60_000,
        program: [context.self.command, context.self.script],
      });
    });

  group
    .command('start')
    .description('start in the background, unless one runs; other commands do this by themselves')
    .option(...metricsOption)
    .action(async ({ metrics }: Pick<RunOptions, 'metrics'>, command: Command) => {
      const globals = globalOptions(command);
      await wantedMetrics(context, metrics);
      // Whoever starts it by hand wants it to stay.
      await using client = await connectDaemon({
        dataDirectory: localData(globals, 'A daemon is started on its own machine.'),
        client: `tidemark-cli ${version}`,
        start: daemonStartCommand(context, globals.data, metrics === undefined ? [] : ['--metrics', metrics]),
        signal: context.signal,
      });
      const status = await client.request(daemon.getDaemonStatus, {}, { signal: context.signal });
      if (metrics !== undefined && status.metricsUrl === undefined) {
        context.terminal.error('A daemon runs already, without metrics. Stop it first.\n');
      }
      printResult(context, globals, status, statusText(status));
    });

  group
    .command('stop')
    .description('stop the daemon, and wait until it is gone')
    .option('--cancel-runs', 'cancel active runs instead of refusing', false)
    .action(async (options: { cancelRuns: boolean }, command: Command) => {
      const globals = globalOptions(command);
      const stopped = await stop(context, globals, options.cancelRuns);
      const text =
        stopped === null ? `No daemon serves ${globals.daemon?.url ?? globals.data}.\n` : 'The daemon has stopped.\n';
      printResult(context, globals, { stopped }, text);
    });

  group
    .command('status')
    .description('show whether a daemon runs, and where its log is; exits with 1 when none does')
    .action(async (_options: object, command: Command) => {
      const globals = globalOptions(command);
      await using client = await connectTo(context, globals);
      const status = await client.request(daemon.getDaemonStatus, {}, { signal: context.signal });
      printResult(context, globals, status, statusText(status));
    });

  addMessageCommands(group, context);
}

/** Stops the daemon and gives its process id; null when none runs. Throws `TM5005` while runs are active. */
async function stop(context: CliContext, globals: GlobalOptions, cancelRuns: boolean): Promise<number | null> {
  const { signal } = context;
  try {
    await using client = await connectTo(context, globals);
    const { pid } = await client.request(daemon.getDaemonStatus, {}, { signal });
    await client.request(daemon.stopDaemon, { cancelRuns }, { signal });
    if (globals.daemon === undefined) {
      while (await holds(globals.data, client.instance)) await sleep(pollMs, undefined, { signal });
    } else if (!client.closed.aborted) {
      await once(client.closed, 'abort', { signal });
    }
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

function statusText(status: DaemonStatus): string {
  return table(
    [{ title: 'DAEMON' }, { title: '' }],
    [
      ['version', status.version],
      ['process', `${status.pid}, started ${age(status.startedAt)}`],
      ['machine', status.machine],
      ['data', status.dataDirectory],
      ...(status.remoteUrl === undefined ? [] : [['for other machines', status.remoteUrl]]),
      ...(status.metricsUrl === undefined ? [] : [['metrics', status.metricsUrl]]),
      ['log', status.logFile],
      ['active runs', String(status.activeRuns)],
      ['hosts', String(status.hosts)],
      ['repositories', String(status.repositories)],
    ],
  );
}
