/** `tidemark host`: Hyper-V hosts and their agents. */
import type { Command } from 'commander';

import * as daemon from '../../protocol/daemon.ts';
import type { HostEntry } from '../../protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { globalOptions, printResult, withDaemon } from '../context.ts';
import type { CliContext, GlobalOptions } from '../context.ts';
import { paragraph } from '../fold.ts';
import { addPasswordOptions, givenPassword, namesPassword } from '../password-options.ts';
import type { PasswordOptions } from '../password-options.ts';
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

  addAdd(host, context);
  addEdit(host, context);

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
      warnOf(context, globals, tested);
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

function addAdd(host: Command, context: CliContext): void {
  const add = host
    .command('add')
    .description('add a host, after a successful connection test')
    .argument('<name>', 'what to call it here')
    .argument('<url>', "its agent's address: https://HOST:8440 or http://HOST:8440");
  addPasswordOptions(add, "the agent's password")
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
        options: PasswordOptions & { threads: number; replace: boolean },
        command: Command,
      ) => {
        const globals = globalOptions(command);
        const { threads, replace } = options;
        const password = await givenPassword(context, globals, options, `Password of the agent at ${url}`);
        const { host: added } = await withDaemon(context, globals, async (client) =>
          client.request(daemon.addHost, { name, url, ...password, threads, replace }, { signal: context.signal }),
        );
        printResult(context, globals, added, `Added ${describeHost(context, added)}Next: tidemark vm list\n`);
        warnOf(context, globals, added);
      },
    );
}

interface EditOptions extends PasswordOptions {
  readonly url?: string;
  readonly threads?: number;
  readonly askPassword: boolean;
  readonly acceptCertificate: boolean;
}

function addEdit(host: Command, context: CliContext): void {
  const edit = host
    .command('edit')
    .description('change what is given of a host, after a successful connection test')
    .argument('<name>', 'name of the host')
    .option('--url <url>', "its agent's address");
  addPasswordOptions(edit, "the agent's new password")
    .option('--ask-password', 'ask for a new password on the terminal', false)
    .option('--threads <n>', 'disk parts exported at a time', parseThreads)
    .option('--accept-certificate', 'accept the certificate that the agent shows now', false)
    .addHelpText('after', '\nExample:\n  tidemark host edit hv01 --threads 4\n  tidemark host edit hv01 --ask-password')
    .action(async (name: string, options: EditOptions, command: Command) => {
      const globals = globalOptions(command);
      const { url, threads, acceptCertificate } = options;
      const password =
        options.askPassword || namesPassword(options)
          ? await givenPassword(context, globals, options, `Password of the agent of ${name}`)
          : {};
      const change = { name, url, threads, acceptCertificate, ...password };
      const { host: changed } = await withDaemon(context, globals, async (client) =>
        client.request(daemon.editHost, change, { signal: context.signal }),
      );
      printResult(context, globals, changed, `Changed ${describeHost(context, changed)}`);
      warnOf(context, globals, changed);
    });
}

const noHosts = 'No hosts yet. Add one: tidemark host add NAME URL --password-file FILE\n';

function describeHost({ terminal }: CliContext, host: HostEntry): string {
  const { name, url, status, certificateSha256 } = host;
  const text =
    status.state === 'reachable'
      ? `${name}: ${status.info.name}, ${status.info.osName} (build ${status.info.build}), agent ${status.agentVersion}`
      : `${name} (${url}): ${status.state}`;
  const certificate = certificateSha256 === undefined ? '' : `SHA-256 of its certificate: ${certificateSha256}\n`;
  return `${paragraph(terminal, text)}${certificate}`;
}

/** What is to be known of a connection that works. */
function warnOf({ terminal, style }: CliContext, { json }: GlobalOptions, { warnings }: HostEntry): void {
  if (json) return;
  for (const warning of warnings) {
    // The colour is put in after folding, which counts characters.
    const text = paragraph(terminal, `warning: ${warning}`);
    terminal.error(`${style.warn('warning')}${text.slice('warning'.length)}`);
  }
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
