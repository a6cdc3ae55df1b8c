/** `tidemark agent self-test`: what no documentation says, found out on a lab host. */
import { resolve } from 'node:path';

import type { Command } from 'commander';

import type { SelfTestOptions, SelfTestReport } from '../../agent/hyperv/self-test/index.ts';
import { writeFileDurably } from '../../base/files.ts';
import { lineLogger, silentLogger } from '../../base/log.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { agree, requireSomebody } from '../agree.ts';
import { globalOptions, printResult } from '../context.ts';
import type { CliContext } from '../context.ts';
import { printable } from '../printable.ts';
import { version } from '../version.ts';

interface SelfTestCommandOptions {
  readonly folder?: string;
  readonly report?: string;
  readonly image?: string;
  readonly guestSeconds?: number;
  readonly keep: boolean;
  readonly restartVmms: boolean;
  readonly cleanUp: boolean;
  readonly yes: boolean;
  readonly verbose: boolean;
}

/** Adds the command below `agent`. */
export function addAgentSelfTestCommand(agent: Command, context: CliContext): void {
  agent
    .command('self-test')
    .description('lab hosts: find out with a VM of its own how this Hyper-V behaves, and write a report')
    .option('--folder <dir>', "where it writes (default: a folder of its own in Hyper-V's folder of VMs)")
    .option('--report <file>', 'write the report (JSON) there')
    .option(
      '--image <file>',
      'VHDX without parent from which a guest starts that writes to its disks by itself; it is copied',
    )
    .option('--guest-seconds <number>', 'how long that guest writes before each backup (default: 60)', Number)
    .option('--keep', 'leave the VM, until --clean-up', false)
    .option('--restart-vmms', 'restart the service of Hyper-V once; VMs go on running', false)
    .option('--clean-up', 'only remove what earlier self-tests left', false)
    .option('--yes', 'do not ask', false)
    .option('--verbose', 'print what PowerShell does to standard error', false)
    .action(async (own: SelfTestCommandOptions, command: Command) => {
      const options = optionsOf(own, context);
      if (own.cleanUp) await cleanUp(options, context, command);
      else await run(own, options, context, command);
    });
}

function optionsOf(own: SelfTestCommandOptions, context: CliContext): SelfTestOptions {
  const { guestSeconds = 60 } = own;
  if (!(guestSeconds >= 0 && guestSeconds <= 86_400)) {
    throw new TidemarkError(errorCodes.invalidUsage, '--guest-seconds must be from 0 to 86400.');
  }
  return {
    folder: own.folder === undefined ? undefined : resolve(own.folder),
    image: own.image === undefined ? undefined : resolve(own.image),
    guestMs: guestSeconds * 1000,
    keep: own.keep,
    restartVmms: own.restartVmms ? restartService : undefined,
    program: `tidemark ${version}`,
    say: (text) => context.terminal.error(`${printable(text)}\n`),
    log: own.verbose ? lineLogger((line) => context.terminal.error(`${line}\n`)) : silentLogger,
    signal: context.signal,
  };
}

async function restartService(): Promise<void> {
  const { restartVmms } = await import('../../agent/windows/index.ts');
  await restartVmms();
}

async function run(
  own: SelfTestCommandOptions,
  options: SelfTestOptions,
  context: CliContext,
  command: Command,
): Promise<void> {
  const globals = globalOptions(command);
  const agreement = { yes: own.yes, doing: 'Making a VM' };
  requireSomebody(context, globals, agreement);
  const { planSelfTest, runSelfTest } = await import('../../agent/hyperv/self-test/index.ts');
  const plan = await planSelfTest(options);
  const question = `${announcement(plan.folder, own)} Begin?`;
  await agree(context, globals, { ...agreement, question, refused: 'Nothing was made.' });
  const report = await runSelfTest(options);
  if (own.report !== undefined) {
    await writeFileDurably(resolve(own.report), `${JSON.stringify(report, undefined, 2)}\n`);
  }
  printResult(context, globals, report, reportText(context, report));
  finish(report);
}

/** What will be made. */
function announcement(folder: string, { image, restartVmms, keep }: SelfTestCommandOptions): string {
  const parts = [
    'This makes a VM named tidemark-self-test-… without a network adapter, with 512 MiB of memory, and starts and stops it many times; for a short time there are a few more of the same name.',
    `Everything is written to ${folder}.`,
    ...(image === undefined ? [] : ['A guest is started from a copy of the image.']),
    ...(restartVmms ? ['The service of Hyper-V is restarted once.'] : []),
    keep ? 'The VM stays until --clean-up.' : 'All of it is removed at the end.',
    'No other VM is touched.',
  ];
  return parts.join(' ');
}

function reportText({ style }: CliContext, { items, cleanUp: end, vm }: SelfTestReport): string {
  const lines = items.map(({ number, title, state, questions }) => {
    const mark = state === 'settled' ? style.good('settled') : style.warn('not settled');
    const told = questions.map(
      (one) => `     ${printable(one.question)}: ${printable(one.answer ?? one.reason ?? '')}\n`,
    );
    return `${String(number).padStart(2)}. ${title}: ${mark}\n${told.join('')}`;
  });
  const gone = end.done ? 'Everything that was made is removed.\n' : '';
  const kept = vm.kept ? `The VM ${vm.name} stays. Remove it with: tidemark agent self-test --clean-up\n` : '';
  return `${lines.join('')}${gone}${kept}`;
}

/** A self-test that was stopped, or left something, is no success. */
function finish({ complete, cleanUp: end, vm }: SelfTestReport): void {
  if (!end.done && !vm.kept) {
    throw new TidemarkError(errorCodes.hypervOperationFailed, `Not all could be removed: ${end.left.join(' ')}`, {
      hint: 'Try again with: tidemark agent self-test --clean-up',
    });
  }
  if (!complete) throw new TidemarkError(errorCodes.cancelled, 'The self-test did not come to its end.');
}

async function cleanUp(options: SelfTestOptions, context: CliContext, command: Command): Promise<void> {
  const { cleanUpSelfTests } = await import('../../agent/hyperv/self-test/index.ts');
  const result = await cleanUpSelfTests(options);
  const { removed, left } = result;
  const text = removed.length === 0 ? 'No self-test has left anything.\n' : `Removed: ${removed.join(', ')}\n`;
  printResult(context, globalOptions(command), result, left.length === 0 ? text : '');
  if (left.length > 0) {
    throw new TidemarkError(errorCodes.hypervOperationFailed, `Not all could be removed: ${left.join(' ')}`);
  }
}
