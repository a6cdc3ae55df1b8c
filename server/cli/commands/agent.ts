/** `tidemark agent`: serves a host to daemons. */
import { once } from 'node:events';

import { Option } from 'commander';
import type { Command } from 'commander';

import type { ProviderChoice } from '../../agent/main.ts';
import { lineLogger } from '../../base/log.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { readPassword } from '../context.ts';
import type { CliContext } from '../context.ts';
import { readTextFile } from '../values.ts';
import { version } from '../version.ts';

interface AgentOptions {
  readonly provider: 'hyperv' | 'simulated';
  readonly root?: string;
  readonly listen: string;
  readonly passwordFile?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly withStandardInput: boolean;
}

/** Adds the command. */
export function addAgentCommand(program: Command, context: CliContext): void {
  program
    .command('agent')
    .description('serve a host to daemons until stopped (SIGTERM or Ctrl-C)')
    .addOption(
      new Option('--provider <kind>', 'what drives the host').choices(['hyperv', 'simulated']).makeOptionMandatory(),
    )
    .option('--root <dir>', 'directory of the simulated host')
    .requiredOption(
      '--listen <url>',
      'where to listen: https://ADDRESS:PORT or http://ADDRESS:PORT; port 0 takes a free one',
    )
    .option(
      '--password-file <file>',
      'file whose first line is the password that daemons must know; - for standard input',
    )
    .option('--tls-cert <file>', 'certificate (PEM), for https')
    .option('--tls-key <file>', "the certificate's key (PEM), for https")
    .option('--with-standard-input', 'stop when standard input ends, for programs that start an agent', false)
    .addHelpText(
      'after',
      '\nExample:\n  tidemark sim init hostdir\n  tidemark agent --provider simulated --root hostdir \\\n    --listen http://127.0.0.1:8440 --password-file agent.pw\n\nIt prints `listening on URL` when it is ready.',
    )
    .action(async (options: AgentOptions) => {
      const password = await readPassword(context, options.passwordFile, 'Password that daemons must know');
      const signal = options.withStandardInput ? endingWithStandardInput(context.signal) : context.signal;
      const { serveAgent } = await import('../../agent/main.ts');
      const agent = await serveAgent({
        provider: providerOf(options),
        listen: options.listen,
        password,
        tls: await readTls(options),
        version,
        log: lineLogger((line) => context.terminal.error(`${line}\n`)),
        signal,
      });
      context.terminal.out(`listening on ${agent.url}\n`);
      if (!signal.aborted) await once(signal, 'abort');
      await agent.close();
    });
}

function providerOf(options: AgentOptions): ProviderChoice {
  if (options.provider === 'hyperv') return { kind: 'hyperv' };
  if (options.root === undefined) {
    throw new TidemarkError(errorCodes.invalidUsage, 'The simulated provider needs --root DIR.', {
      hint: 'Make a host directory with: tidemark sim init DIR',
    });
  }
  return { kind: 'simulated', root: options.root };
}

/** Whoever started the agent and holds its input may die without a word: then the input ends. */
function endingWithStandardInput(signal: AbortSignal): AbortSignal {
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
