/** `tidemark policy plan`, `apply` and `rollback`: what a change would do, and then the change. */
import { resolve } from 'node:path';

import type { Command } from 'commander';

import type { DaemonClient } from '../../connect/index.ts';
import * as daemon from '../../protocol/daemon.ts';
import type { AppliedPolicy, PolicyPlan } from '../../protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { agree, requireSomebody } from '../agree.ts';
import { globalOptions, printResult, withDaemon } from '../context.ts';
import type { CliContext, GlobalOptions } from '../context.ts';
import { findingsText } from '../findings.ts';
import { readPolicyText } from '../policy-file.ts';
import { changesNothing, planText } from '../policy-plan.ts';
import { printable } from '../printable.ts';
import { zonedMoment } from '../table.ts';
import { wholeNumber } from '../values.ts';
import { whoAsks } from '../who.ts';

const fileArgument = ['<file>', 'the policy file'] as const;
const yesOption = ['--yes', 'do not ask', false] as const;

/** Adds the commands. */
export function addPolicyChanges(policy: Command, context: CliContext): void {
  policy
    .command('plan')
    .description('show what applying a policy file would do; nothing is changed')
    .argument(...fileArgument)
    .addHelpText('after', '\nNext: tidemark policy apply FILE')
    .action(async (file: string, _options: object, command: Command) => {
      const globals = globalOptions(command);
      const text = await readPolicyText(file);
      const plan = await withDaemon(context, globals, async (client) =>
        planOf(context, globals, client, { name: file, text }),
      );
      printResult(context, globals, plan, planOutput(context, plan, { name: file, text }));
    });
  addApply(policy, context);
  addRollback(policy, context);
}

function addApply(policy: Command, context: CliContext): void {
  policy
    .command('apply')
    .description('show what a policy file changes, ask, and have the daemon carry it out from now on')
    .argument(...fileArgument)
    .option(...yesOption)
    .addHelpText(
      'after',
      '\nIn a script, where nobody can be asked, give --yes. A version that somebody else\napplied since the plan was made is not replaced.\n\nNext: tidemark policy list, tidemark backup run POLICY --wait',
    )
    .action(async (file: string, { yes }: { yes: boolean }, command: Command) => {
      const globals = globalOptions(command);
      requireSomebody(context, globals, { yes, doing: 'Applying' });
      const text = await readPolicyText(file);
      await withDaemon(context, globals, async (client) => {
        const agreed = await planAndAgree(context, globals, client, { name: file, text }, { yes, verb: 'Apply it' });
        const { base } = agreed;
        const request = { text, by: whoAsks(), source: resolve(file), expectedVersion: base?.version ?? 0 };
        // Not cancelled by Ctrl-C: whether it was applied must be known.
        const { policy: applied, unchanged } = await client.request(daemon.applyPolicy, request);
        const result = { plan: agreed, policy: applied, unchanged: unchanged === true };
        printResult(context, globals, result, appliedText(context, applied, unchanged === true));
      });
    });
}

function addRollback(policy: Command, context: CliContext): void {
  policy
    .command('rollback')
    .description('apply the text of an earlier version again, as a new version')
    .argument('<name>', 'the policy')
    .argument('<version>', 'the version to bring back', wholeNumber(1, 1_000_000))
    .option(...yesOption)
    .addHelpText('after', '\nThe versions: tidemark policy history NAME')
    .action(async (name: string, version: number, { yes }: { yes: boolean }, command: Command) => {
      const globals = globalOptions(command);
      await withDaemon(context, globals, async (client) => {
        // A version that is not there is told before a yes is asked for.
        const { text } = await client.request(daemon.getPolicy, { name, version }, { signal: context.signal });
        requireSomebody(context, globals, { yes, doing: 'Rolling back' });
        const planned = { name: `${name}, version ${version}`, text };
        const verb = `Bring version ${version} back`;
        const agreed = await planAndAgree(context, globals, client, planned, { yes, verb });
        const request = { name, version, by: whoAsks() };
        const { policy: applied, unchanged } = await client.request(daemon.rollBackPolicy, request);
        const result = { plan: agreed, policy: applied, unchanged: unchanged === true };
        printResult(context, globals, result, appliedText(context, applied, unchanged === true));
      });
    });
}

/** A text to be planned, and how it is called. */
interface PlannedText {
  readonly name: string;
  readonly text: string;
}

/** The plan of a text. What is wrong with the text is printed, all of it, before `TM7001` is thrown. */
async function planOf(
  context: CliContext,
  globals: GlobalOptions,
  client: DaemonClient,
  { name, text }: PlannedText,
): Promise<PolicyPlan> {
  const { signal, terminal } = context;
  try {
    const { plan } = await client.request(daemon.planPolicy, { text }, { signal });
    return plan;
  } catch (error) {
    if (!TidemarkError.is(error, errorCodes.policyInvalid) || globals.json) throw error;
    const { findings } = await client.request(daemon.checkPolicy, { text }, { signal });
    terminal.error(findingsText(context, { file: name, text, findings }, terminal.interactive));
    throw new TidemarkError(errorCodes.policyInvalid, `${name} is not a valid policy.`, {
      hint: 'Mend what is named above, and try again.',
    });
  }
}

/** Prints the plan and asks, unless there is nothing to do. */
async function planAndAgree(
  context: CliContext,
  globals: GlobalOptions,
  client: DaemonClient,
  planned: PlannedText,
  { yes, verb }: { readonly yes: boolean; readonly verb: string },
): Promise<PolicyPlan> {
  const plan = await planOf(context, globals, client, planned);
  if (globals.json) return plan;
  context.terminal.out(`${planOutput(context, plan, planned)}\n`);
  if (changesNothing(plan)) return plan;
  const question = plan.base === undefined ? `${verb}?` : `${verb}, in place of version ${plan.base.version}?`;
  await agree(context, globals, { yes, doing: 'This', question, refused: 'Nothing was applied.' });
  return plan;
}

function planOutput(context: CliContext, plan: PolicyPlan, { name, text }: PlannedText): string {
  const findings = findingsText(
    context,
    { file: name, text, findings: plan.findings },
    context.terminal.outInteractive,
  );
  return planText(plan, context.style, findings);
}

function appliedText({ style }: CliContext, policy: AppliedPolicy, unchanged: boolean): string {
  const { name, current, nextRun, paused, timezone, problems } = policy;
  const version = `version ${current.version}`;
  const what = unchanged
    ? `Nothing to do: ${version} of ${name} has this text already.`
    : `Applied ${name} as ${version}.`;
  const next = nextRun === undefined ? '' : ` Next run: ${zonedMoment(nextRun.at, timezone)}.`;
  const pause = paused === undefined ? '' : ` It stays paused; it goes on with: tidemark policy resume ${name}`;
  const warnings = problems.map((problem) => `${style.warn('warning')}: ${printable(problem)}\n`);
  return `${what}${next}${pause}\n${warnings.join('')}`;
}
