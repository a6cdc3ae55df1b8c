/** `tidemark repo`: where restore points are kept. */
import { resolve } from 'node:path';

import type { Command } from 'commander';

import { formatBytes } from '../../base/format.ts';
import * as daemon from '../../protocol/daemon.ts';
import type { RepositoryStatus, RunInfo, RunRequest } from '../../protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { globalOptions, printResult, readPassword, withDaemon } from '../context.ts';
import type { CliContext } from '../context.ts';
import { runToEnd } from '../follow.ts';
import { table } from '../table.ts';
import { wholeNumber } from '../values.ts';

/** Adds the commands. */
export function addRepoCommands(program: Command, context: CliContext): void {
  const repo = program.command('repo').description('repositories, where restore points are kept');
  addInit(repo, context);
  addList(repo, context);
  addStatus(repo, context);
  addVerify(repo, context);
  addPrune(repo, context);
  addGc(repo, context);
}

function addInit(repo: Command, context: CliContext): void {
  repo
    .command('init')
    .description('make an encrypted repository in a directory')
    .argument('<name>', 'what to call it here')
    .argument('<location>', 'a directory that is empty or does not exist')
    .option('--password-file <file>', 'file whose first line is the password; - for standard input')
    .option('--attach', 'take in the repository that is there already, with its password or recovery key', false)
    .addHelpText(
      'after',
      '\nKeep the password and the recovery key that it prints: without one of them nobody can read the backups.\n\nExample:\n  tidemark repo init main /backup/main --password-file repo.pw',
    )
    .action(
      async (name: string, location: string, options: { passwordFile?: string; attach: boolean }, command: Command) => {
        const globals = globalOptions(command);
        const password = await readPassword(context, options.passwordFile, `Password of the repository ${name}`);
        const result = await withDaemon(context, globals, async (client) =>
          client.request(
            daemon.initRepository,
            { name, location: resolve(location), password, attach: options.attach },
            { signal: context.signal },
          ),
        );
        const recovery =
          result.recoveryKey === undefined
            ? ''
            : `\nRecovery key: ${result.recoveryKey}\nWrite it down and keep it away from this machine: it opens the repository when the password is lost.\n`;
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
          ? 'No repositories yet. Make one: tidemark repo init NAME DIRECTORY --password-file FILE\n'
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
    .argument('<name>')
    .action(async (name: string, _options: object, command: Command) => {
      const globals = globalOptions(command);
      const status = await withDaemon(context, globals, async (client) =>
        client.request(daemon.getRepositoryStatus, { name }, { signal: context.signal }),
      );
      printResult(context, globals, status, statusText(status));
    });
}

function addVerify(repo: Command, context: CliContext): void {
  repo
    .command('verify')
    .description('check that every restore point can be restored')
    .argument('<name>')
    .option('--read-data', 'read every byte of every file, not only the structure', false)
    .action(async (name: string, options: { readData: boolean }, command: Command) => {
      const globals = globalOptions(command);
      const run = await follow(context, command, { kind: 'verify', repository: name, readData: options.readData });
      const { outcome } = run;
      if (outcome?.kind !== 'verify') throw unexpected(run);
      const lines = outcome.problems.map((problem) => {
        const hit = problem.restorePoints.length === 0 ? 'no restore point' : problem.restorePoints.join(', ');
        return `${context.style.bad('damaged')}: ${problem.what}: ${problem.error.message} Hits: ${hit}.\n`;
      });
      const what = options.readData ? `all data, ${formatBytes(outcome.readBytes)}` : 'the structure';
      const checked = `Checked ${what} of ${outcome.restorePoints} restore points (${outcome.blobs} blobs).\n`;
      const result = outcome.problems.length === 0 ? 'No damage found.\n' : '';
      printResult(context, globals, outcome, `${lines.join('')}${checked}${result}`);
      if (outcome.problems.length > 0) {
        throw new TidemarkError(
          errorCodes.repositoryDamaged,
          `Repository ${name} is damaged in ${outcome.problems.length} places.`,
          { hint: 'Run a full backup of the VMs concerned: chunks that are damaged are stored again.' },
        );
      }
    });
}

function addPrune(repo: Command, context: CliContext): void {
  repo
    .command('prune')
    .description('delete old restore points, VM by VM; the newest of a VM always stays')
    .argument('<name>')
    .requiredOption('--keep-last <n>', 'restore points to keep of each VM', wholeNumber(1, 1_000_000))
    .option('--dry-run', 'only show what would go', false)
    .addHelpText('after', '\nThe space comes back with: tidemark repo gc NAME')
    .action(async (name: string, options: { keepLast: number; dryRun: boolean }, command: Command) => {
      const globals = globalOptions(command);
      const { keepLast, dryRun } = options;
      const run = await follow(context, command, { kind: 'prune', repository: name, keepLast, dryRun });
      const { outcome } = run;
      if (outcome?.kind !== 'prune') throw unexpected(run);
      const verb = dryRun ? 'Would delete' : 'Deleted';
      const removed = outcome.removed.map((id) => `  ${id}\n`).join('');
      const text = `${verb} ${outcome.removed.length} restore points, ${outcome.kept.length} stay.\n${removed}`;
      printResult(context, globals, outcome, text);
    });
}

function addGc(repo: Command, context: CliContext): void {
  repo
    .command('gc')
    .description('give back the space that no restore point needs')
    .argument('<name>')
    .option('--dry-run', 'only show what would happen', false)
    .option('--now', 'delete at once instead of after the grace period of a day', false)
    .action(async (name: string, options: { dryRun: boolean; now: boolean }, command: Command) => {
      const globals = globalOptions(command);
      const run = await follow(context, command, { kind: 'gc', repository: name, ...options });
      const { outcome } = run;
      if (outcome?.kind !== 'gc') throw unexpected(run);
      const later =
        outcome.deletableAt === undefined
          ? ''
          : `Packs found unused now can be deleted from ${outcome.deletableAt} on: run gc again then, or use --now.\n`;
      const verbs = outcome.dryRun
        ? ['Would delete', 'would set aside', 'would rewrite']
        : ['Deleted', 'set aside', 'rewrote'];
      const text =
        `${verbs[0]} ${outcome.deletedPacks} packs (${formatBytes(outcome.deletedBytes)}), ` +
        `${verbs[1]} ${outcome.condemnedPacks} packs (${formatBytes(outcome.condemnedBytes)}), ` +
        `${verbs[2]} ${formatBytes(outcome.repackedBytes)}.\n`;
      printResult(context, globals, outcome, `${text}${later}`);
    });
}

async function follow(context: CliContext, command: Command, request: RunRequest): Promise<RunInfo> {
  return withDaemon(context, globalOptions(command), async (client) => runToEnd(context, client, request));
}

function unexpected(run: RunInfo): TidemarkError {
  return new TidemarkError(errorCodes.internal, `Run ${run.id} has no result of its kind.`);
}

function statusText(status: RepositoryStatus): string {
  const { entry } = status;
  const saved =
    status.storedBytes === 0 ? '' : ` (${(status.logicalBytes / status.storedBytes).toFixed(1)} times what is stored)`;
  const rows = [
    ['location', entry.location],
    ['restore points', `${status.restorePoints} of ${status.vms} VMs`],
    ['data in them', `${formatBytes(status.logicalBytes)}${saved}`],
    ['distinct data', formatBytes(status.uniqueBytes)],
    ['stored', formatBytes(status.storedBytes)],
    ['not needed', `${formatBytes(status.unusedBytes)}, given back by: tidemark repo gc ${entry.name}`],
    ['free there', status.freeBytes === null ? 'unknown' : formatBytes(status.freeBytes)],
    ...status.warnings.map((warning) => ['warning', warning]),
  ];
  return table([{ title: 'REPOSITORY' }, { title: entry.name }], rows);
}
