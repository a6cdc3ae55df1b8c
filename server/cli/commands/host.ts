/** `tidemark host`: Hyper-V hosts and their agents. */
import type { Command } from 'commander';

import * as daemon from '../../protocol/daemon.ts';
import type { HostEntry } from '../../protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { globalOptions, printResult, readPassword, withDaemon } from '../context.ts';
import type { CliContext } from '../context.ts';
import { paragraph } from '../fold.ts';
import { age, table } from '../table.ts';
import { parseThreads } from '../values.ts';

/** Adds the commands. */
export function addHostCommands(program: Command, context: CliContext): void {
  const host = program
    .command('host')
    .description('Hyper-V hosts that an agent runs on')
    .addHelpText(
      'after',
      '\nExample:\n  tidemark host add hv01 https://hv01:8440 --password-file hv01.pw\n  tidemark host test hv01',
    );

  host
    .command('add')
    .description('add a host, after a successful connection test')
    .argument('<name>', 'what to call it here')
    .argument('<url>', "its agent's address: https://HOST:8440 or http://HOST:8440")
    .option('--password-file <file>', "file whose first line is the agent's password; - for standard input")
    .option('--threads <n>', 'disk parts exported at a time', parseThreads, 2)
    .option('--replace', 'change a host that is known already, and accept a new certificate', false)
    .addHelpText(
      'after',
      '\nExample:\n  tidemark host add hv01 https://hv01:8440 --password-file hv01.pw\n\nNext: tidemark vm list',
    )
    .action(
      async (
        name: string,
        url: string,
        options: { passwordFile?: string; threads: number; replace: boolean },
        command: Command,
      ) => {
        const globals = globalOptions(command);
        const password = await readPassword(context, options.passwordFile, `Password of the agent at ${url}`);
        const { host: added } = await withDaemon(context, globals, async (client) =>
          client.request(
            daemon.addHost,
            { name, url, password, threads: options.threads, replace: options.replace },
            { signal: context.signal },
          ),
        );
        printResult(context, globals, added, `Added ${describeHost(context, added)}Next: tidemark vm list\n`);
      },
    );

  host
    .command('list')
    .description('list the hosts')
    .action(async (_options: object, command: Command) => {
      const globals = globalOptions(command);
      const { hosts } = await withDaemon(context, globals, async (client) =>
        client.request(daemon.listHosts, {}, { signal: context.signal }),
      );
      printResult(context, globals, hosts, hosts.length === 0 ? noHosts : hostTable(hosts));
    });

  host
    .command('test')
    .description('test the connection to a host')
    .argument('<name>', 'name of the host')
    .action(async (name: string, _options: object, command: Command) => {
      const globals = globalOptions(command);
      const { host: tested } = await withDaemon(context, globals, async (client) =>
        client.request(daemon.testHost, { name }, { signal: context.signal }),
      );
      if (tested.status.state === 'unreachable') {
        const { code, message, hint } = tested.status.error;
        const known = Object.values(errorCodes).find((candidate) => candidate === code);
        throw new TidemarkError(known ?? errorCodes.hostUnreachable, message, { hint });
      }
      printResult(context, globals, tested, describeHost(context, tested));
    });

  host
    .command('remove')
    .description('forget a host; its restore points stay')
    .argument('<name>', 'name of the host')
    .action(async (name: string, _options: object, command: Command) => {
      const globals = globalOptions(command);
      await withDaemon(context, globals, async (client) =>
        client.request(daemon.removeHost, { name }, { signal: context.signal }),
      );
      printResult(context, globals, { removed: name }, `Removed host ${name}. Its restore points stay.\n`);
    });
}

const noHosts = 'No hosts yet. Add one: tidemark host add NAME URL --password-file FILE\n';

function describeHost({ terminal }: CliContext, host: HostEntry): string {
  const { name, url, status } = host;
  const text =
    status.state === 'reachable'
      ? `${name}: ${status.info.name}, ${status.info.osName} (build ${status.info.build}), agent ${status.agentVersion}`
      : `${name} (${url}): ${status.state}`;
  return [text, ...host.warnings.map((warning) => `warning: ${warning}`)]
    .map((line) => paragraph(terminal, line))
    .join('');
}

function hostTable(hosts: readonly HostEntry[]): string {
  return table(
    [
      { title: 'HOST' },
      { title: 'STATE' },
      { title: 'SYSTEM' },
      { title: 'THREADS', align: 'right' },
      { title: 'ADDRESS' },
    ],
    hosts.map((host) => {
      const system = host.status.state === 'reachable' ? host.status.info.osName : '';
      return [host.name, stateText(host), system, String(host.threads), host.url];
    }),
  );
}

function stateText({ status }: HostEntry): string {
  if (status.state === 'unreachable') return `unreachable since ${age(status.since)}`;
  return status.state === 'unknown' ? 'not asked yet' : 'reachable';
}
