/** Asking before something that cannot be taken back. */
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import type { CliContext, GlobalOptions } from './context.ts';
import { confirm } from './prompt.ts';

/** What is to be agreed to. */
export interface Agreement {
  readonly yes: boolean;
  /** What would be done, for the error where there is nobody to ask: `Deleting`. */
  readonly doing: string;
}

/** Throws `TM1002` when `--yes` is not given and there is no terminal to ask on. */
export function requireSomebody(context: CliContext, globals: GlobalOptions, { yes, doing }: Agreement): void {
  if (yes || (process.stdin.isTTY && context.terminal.interactive && !globals.json)) return;
  const why = globals.json ? 'with --json nothing is asked' : 'there is no terminal to ask on';
  throw new TidemarkError(errorCodes.invalidUsage, `${doing} needs a yes, and ${why}.`, { hint: 'Give --yes.' });
}

/** Asks, unless `--yes` is given. Throws `TM1002` where nobody can be asked, `TM1999` with `refused` for a no. */
export async function agree(
  context: CliContext,
  globals: GlobalOptions,
  agreement: Agreement & { readonly question: string; readonly refused: string },
): Promise<void> {
  requireSomebody(context, globals, agreement);
  if (agreement.yes || (await confirm(agreement.question))) return;
  throw new TidemarkError(errorCodes.cancelled, agreement.refused);
}
