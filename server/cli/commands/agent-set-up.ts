/** `tidemark agent set-up`: certificate, credential and configuration of an agent that runs as a service. */
import { resolve } from 'node:path';

import { Option } from 'commander';
import type { Command } from 'commander';

import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { chosenPassword } from '../agent-password.ts';
import { globalOptions, printResult, readPassword } from '../context.ts';
import type { CliContext } from '../context.ts';
import { parseThreads, repeated } from '../values.ts';

interface SetUpOptions {
  readonly data?: string;
  readonly listen?: string;
  readonly provider?: 'hyperv' | 'simulated';
  readonly root?: string;
  readonly name?: readonly string[];
  readonly passwordFile?: string;
  readonly keepPassword: boolean;
  readonly threads?: number;
  readonly restoreFolder?: string;
  readonly account?: readonly string[];
}

/** Adds the command below `agent`. */
export function addAgentSetUpCommand(agent: Command, context: CliContext): void {
  agent
    .command('set-up')
    .description("make an agent's folder, certificate, credential and configuration, for a service")
    .option('--data <dir>', "the agent's folder: only its account and administrators get into it")
    .option('--listen <url>', 'where to listen, such as https://0.0.0.0:8440; needed the first time')
    .addOption(
      new Option('--provider <kind>', 'what drives the host (default: hyperv)').choices(['hyperv', 'simulated']),
    )
    .option('--root <dir>', 'directory of the simulated host')
    .option('--name <name>', 'name or address of this host for certificate and URL; repeatable', repeated)
    .option(
      '--password-file <file>',
      'file whose first line is the password that daemons must know; - for standard input',
    )
    .option('--keep-password', 'keep the password of an earlier set-up when there is one', false)
    .option('--threads <number>', 'reads of disks at a time, over all daemons (default: 4)', parseThreads)
    .option('--restore-folder <dir>', "where disks of restored VMs go (default: Hyper-V's own folder)")
    .option('--account <sid>', 'Windows: SID of a further account that may change the folder; repeatable', repeated)
    .addHelpText(
      'after',
      '\nDone again it keeps certificate and password, and changes only what is given.\nThe service runs: tidemark agent --config DIR/config.json\n\nExample:\n  tidemark agent set-up --data /srv/agent --listen https://0.0.0.0:8440 \\\n    --password-file agent.pw',
    )
    .action(async (_own: unknown, command: Command) => {
      const options: SetUpOptions = command.optsWithGlobals();
      if (options.data === undefined) {
        throw new TidemarkError(errorCodes.invalidUsage, "The agent's folder is missing.", {
          hint: 'Give --data DIR.',
        });
      }
      const { setUpAgent } = await import('../../agent/set-up/set-up.ts');
      const { data, listen, provider, root, name, threads, restoreFolder, account, passwordFile, keepPassword } =
        options;
      const canAsk = passwordFile !== undefined || context.terminal.interactive;
      const result = await setUpAgent({
        directory: resolve(data),
        listen,
        provider,
        root: root === undefined ? undefined : resolve(root),
        names: name,
        threads,
        restoreFolder: restoreFolder === undefined ? undefined : resolve(restoreFolder),
        password: canAsk
          ? async () =>
              chosenPassword(async (question) => readPassword(context, passwordFile, question), {
                typed: passwordFile === undefined,
              })
          : undefined,
        keepPassword: keepPassword || passwordFile === undefined,
        ...(account === undefined ? {} : { accounts: account }),
      });
      printResult(context, globalOptions(command), result, setUpText(result));
    });
}

function setUpText(result: {
  readonly configFile: string;
  readonly url: string;
  readonly certificateSha256?: string;
  readonly made: { readonly certificate: boolean; readonly credential: boolean };
}): string {
  const { configFile, url, certificateSha256, made } = result;
  const lines = [
    `The agent is set up: ${configFile}`,
    `  password              ${made.credential ? 'set' : 'kept as it was'}`,
    ...(certificateSha256 === undefined
      ? ['  connection            http: data and commands are not encrypted']
      : [
          `  certificate           ${made.certificate ? 'made' : 'kept as it was'}`,
          `  SHA-256 of it         ${certificateSha256}`,
        ]),
    `  URL to add in VS Code ${url}`,
  ];
  return `${lines.join('\n')}\n`;
}
