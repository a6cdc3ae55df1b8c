/** `tidemark repo verify`, `prune` and `gc`: runs over a whole repository. */
import type { Command } from 'commander';

import { formatBytes } from '../../base/format.ts';
import { vmLabels } from '../../base/vm-labels.ts';
import type { DaemonClient } from '../../connect/index.ts';
import * as daemon from '../../protocol/daemon.ts';
import type { RetentionDecision, RunInfo, RunOutcome, RunRequest } from '../../protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { agree } from '../agree.ts';
import { globalOptions, printResult, withDaemon } from '../context.ts';
import type { CliContext } from '../context.ts';
import { runToEnd } from '../follow.ts';
import { printable } from '../printable.ts';
import { count, localMinute, localTime, table } from '../table.ts';
import { wholeNumber } from '../values.ts';

const repositoryArgument = ['[name]', 'the repository; may be left out when there is only one'] as const;

/** Adds the commands to `tidemark repo`. */
export function addMaintenanceCommands(repo: Command, context: CliContext): void {
  addVerify(repo, context);
  addPrune(repo, context);
  addGc(repo, context);
}

function addVerify(repo: Command, context: CliContext): void {
  repo
    .command('verify')
    .description('check that every restore point can be restored')
    .argument(...repositoryArgument)
    .option('--read-data', 'read every byte of every file, not only the structure', false)
    .addHelpText('after', '\nIt exits with 1 when it finds damage, and names the restore points that are hit.')
    .action(async (name: string | undefined, options: { readData: boolean }, command: Command) => {
      const run = await follow(context, command, name, (repository) => ({
        kind: 'verify',
        repository,
        readData: options.readData,
      }));
      const { outcome } = run;
      if (outcome?.kind !== 'verify') throw unexpected(run);
      const lines = outcome.problems.map((problem) => {
        const hit = problem.restorePoints.length === 0 ? 'no restore point' : problem.restorePoints.join(', ');
        return `${context.style.bad('damaged')}: ${printable(`${problem.what}: ${problem.error.message}`)} Hits: ${hit}.\n`;
      });
      const what = options.readData ? `all data, ${formatBytes(outcome.readBytes)}` : 'the structure';
      const checked = `Checked ${what}, of ${count(outcome.restorePoints, 'restore point')}.\n`;
      const sound = outcome.problems.length === 0 ? 'No damage found.\n' : '';
      printResult(context, globalOptions(command), outcome, `${lines.join('')}${checked}${sound}`);
      if (outcome.problems.length > 0) {
        throw new TidemarkError(
          errorCodes.repositoryDamaged,
          `The repository is damaged in ${count(outcome.problems.length, 'place')}.`,
          { hint: 'Run a full backup of the VMs concerned: chunks that are damaged are stored again.' },
        );
      }
    });
}

function addPrune(repo: Command, context: CliContext): void {
  repo
    .command('prune')
    .description('delete old restore points, VM by VM, as the applied policies say; the newest of a VM always stays')
    .argument(...repositoryArgument)
    .option('--keep-last <n>', 'whatever the policies say, keep so many of each VM', wholeNumber(1, 1_000_000))
    .option('--dry-run', 'only show what would go; by the policies also why', false)
    .option('--yes', 'do not ask on a terminal', false)
    .addHelpText(
      'after',
      '\nPinned restore points always stay. Those that no applied policy has made stay\nunless --keep-last is given.\n\nExample:\n  tidemark repo prune main --dry-run\n  tidemark repo prune main --keep-last 14\n\nThe space comes back with: tidemark repo gc NAME',
    )
    .action(async (name: string | undefined, options: PruneOptions, command: Command) => {
      const { keepLast, dryRun } = options;
      await askBeforePrune(context, command, options);
      const run = await follow(context, command, name, (repository) => ({
        kind: 'prune',
        repository,
        ...(keepLast === undefined ? {} : { keepLast }),
        dryRun,
      }));
      const { outcome } = run;
      if (outcome?.kind !== 'prune') throw unexpected(run);
      printResult(context, globalOptions(command), outcome, pruneText(outcome, keepLast === undefined));
    });
}

interface PruneOptions {
  readonly keepLast?: number;
  readonly dryRun: boolean;
  readonly yes: boolean;
}

/** Scripts prune without being asked; whoever types it may have forgotten --dry-run. */
async function askBeforePrune(context: CliContext, command: Command, options: PruneOptions): Promise<void> {
  const globals = globalOptions(command);
  const asked = process.stdin.isTTY && context.terminal.interactive && !globals.json;
  if (options.dryRun || options.yes || !asked) return;
  const what = options.keepLast === undefined ? 'what the policies do not keep' : 'all but the newest of each VM';
  const question = `Delete ${what}? --dry-run shows it first.`;
  await agree(context, globals, { yes: false, doing: 'Deleting', question, refused: 'Nothing was deleted.' });
}

