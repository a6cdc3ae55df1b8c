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
    .action(() => {
      throw new TidemarkError(errorCodes.invalidUsage, 'This version has no policies yet.', {
        hint: 'Back up a VM with: tidemark backup run --vm HOST/VM --repo NAME --wait',
      });
    });
}
