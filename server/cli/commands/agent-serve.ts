/** `tidemark agent serve`: serves a host to daemons. */
import { once } from 'node:events';
import { dirname, resolve } from 'node:path';

import { Option } from 'commander';
import type { Command } from 'commander';

import type { AuditFile } from '../../agent/audit.ts';
import type { ProviderChoice, RunningAgent } from '../../agent/main.ts';
import { describeError, lineLogger } from '../../base/log.ts';
import type { Logger } from '../../base/log.ts';
import type { RotatingFile } from '../../base/rotating-file.ts';
import type { ScramCredential } from '../../base/scram.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { readPassword } from '../context.ts';
import type { CliContext } from '../context.ts';
import { parseThreads, readTextFile } from '../values.ts';
import { version } from '../version.ts';

interface AgentOptions {
  readonly config?: string;
  readonly provider?: 'hyperv' | 'simulated';
  readonly root?: string;
  readonly stateFolder?: string;
  readonly listen?: string;
  readonly passwordFile?: string;
  readonly credentialFile?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly threads?: number;
  readonly logFile?: string;
  readonly auditFile?: string;
  readonly withStandardInput: boolean;
  readonly eventLog: boolean;
}

/** Adds the command below `agent`: the one that is meant when none is named. */
export function addAgentServeCommand(agent: Command, context: CliContext): void {
  agent
    .command('serve', { isDefault: true })
    .description('serve a host to daemons until stopped (SIGTERM or Ctrl-C); `tidemark agent OPTIONS` means this')
    .option('--config <file>', 'serve as this file of `tidemark agent set-up` says, instead of the options below')
    .addOption(new Option('--provider <kind>', 'what drives the host').choices(['hyperv', 'simulated']))
    .option('--root <dir>', 'directory of the simulated host')
    .option('--state-folder <dir>', 'where the Hyper-V provider keeps what it must remember')
    .option('--listen <url>', 'where to listen: https://ADDRESS:PORT or http://ADDRESS:PORT; port 0 takes a free one')
    .option(
      '--password-file <file>',
      'file whose first line is the password that daemons must know; - for standard input',
    )
    .option('--credential-file <file>', 'what checks that password, as set-up makes it, instead of the password itself')
    .option('--tls-cert <file>', 'certificate (PEM), for https')
    .option('--tls-key <file>', "the certificate's key (PEM), for https")
    .option('--threads <number>', 'reads of disks at a time, over all daemons', parseThreads)
    .option('--log-file <file>', 'write the log there, rotated by size, instead of to the terminal')
    .option('--audit-file <file>', 'write who did what there, one JSON object a line, rotated by size')
    .option('--with-standard-input', 'stop when standard input ends, for programs that start an agent', false)
    .option('--event-log', 'with --config, on Windows: write warnings and errors to its event log too', false)
    .addHelpText(
      'after',
      '\nExample:\n  tidemark sim init hostdir\n  tidemark agent --provider simulated --root hostdir \\\n    --listen http://127.0.0.1:8440 --password-file agent.pw\n\nIt prints `listening on URL` when it is ready.',
    )
    .action(async (options: AgentOptions) => {
      await using serving = await start(options, context);
      context.terminal.out(`listening on ${serving.url}\n`);
      if (!serving.signal.aborted) await once(serving.signal, 'abort');
    });
}

/** `signal` is aborted when the agent is to end. */
type Started = AsyncDisposable & Pick<RunningAgent, 'url'> & { readonly signal: AbortSignal };

async function start(options: AgentOptions, context: CliContext): Promise<Started> {
  const { config, eventLog, withStandardInput: _, ...others } = options;
  if (config === undefined) return startWithOptions(options, context);
  if (Object.keys(others).length > 0) {
    throw new TidemarkError(errorCodes.invalidUsage, '--config says everything: no other option goes with it.');
  }
  const { serveConfigured } = await import('../../agent/configured.ts');
  const onLogFailure = (line: string): void => context.terminal.error(`${line}\n`);
  const wrapLog = eventLog ? await asService(dirname(resolve(config)), onLogFailure) : undefined;
  const signal = lifetimeOf(options, context);
  const agent = await serveConfigured(resolve(config), { version, signal, onLogFailure, wrapLog });
  return { url: agent.url, signal, [Symbol.asyncDispose]: async () => agent.close() };
}

