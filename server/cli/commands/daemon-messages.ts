/** `tidemark daemon smtp` and `tidemark daemon webhook`: how the daemon tells people and programs how runs of policies ended. */
import { Option } from 'commander';
import type { Command } from 'commander';

import * as daemon from '../../protocol/daemon.ts';
import type { SmtpServer } from '../../protocol/daemon.ts';
import { globalOptions, printResult, readPassword, withDaemon } from '../context.ts';
import type { CliContext } from '../context.ts';
import { addPasswordOptions, givenPassword, namesPassword } from '../password-options.ts';
import type { PasswordOptions } from '../password-options.ts';
import { table } from '../table.ts';
import { wholeNumber } from '../values.ts';

interface SetOptions extends PasswordOptions {
  readonly port?: number;
  readonly security: SmtpServer['security'];
  readonly from: string;
  readonly user?: string;
}

/** Where mail servers listen. */
const usualPorts: Readonly<Record<SmtpServer['security'], number>> = { tls: 465, starttls: 587, none: 25 };

/** Adds the commands to `tidemark daemon`. */
export function addMessageCommands(group: Command, context: CliContext): void {
  const smtp = group
    .command('smtp')
    .description('the mail server that e-mails about runs of policies go through')
    .addHelpText(
      'after',
      '\nExample:\n  tidemark daemon smtp set mail.example.com --from backup@example.com \\\n    --user backup --password-file mail.pw\n  tidemark daemon smtp test ops@example.com',
    );
  addSet(smtp, context);
  addShow(smtp, context);
  addRemove(smtp, context);
  addTest(smtp, context);
  addWebhookTest(group, context);
}

function addSet(smtp: Command, context: CliContext): void {
  const set = smtp
    .command('set')
    .description('set the mail server; replaces the one that is set')
    .argument('<host>', 'name or address of the server')
    .requiredOption('--from <address>', 'whom mails are from')
    .addOption(
      new Option('--security <how>', 'tls from the first byte, starttls before anything is said, or none')
        .choices(['tls', 'starttls', 'none'] as const)
        .default('starttls'),
    )
    .option('--port <number>', 'port; 465 with tls, 587 with starttls, 25 with none', wholeNumber(1, 65_535))
    .option('--user <name>', 'user that the server knows');
  addPasswordOptions(set, "the user's password").action(async (host: string, options: SetOptions, command: Command) => {
    const globals = globalOptions(command);
    const { security, from, user, port = usualPorts[security] } = options;
    const server: SmtpServer = { host, port, security, from, ...(user === undefined ? {} : { user }) };
    await withDaemon(context, globals, async (client) => {
      const { server: before, hasPassword } = await client.request(
        daemon.getSmtpServer,
        {},
        { signal: context.signal },
      );
      const stays = hasPassword && before?.host === host && before.user === user;
      const asked = namesPassword(options) || (user !== undefined && !stays);
      const password = asked
        ? await givenPassword(context, globals, options, `Password of ${user ?? 'the user'} at ${host}`)
        : {};
      await client.request(daemon.setSmtpServer, { server, ...password }, { signal: context.signal });
    });
    printResult(
      context,
      globals,
      { server },
      `Mails go through ${host}:${port}. Try it: tidemark daemon smtp test ADDRESS\n`,
    );
  });
}

function addShow(smtp: Command, context: CliContext): void {
  smtp
    .command('show')
    .description('show the mail server')
    .action(async (_options: object, command: Command) => {
      const globals = globalOptions(command);
      const found = await withDaemon(context, globals, async (client) =>
        client.request(daemon.getSmtpServer, {}, { signal: context.signal }),
      );
      printResult(context, globals, found, serverText(found.server, found.hasPassword));
    });
}

function addRemove(smtp: Command, context: CliContext): void {
  smtp
    .command('remove')
    .description('forget the mail server and its password; mails are not sent any more')
    .action(async (_options: object, command: Command) => {
      const globals = globalOptions(command);
      await withDaemon(context, globals, async (client) =>
        client.request(daemon.setSmtpServer, {}, { signal: context.signal }),
      );
      printResult(context, globals, { removed: true }, 'Mails are not sent any more.\n');
    });
}

function addTest(smtp: Command, context: CliContext): void {
  smtp
    .command('test')
    .description('send a mail now')
    .argument('<address>', 'whom to send it to')
    .action(async (address: string, _options: object, command: Command) => {
      const globals = globalOptions(command);
      await withDaemon(context, globals, async (client) =>
        client.request(daemon.testNotification, { channel: 'email', target: address }, { signal: context.signal }),
      );
      printResult(context, globals, { sent: true }, `The mail server has taken a mail to ${address}.\n`);
    });
}

function addWebhookTest(group: Command, context: CliContext): void {
  group
    .command('webhook')
    .description('webhooks of policies')
    .addHelpText('after', '\nExample:\n  tidemark daemon webhook test https://ops.example/hook')
    .command('test')
    .description('send a document to a webhook now')
    .argument('<url>', 'its address; - for standard input, when it holds a secret')
    .action(async (given: string, _options: object, command: Command) => {
      const globals = globalOptions(command);
      const target = given === '-' ? await readPassword(context, '-', 'Address') : given;
      await withDaemon(context, globals, async (client) =>
        client.request(daemon.testNotification, { channel: 'webhook', target }, { signal: context.signal }),
      );
      printResult(context, globals, { sent: true }, 'The webhook has taken a document.\n');
    });
}

function serverText(server: SmtpServer | undefined, hasPassword: boolean): string {
  if (server === undefined) return 'No mail server is set. `tidemark daemon smtp set` sets one.\n';
  const { host, port, security, from, user } = server;
  return table(
    [{ title: 'MAIL SERVER' }, { title: '' }],
    [
      ['address', `${host}:${port}`],
      ['security', security],
      ['from', from],
      ...(user === undefined ? [] : [['user', `${user}${hasPassword ? ', with a password' : ', without a password'}`]]),
    ],
  );
}
