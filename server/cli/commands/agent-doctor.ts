/** `tidemark agent doctor`: what is wrong on a Hyper-V host, and what to do. */
import { join, resolve } from 'node:path';

import type { Command } from 'commander';

import { lineLogger, silentLogger } from '../../base/log.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { globalOptions, printResult } from '../context.ts';
import type { CliContext } from '../context.ts';
import { doctorText } from '../doctor-text.ts';

interface DoctorCommandOptions {
  readonly config?: string;
  readonly verbose: boolean;
}

/** Adds the command below `agent`. */
export function addAgentDoctorCommand(agent: Command, context: CliContext): void {
  agent
    .command('doctor')
    .description('say what is wrong on this Hyper-V host and what to do; changes nothing, exit code 1 for problems')
    .option('--config <file>', 'configuration of the agent (default: that of the agent installed here)')
    .option('--verbose', 'print what PowerShell does to standard error', false)
    .action(async (own: DoctorCommandOptions, command: Command) => {
      const globals = globalOptions(command);
      // `agent serve`, the default command, has a --config too.
      const { config } = command.optsWithGlobals<{ readonly config?: string }>();
      const { examine } = await import('../../agent/hyperv/doctor/index.ts');
      const report = await examine({
        configFile: config === undefined ? await installedConfig() : resolve(config),
        log: own.verbose ? lineLogger((line) => context.terminal.error(`${line}\n`)) : silentLogger,
        signal: context.signal,
      });
      printResult(context, globals, report, doctorText(context, report));
      const { problems } = report.counts;
      if (problems === 0) return;
      throw new TidemarkError(
        errorCodes.hostStateInvalid,
        `The host has ${problems} ${problems === 1 ? 'problem' : 'problems'}.`,
      );
    });
}

/** The configuration of the agent that is installed on this computer; undefined when there is none. */
async function installedConfig(): Promise<string | undefined> {
  if (process.platform !== 'win32') return undefined;
  const { installedDataPath } = await import('../../agent/windows/index.ts');
  const folder = await installedDataPath();
  return folder === undefined ? undefined : join(folder, 'config.json');
}