/** What a service of Windows has besides: the event log, and files of what it printed in its data folder. */
async function asService(dataPath: string, onFailure: (line: string) => void): Promise<(log: Logger) => Logger> {
  const { EventLog, runProgram, tidyServiceOutput } = await import('../../agent/windows/index.ts');
  await tidyServiceOutput(dataPath).catch((error: unknown) =>
    onFailure(`Old files of the service's output cannot be removed: ${describeError(error)}`),
  );
  return (log) => {
    const events = new EventLog(log, runProgram);
    events.write('info', `The Tidemark agent ${version} starts.`);
    return events;
  };
}

async function startWithOptions(options: AgentOptions, context: CliContext): Promise<Started> {
  const { listen, threads } = options;
  if (listen === undefined) {
    throw new TidemarkError(errorCodes.invalidUsage, 'An agent needs --listen or --config.', {
      hint: 'See: tidemark agent serve --help',
    });
  }
  const provider = providerOf(options);
  const password = await secretOf(options, context);
  // Only now: the password may come from the same standard input.
  const signal = lifetimeOf(options, context);
  const tls = await readTls(options);
  await using files = new AsyncDisposableStack();
  const { log, audit } = await openLogs(options, context, files);
  const { serveAgent } = await import('../../agent/main.ts');
  const agent = await serveAgent({ provider, listen, password, tls, threads, audit, version, log, signal });
  files.defer(async () => agent.close());
  const open = files.move();
  return { url: agent.url, signal, [Symbol.asyncDispose]: async () => open.disposeAsync() };
}

async function openLogs(
  { logFile, auditFile }: AgentOptions,
  context: CliContext,
  files: AsyncDisposableStack,
): Promise<{ readonly log: Logger; readonly audit: AuditFile | undefined }> {
  const toTerminal = (line: string): void => context.terminal.error(`${line}\n`);
  const { openLogFile, openAuditFile } = await import('../../agent/log-files.ts');
  let log = lineLogger(toTerminal);
  if (logFile !== undefined) {
    const file: RotatingFile = openLogFile(resolve(logFile), toTerminal);
    files.defer(() => file[Symbol.dispose]());
    log = lineLogger((line) => file.write(line));
  }
  if (auditFile === undefined) return { log, audit: undefined };
  const audit = openAuditFile(resolve(auditFile), log);
  files.defer(() => audit[Symbol.dispose]());
  return { log, audit };
}

async function secretOf(options: AgentOptions, context: CliContext): Promise<string | ScramCredential> {
  const { credentialFile, passwordFile } = options;
  if (credentialFile === undefined) return readPassword(context, passwordFile, 'Password that daemons must know');
  if (passwordFile !== undefined) {
    throw new TidemarkError(errorCodes.invalidUsage, 'Give either --password-file or --credential-file.');
  }
  const { readCredentialFile } = await import('../../agent/set-up/credential-file.ts');
  return readCredentialFile(resolve(credentialFile));
}

function providerOf({ provider, root, stateFolder }: AgentOptions): ProviderChoice {
  if (provider === undefined) {
    throw new TidemarkError(errorCodes.invalidUsage, 'An agent needs --provider hyperv or --provider simulated.');
  }
  if (provider === 'hyperv') {
    if (stateFolder !== undefined) return { kind: 'hyperv', stateDirectory: resolve(stateFolder) };
    throw new TidemarkError(errorCodes.invalidUsage, 'The Hyper-V provider needs --state-folder DIR.', {
      hint: 'Give a folder that only the account of the agent may change.',
    });
  }
  if (root === undefined) {
    throw new TidemarkError(errorCodes.invalidUsage, 'The simulated provider needs --root DIR.', {
      hint: 'Make a host directory with: tidemark sim init DIR',
    });
  }
  return { kind: 'simulated', root };
}

/** Until the CLI is stopped, or (`--with-standard-input`) its input ends: whoever started the agent and holds that may die without a word. */
function lifetimeOf({ withStandardInput }: AgentOptions, { signal }: CliContext): AbortSignal {
  if (!withStandardInput) return signal;
  const ended = new AbortController();
  process.stdin.once('end', () => ended.abort()).once('close', () => ended.abort());
  process.stdin.resume();
  return AbortSignal.any([signal, ended.signal]);
}

async function readTls(options: AgentOptions): Promise<{ readonly cert: string; readonly key: string } | undefined> {
  const { tlsCert, tlsKey } = options;
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new TidemarkError(errorCodes.invalidUsage, '--tls-cert and --tls-key belong together.');
  }
  return { cert: await readTextFile(tlsCert), key: await readTextFile(tlsKey) };
}