/** What a prune did; `byPolicies`: it went by their rules. */
export function pruneText(outcome: Extract<RunOutcome, { readonly kind: 'prune' }>, byPolicies: boolean): string {
  const { removed, kept, dryRun, decisions } = outcome;
  const [verb, keep] = dryRun ? ['Would delete', 'would keep'] : ['Deleted', 'kept'];
  const sum = `${verb} ${count(removed.length, 'restore point')}, ${keep} ${kept.length}.\n`;
  if (decisions === undefined) return `${sum}${removed.map((id) => `  ${id}\n`).join('')}`;
  const shown = dryRun ? decisions : decisions.filter(({ keep: stays }) => !stays);
  const others = byPolicies ? 'Restore points that no applied policy has made are left alone.\n' : '';
  return `${shown.length === 0 ? '' : `${decisionTable(shown)}\n`}${sum}${others}`;
}

function decisionTable(decisions: readonly RetentionDecision[]): string {
  const label = vmLabels(decisions);
  return table(
    [{ title: 'RESTORE POINT' }, { title: 'TAKEN' }, { title: 'VM' }, { title: 'WHY IT STAYS OR GOES' }],
    decisions.map((decision) => [
      decision.restorePoint,
      localMinute(decision.createdAt),
      printable(label(decision)),
      `${decision.keep ? 'stays' : 'goes'}: ${printable(decision.reasons.join(', '))}`,
    ]),
  );
}

function addGc(repo: Command, context: CliContext): void {
  repo
    .command('gc')
    .description('give back the space that no restore point needs')
    .argument(...repositoryArgument)
    .option('--dry-run', 'only show what would happen', false)
    .option('--now', 'delete at once instead of after the grace period of a day', false)
    .addHelpText(
      'after',
      '\nUnused packs are set aside first and deleted by a later gc, so that a backup\nthat still uses one loses nothing. --now is for a repository that no other\ndaemon writes to.',
    )
    .action(async (name: string | undefined, options: { dryRun: boolean; now: boolean }, command: Command) => {
      const run = await follow(context, command, name, (repository) => ({ kind: 'gc', repository, ...options }));
      const { outcome } = run;
      if (outcome?.kind !== 'gc') throw unexpected(run);
      printResult(context, globalOptions(command), outcome, gcText(outcome));
    });
}

function gcText(outcome: Extract<RunOutcome, { readonly kind: 'gc' }>): string {
  const { dryRun, deletedPacks, deletedBytes, condemnedPacks, condemnedBytes, repackedBytes, deletableAt } = outcome;
  const [deleted, setAside, rewrote] = dryRun
    ? ['Would delete', 'Would set aside', 'Would rewrite']
    : ['Deleted', 'Set aside', 'Rewrote'];
  const later =
    deletableAt === undefined
      ? ''
      : `What was set aside can be deleted from ${localTime(deletableAt)} on: run gc again then, or use --now.\n`;
  return (
    `${deleted} ${count(deletedPacks, 'pack')} (${formatBytes(deletedBytes)}).\n` +
    `${setAside} ${count(condemnedPacks, 'pack')} (${formatBytes(condemnedBytes)}).\n` +
    `${rewrote} ${formatBytes(repackedBytes)} of packs that were only partly needed.\n${later}`
  );
}

async function follow(
  context: CliContext,
  command: Command,
  name: string | undefined,
  request: (repository: string) => RunRequest,
): Promise<RunInfo> {
  return withDaemon(context, globalOptions(command), async (client) => {
    const repository = name ?? (await onlyRepository(context, client));
    return runToEnd(context, client, request(repository));
  });
}

async function onlyRepository(context: CliContext, client: DaemonClient): Promise<string> {
  const { repositories } = await client.request(daemon.listRepositories, {}, { signal: context.signal });
  const [first] = repositories;
  if (first !== undefined && repositories.length === 1) return first.name;
  throw new TidemarkError(
    errorCodes.invalidUsage,
    first === undefined ? 'There is no repository yet.' : 'There are several repositories: name one.',
    {
      hint:
        first === undefined
          ? 'Make one: tidemark repo init NAME DIRECTORY --password-file FILE'
          : `They are: ${repositories.map((repository) => repository.name).join(', ')}.`,
    },
  );
}

function unexpected(run: RunInfo): TidemarkError {
  return new TidemarkError(errorCodes.internal, `Run ${run.id} has no result of its kind.`);
}
