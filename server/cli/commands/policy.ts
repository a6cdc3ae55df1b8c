/** `tidemark policy`: what is backed up, when, where to, and what is kept. */
import type { Command } from 'commander';

import type { DaemonClient } from '../../connect/index.ts';
import * as daemon from '../../protocol/daemon.ts';
import type { AppliedPolicy, PolicyVersion } from '../../protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { RunId } from '../../protocol/ids.ts';
import { agree } from '../agree.ts';
import { globalOptions, printResult, withDaemon } from '../context.ts';
import type { CliContext } from '../context.ts';
import { printable } from '../printable.ts';
import { hasEnded } from '../run-state.ts';
import { age, localMinute, table, zonedMoment } from '../table.ts';
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
        const active = await activeRunOf(context, client, name);
        const question = `Delete the policy ${name}? Its VMs are then backed up by no schedule of it.`;
        await agree(context, globals, { yes, doing: 'Deleting', question, refused: 'Nothing was deleted.' });
        await client.request(daemon.deletePolicy, { name, by: whoAsks() });
        const goesOn =
          active === undefined ? '' : ` Run ${active} of it goes on; stop it with: tidemark run cancel ${active}`;
        const text = `Deleted the policy ${name}. Its restore points stay.${goesOn}\n`;
        printResult(context, globals, { deleted: name, ...(active === undefined ? {} : { activeRun: active }) }, text);
      });
    });
}

/** The run of a policy that is active, if there is one. Throws `TM7002` when the policy is not applied. */
async function activeRunOf(context: CliContext, client: DaemonClient, name: string): Promise<RunId | undefined> {
  const { policies } = await client.request(daemon.listPolicies, {}, { signal: context.signal });
  const policy = policies.find((one) => one.name === name);
  if (policy === undefined) {
    throw new TidemarkError(errorCodes.policyNotFound, `There is no policy named ${name}.`, {
      hint: '`tidemark policy list` shows them.',
    });
  }
  const { lastRun } = policy;
  return lastRun === undefined || hasEnded(lastRun) ? undefined : lastRun.id;
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
          : `Paused ${name} until ${zonedMoment(until, paused.timezone)}.\n`;
      printResult(context, globals, paused, text);
    });

  policy
    .command('resume')
    .description('start runs by schedule again')
    .argument(...nameArgument)
    .action(async (name: string, _options: object, command: Command) => {
      const globals = globalOptions(command);
      const { policy: resumed, unchanged } = await withDaemon(context, globals, async (client) =>
        client.request(daemon.resumePolicy, { name, by: whoAsks() }, { signal: context.signal }),
      );
      const { nextRun, timezone } = resumed;
      const next = nextRun === undefined ? '' : ` Next run: ${zonedMoment(nextRun.at, timezone)}.`;
      const what = unchanged === true ? `Nothing to do: ${name} is not paused.` : `Resumed ${name}.`;
      printResult(context, globals, resumed, `${what}${next}\n`);
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
      policy.nextRun === undefined ? '' : zonedMoment(policy.nextRun.at, policy.timezone),
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

function stateText({ paused, problems, timezone }: AppliedPolicy): string {
  if (paused !== undefined)
    return paused.until === undefined ? 'paused' : `paused until ${zonedMoment(paused.until, timezone)}`;
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
