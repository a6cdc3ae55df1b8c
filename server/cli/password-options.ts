/** The options by which a command gives the daemon a password, or says where the daemon takes it from. */
import type { Command } from 'commander';

import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import { daemonPath, readPassword } from './context.ts';
import type { CliContext, GlobalOptions } from './context.ts';

/** What of a password the command line said. */
export interface PasswordOptions {
  readonly passwordFile?: string;
  readonly passwordPath?: string;
  readonly passwordCommand?: string;
}

/** The fields of a request that gives a password. */
export type GivenPassword =
  | { readonly password: string }
  | { readonly passwordFile: string }
  | { readonly passwordCommand: readonly string[] };

/** Adds the options; `what` says whose password it is. */
export function addPasswordOptions(command: Command, what: string): Command {
  return command
    .option(
      '--password-file <file>',
      `file whose first line is ${what}; - for standard input. The daemon keeps the password`,
    )
    .option(
      '--password-path <file>',
      'file of the machine of the daemon, which reads the password there each time it needs it',
    )
    .option('--password-command <program>', 'program of the machine of the daemon, which asks it each time');
}

/** Whether the command line says anything of a password. */
export function namesPassword(options: PasswordOptions): boolean {
  const { passwordFile, passwordPath, passwordCommand } = options;
  return passwordFile !== undefined || passwordPath !== undefined || passwordCommand !== undefined;
}

/** What to send. Without an option the password is asked for. Throws `TM1002` when two options contradict. */
export async function givenPassword(
  context: CliContext,
  globals: GlobalOptions,
  options: PasswordOptions,
  question: string,
): Promise<GivenPassword> {
  const { passwordFile, passwordPath, passwordCommand } = options;
  const named = [passwordFile, passwordPath, passwordCommand].filter((one) => one !== undefined);
  if (named.length > 1) {
    throw new TidemarkError(errorCodes.invalidUsage, 'These password options do not fit together.', {
      hint: 'Give one of --password-file, --password-path and --password-command.',
    });
  }
  if (passwordPath !== undefined) return { passwordFile: daemonPath(globals, passwordPath) };
  if (passwordCommand !== undefined) {
    return { passwordCommand: [daemonPath(globals, passwordCommand)] };
  }
  return { password: await readPassword(context, passwordFile, question) };
}
