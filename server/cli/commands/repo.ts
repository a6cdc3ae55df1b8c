/** `tidemark repo`: where restore points are kept. */
import type { Command } from 'commander';

import { formatBytes } from '../../base/format.ts';
import * as daemon from '../../protocol/daemon.ts';
import type { RepositoryStatus } from '../../protocol/daemon.ts';
import { daemonPath, globalOptions, printResult, withDaemon } from '../context.ts';
import type { CliContext } from '../context.ts';
import { addPasswordOptions, givenPassword } from '../password-options.ts';
import type { PasswordOptions } from '../password-options.ts';
import { table } from '../table.ts';
import { addMaintenanceCommands } from './repo-maintenance.ts';

/** Adds the commands. */
export function addRepoCommands(program: Command, context: CliContext): void {
  const repo = program
    .command('repo')
    .description('repositories, where restore points are kept')
    .addHelpText(
      'after',
      '\nExample:\n  tidemark repo init main /backup/main --password-file repo.pw\n  tidemark repo verify main --read-data',
    );
  addInit(repo, context);
  addList(repo, context);
  addStatus(repo, context);
  addMaintenanceCommands(repo, context);
}

function addInit(repo: Command, context: CliContext): void {
  const init = repo
    .command('init')
    .description('make an encrypted repository in a directory')
    .argument('<name>', 'what to call it here')
    .argument('<location>', 'a directory that is empty or does not exist');
  addPasswordOptions(init, 'the password')
    .option('--attach', 'take in the repository that is there already, with its password or recovery key', false)
    .addHelpText(
      'after',
      '\nKeep the password and the recovery key that it prints: without one of them\nnobody can read the backups.\n\nExample:\n  tidemark repo init main /backup/main --password-file repo.pw',
    )
    .action(
      async (name: string, location: string, options: PasswordOptions & { attach: boolean }, command: Command) => {
        const globals = globalOptions(command);
        const password = await givenPassword(context, globals, options, `Password of the repository ${name}`);
        const result = await withDaemon(context, globals, async (client) =>
          client.request(
            daemon.initRepository,
            { name, location: daemonPath(globals, location), ...password, attach: options.attach },
            { signal: context.signal },
          ),
        );
        const recovery =
          result.recoveryKey === undefined
            ? ''
            : `\nRecovery key:\n  ${result.recoveryKey}\nWrite it down and keep it away from this machine: it opens the repository when\nthe password is lost.\n`;
        const verb = options.attach ? 'Attached' : 'Made';
        printResult(
          context,
          globals,
          result,
          `${verb} repository ${name} in ${result.repository.location}.\n${recovery}`,
        );
      },
    );
}

function addList(repo: Command, context: CliContext): void {
  repo
    .command('list')
    .description('list the repositories')
    .action(async (_options: object, command: Command) => {
      const globals = globalOptions(command);
      const { repositories } = await withDaemon(context, globals, async (client) =>
        client.request(daemon.listRepositories, {}, { signal: context.signal }),
      );
      const text =
        repositories.length === 0
          ? noRepositories
          : table(
              [{ title: 'REPOSITORY' }, { title: 'LOCATION' }],
              repositories.map((repository) => [repository.name, repository.location]),
            );
      printResult(context, globals, repositories, text);
    });
}

function addStatus(repo: Command, context: CliContext): void {
  repo
    .command('status')
    .description('show what a repository holds and what it saves')
    .argument('[name]', 'default: all repositories')
    .action(async (name: string | undefined, _options: object, command: Command) => {
      const globals = globalOptions(command);
      const statuses = await withDaemon(context, globals, async (client) => {
        const { signal } = context;
        const { repositories } =
          name === undefined
            ? await client.request(daemon.listRepositories, {}, { signal })
            : { repositories: [{ name }] };
        const found: RepositoryStatus[] = [];
        for (const entry of repositories) {
          found.push(await client.request(daemon.getRepositoryStatus, { name: entry.name }, { signal }));
        }
        return found;
      });
      const [first] = statuses;
      const result = name === undefined ? statuses : first;
      printResult(context, globals, result, first === undefined ? noRepositories : statuses.map(statusText).join('\n'));
    });
}

const noRepositories = 'No repositories yet. Make one: tidemark repo init NAME DIRECTORY --password-file FILE\n';

function statusText(status: RepositoryStatus): string {
  const { entry } = status;
  const saved =
    status.logicalBytes === 0 ? '' : ` (${(status.logicalBytes / status.storedBytes).toFixed(1)} times what is stored)`;
  const giveBack = status.unusedBytes === 0 ? '' : `, given back by: tidemark repo gc ${entry.name}`;
  const unused = `${formatBytes(status.unusedBytes)}${giveBack}`;
  const rows = [
    ['location', entry.location],
    ['restore points', `${status.restorePoints} of ${status.vms} VMs`],
    ['data in them', `${formatBytes(status.logicalBytes)}${saved}`],
    ['distinct data', formatBytes(status.uniqueBytes)],
    ['stored', formatBytes(status.storedBytes)],
    ['not needed', unused],
    ['free there', status.freeBytes === null ? 'unknown' : formatBytes(status.freeBytes)],
    ...status.warnings.map((warning) => ['warning', warning]),
  ];
  return table([{ title: 'REPOSITORY' }, { title: entry.name }], rows);
}
