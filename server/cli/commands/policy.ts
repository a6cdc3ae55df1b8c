/** `tidemark policy`: what is backed up, when, where to, and what is kept. */
import type { Command } from 'commander';

import * as daemon from '../../protocol/daemon.ts';
import type { AppliedPolicy, PolicyVersion } from '../../protocol/daemon.ts';
import { agree } from '../agree.ts';
import { globalOptions, printResult, withDaemon } from '../context.ts';
import type { CliContext } from '../context.ts';
import { printable } from '../printable.ts';
import { age, localMinute, localTime, table } from '../table.ts';
import { parseMoment, wholeNumber } from '../values.ts';
import { whoAsks } from '../who.ts';
import { addPolicyChanges } from './policy-apply.ts';
import { addValidate } from './policy-validate.ts';

const nameArgument = ['<name>', 'the policy'] as const;

/** Adds the commands. */
export function addPolicyCommands(program: Command, context: CliContext): void {
  const policy = program
    .command('policy')
    .description('backup policies: files that say what is backed up, when, where to, and what is kept')
    .addHelpText(
      'after',
      '\nExample:\n  tidemark policy validate nightly.backup.yaml\n  tidemark policy plan nightly.backup.yaml\n  tidemark policy apply nightly.backup.yaml\n  tidemark policy list',
    );
  addValidate(policy, context);
  addPolicyChanges(policy, context);
  addReading(policy, context);
  addDelete(policy, context);
  addPausing(policy, context);
}

function addReading(policy: Command, context: CliContext): void {
  policy
    .command('list')
    .description('list the applied policies')
    .action(async (_options: object, command: Command) => {
      const globals = globalOptions(command);
      const { policies } = await withDaemon(context, globals, async (client) =>
        client.request(daemon.listPolicies, {}, { signal: context.signal }),
      );
      printResult(context, globals, policies, policies.length === 0 ? noPolicies : listText(context, policies));
    });

  policy
    .command('show')
    .description('print the text of a policy as it is applied')
    .argument(...nameArgument)
    .argument('[version]', 'as it was in that version', wholeNumber(1, 1_000_000))
    .action(async (name: string, version: number | undefined, _options: object, command: Command) => {
      const globals = globalOptions(command);
      const params = { name, ...(version === undefined ? {} : { version }) };
      const shown = await withDaemon(context, globals, async (client) =>
        client.request(daemon.getPolicy, params, { signal: context.signal }),
      );
      printResult(context, globals, shown, shown.text.endsWith('\n') ? shown.text : `${shown.text}\n`);
    });

  policy
    .command('history')
    .description('list the versions of a policy, newest first, with who applied them')
    .argument(...nameArgument)
    .addHelpText('after', '\nNext: tidemark policy show NAME N, tidemark policy rollback NAME N')
    .action(async (name: string, _options: object, command: Command) => {
      const globals = globalOptions(command);
      const { versions } = await withDaemon(context, globals, async (client) =>
        client.request(daemon.getPolicyHistory, { name }, { signal: context.signal }),
      );
      printResult(context, globals, versions, historyTable(versions));
    });
}

function addDelete(policy: Command, context: CliContext): void {
  policy
    .command('delete')
    .description('carry a policy out no more; its restore points and its history stay')
    .argument(...nameArgument)
    .option('--yes', 'do not ask', false)
    .action(async (name: string, { yes }: { yes: boolean }, command: Command) => {
      const globals = globalOptions(command);
      await withDaemon(context, globals, async (client) => {
        const question = `Delete the policy ${name}? Its VMs are then backed up by no schedule of it.`;
        await agree(context, globals, { yes, doing: 'Deleting', question, refused: 'Nothing was deleted.' });
        await client.request(daemon.deletePolicy, { name, by: whoAsks() });
        const text = `Deleted the policy ${name}. Its restore points stay.\n`;
        printResult(context, globals, { deleted: name }, text);
      });
    });
}

