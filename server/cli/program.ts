/** The command line: all commands, and how errors end the process. */
import { Command, CommanderError, Help } from 'commander';
import type { Option } from 'commander';

import { describeError, redact } from '../base/log.ts';
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import { addAgentCommand } from './commands/agent.ts';
import { addBackupCommands } from './commands/backup.ts';
import { addDaemonCommands } from './commands/daemon.ts';
import { addDemoCommand } from './commands/demo.ts';
import { addHostCommands } from './commands/host.ts';
import { addPolicyCommands } from './commands/policy.ts';
import { addRepoCommands } from './commands/repo.ts';
import { addRestoreCommands } from './commands/restore.ts';
import { addRestorePointCommands } from './commands/restore-point.ts';
import { addRunCommands } from './commands/run.ts';
import { addSimCommands } from './commands/sim.ts';
import { addSimulatorCommands } from './commands/simulator.ts';
import { addVmCommands } from './commands/vm.ts';
import type { CliContext } from './context.ts';
import { paragraph } from './fold.ts';
import { version } from './version.ts';

const helpAfter = `
Begin here:
  tidemark demo           everything once, on a simulated host
  tidemark host add hv01 https://hv01:8440 --password-file FILE
  tidemark repo init main /backup/main --password-file FILE
  tidemark backup run --vm hv01/sql01 --repo main --wait
  tidemark policy apply nightly.backup.yaml
  tidemark restore-point list
  tidemark restore disk ID DISK --to FILE

Every command explains itself with --help.`;

/** Exit codes: the command did it, it failed, it was not understood. */
export const exitCodes = { success: 0, failure: 1, usage: 2 } as const;

/** Longer lines of text are hard to read. */
const widestHelp = 100;

/** The global options, but for those that mean something else at this command: `--data` of `agent set-up` is not the daemon's. */
function visibleGlobalOptions(command: Command): Option[] {
  const own = new Set(command.options.map(({ long }) => long));
  const help = new Help();
  help.showGlobalOptions = true;
  return help.visibleGlobalOptions(command).filter(({ long }) => !own.has(long));
}

/** The whole command line. With `asJson`, what the parser refuses is not printed: `runCli` does that. */
export function buildProgram(context: CliContext, asJson = false): Command {
  const program = new Command('tidemark')
    .description('Backs up Hyper-V virtual machines, full and by changed blocks, and restores them bit for bit.')
    .version(version)
    .option('--data <dir>', "the daemon's data directory (default: TIDEMARK_DATA, else one of your own)")
    .option('--daemon <url>', 'ask a daemon on another machine, at https://HOST:8441; paths are then paths there')
    .option('--daemon-password-file <file>', 'file whose first line is the password of that daemon')
    .option('--daemon-certificate <sha256>', 'SHA-256 of its certificate, when no authority vouches for it')
    .option('--json', 'print JSON instead of text')
    .showHelpAfterError('(add --help for help)')
    .addHelpText('after', helpAfter)
    .configureHelp({ showGlobalOptions: true, optionDescription, visibleGlobalOptions })
    .exitOverride()
    .configureOutput({
      getOutHelpWidth: () => Math.min(widestHelp, context.terminal.columns()),
      getErrHelpWidth: () => Math.min(widestHelp, context.terminal.columns()),
      writeOut: (text) => context.terminal.out(text),
      writeErr: (text) => {
        if (!asJson) context.terminal.error(text);
      },
    });
  addDemoCommand(program, context);
  addHostCommands(program, context);
  addVmCommands(program, context);
  addRepoCommands(program, context);
  addBackupCommands(program, context);
  addRunCommands(program, context);
  addRestorePointCommands(program, context);
  addRestoreCommands(program, context);
  addPolicyCommands(program, context);
  addDaemonCommands(program, context);
  addAgentCommand(program, context);
  addSimCommands(program, context);
  addSimulatorCommands(program, context);
  return program;
}

/** As commander's own, but a flag that is off by default does not say so. */
function optionDescription(option: Option): string {
  return option.defaultValue === false ? option.description : new Help().optionDescription(option);
}

/** Runs a command line (without `node` and script) and gives its exit code. Errors are printed, never thrown. */
export async function runCli(context: CliContext, args: readonly string[]): Promise<number> {
  const asJson = args.includes('--json');
  try {
    await buildProgram(context, asJson).parseAsync([...args], { from: 'user' });
    return exitCodes.success;
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportError(context, asJson, error);
    if (error.exitCode === 0) return exitCodes.success;
    return asJson ? reportError(context, true, wrongUsage(error)) : exitCodes.usage;
  }
}

/** What the parser refuses, as an error of ours. Its text is for people and begins with `error: `. */
function wrongUsage(error: CommanderError): TidemarkError {
  const helpWanted = error.code === 'commander.help';
  const message = helpWanted ? 'A command is missing.' : error.message.replace(/^error: /, '');
  return new TidemarkError(errorCodes.invalidUsage, message, { hint: 'Add --help for help.' });
}

function reportError(context: CliContext, asJson: boolean, error: unknown): number {
  const known = TidemarkError.from(error);
  const { terminal, style } = context;
  if (asJson) {
    terminal.error(`${JSON.stringify({ error: known.report() })}\n`);
  } else {
    // The colour is put in after folding, which counts characters.
    const text = paragraph(terminal, `tidemark: ${known.message} (${known.code})`);
    const hint = known.hint === undefined ? '' : paragraph(terminal, known.hint, '  ');
    terminal.error(`${style.bad('tidemark')}${text.slice('tidemark'.length)}${hint}`);
    // An error that the daemon reported has no cause here; its log has it.
    if (known.code === errorCodes.internal && known.cause !== undefined)
      terminal.error(`${style.quiet(redact(describeError(error)))}\n`);
  }
  const usage = known.code === errorCodes.invalidUsage || known.code === errorCodes.invalidInput;
  return usage ? exitCodes.usage : exitCodes.failure;
}
