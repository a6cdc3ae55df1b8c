/** `tidemark policy`: named by the contract, carried out by a later version. */
import type { Command } from 'commander';

import { errorCodes, TidemarkError } from '../../protocol/errors.ts';

/** Adds the command. It says what to use meanwhile, and exits with 2. */
export function addPolicyCommand(program: Command): void {
  program
    .command('policy')
    .description('backup policies (not in this version)')
    .argument('[words...]')
    .allowUnknownOption()
    .addHelpText('after', '\nMeanwhile, back up a VM with:\n  tidemark backup run --vm HOST/VM --repo NAME --wait')
    .action(() => {
      throw new TidemarkError(errorCodes.invalidUsage, 'Policies are not in this version of Tidemark yet.', {
        hint: 'Back up a VM with: tidemark backup run --vm HOST/VM --repo NAME --wait',
      });
    });
}