function addPausing(policy: Command, context: CliContext): void {
  policy
    .command('pause')
    .description('start nothing by schedule until the policy is resumed; a run that is active goes on')
    .argument(...nameArgument)
    .option(
      '--until <time>',
      'resume by itself then: 2h, 3d, "2026-12-24 18:00" (local time), or RFC 3339',
      parseMoment,
    )
    .addHelpText(
      'after',
      '\nExample:\n  tidemark policy pause nightly --until 12h\n\nNext: tidemark policy resume NAME',
    )
    .action(async (name: string, { until }: { until?: string }, command: Command) => {
      const globals = globalOptions(command);
      const params = { name, by: whoAsks(), ...(until === undefined ? {} : { until }) };
      const { policy: paused } = await withDaemon(context, globals, async (client) =>
        client.request(daemon.pausePolicy, params, { signal: context.signal }),
      );
      const text =
        until === undefined
          ? `Paused ${name}. It goes on with: tidemark policy resume ${name}\n`
          : `Paused ${name} until ${localTime(until)}.\n`;
      printResult(context, globals, paused, text);
    });

  policy
    .command('resume')
    .description('start runs by schedule again')
    .argument(...nameArgument)
    .action(async (name: string, _options: object, command: Command) => {
      const globals = globalOptions(command);
      const { policy: resumed } = await withDaemon(context, globals, async (client) =>
        client.request(daemon.resumePolicy, { name, by: whoAsks() }, { signal: context.signal }),
      );
      const next = resumed.nextRun === undefined ? '' : ` Next run: ${localMinute(resumed.nextRun.at)}.`;
      printResult(context, globals, resumed, `Resumed ${name}.${next}\n`);
    });
}

const noPolicies = 'No policies yet. Write a file and apply it: tidemark policy apply FILE\n';

/** The list for people. */
export function listText({ style }: Pick<CliContext, 'style'>, policies: readonly AppliedPolicy[]): string {
  const rows = table(
    [
      { title: 'POLICY' },
      { title: 'STATE' },
      { title: 'VMS', align: 'right' },
      { title: 'LAST RUN' },
      { title: 'NEXT RUN' },
      { title: 'TO' },
    ],
    policies.map((policy) => [
      policy.name,
      stateText(policy),
      vmsText(policy),
      lastRunText(policy),
      policy.nextRun === undefined ? '' : localMinute(policy.nextRun.at),
      policy.repository,
    ]),
  );
  const problems = policies.flatMap(({ name, problems: all }) =>
    all.map((problem) => `${style.warn('warning')}: ${name}: ${printable(problem)}\n`),
  );
  return `${rows}${problems.length === 0 ? '' : '\n'}${problems.join('')}`;
}

/** None, and nothing to say about that: the hosts have not told yet which VMs they have. */
function vmsText({ vms, problems }: AppliedPolicy): string {
  return vms === 0 && problems.length === 0 ? '?' : String(vms);
}

function stateText({ paused, problems }: AppliedPolicy): string {
  if (paused !== undefined) return paused.until === undefined ? 'paused' : `paused until ${localMinute(paused.until)}`;
  return problems.length === 0 ? 'active' : 'see below';
}

function lastRunText({ lastRun }: AppliedPolicy): string {
  if (lastRun === undefined) return 'never';
  const { state, succeeded, total, finishedAt, startedAt } = lastRun;
  const when = finishedAt ?? startedAt;
  const ago = when === undefined ? '' : `, ${age(when)}`;
  // Before the run has looked up its VMs there is nothing to count.
  const counts = total === 0 ? '' : ` ${succeeded}/${total}`;
  return `${state}${counts}${ago}`;
}

function historyTable(versions: readonly PolicyVersion[]): string {
  return table(
    [{ title: 'VERSION', align: 'right' }, { title: 'WHEN' }, { title: 'CHANGE' }, { title: 'BY' }, { title: 'FROM' }],
    versions.map(({ version, at, change, restored, by, source }) => [
      String(version),
      localMinute(at),
      change === 'rolled-back' ? `rolled back to ${restored ?? 'an earlier one'}` : change,
      printable(by),
      printable(source ?? ''),
    ]),
  );
}
