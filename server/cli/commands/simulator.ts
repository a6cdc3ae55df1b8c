/** `tidemark simulator`: the simulated host that the daemon sets up by itself, to try everything with. */
import type { Command } from 'commander';

import { formatBytes } from '../../base/format.ts';
import * as daemon from '../../protocol/daemon.ts';
import { globalOptions, printResult, withDaemon } from '../context.ts';
import type { CliContext } from '../context.ts';

const example = `
Example:
  tidemark simulator start
  tidemark backup run --vm simulated/shop --repo demo --wait
  tidemark simulator write
  tidemark backup run --vm simulated/shop --repo demo --type incremental --wait
  tidemark simulator stop`;

/** Adds the commands. */
export function addSimulatorCommands(program: Command, context: CliContext): void {
  const group = program
    .command('simulator')
    .description('try everything without Hyper-V: a simulated host and a repository, kept by the daemon')
    .addHelpText('after', example);

  group
    .command('start')
    .description('make the host `simulated` and the repository `demo`, unless they are there')
    .action(async (_options: object, command: Command) => {
      const globals = globalOptions(command);
      const started = await withDaemon(context, globals, async (client) =>
        client.request(daemon.startSimulator, {}, { signal: context.signal }),
      );
      const vms = started.vms.map(({ name, state }) => `${name} (${state})`).join(', ');
      const text = `Host ${started.host.name} answers at ${started.host.url}. Its VMs: ${vms}. Repository: ${started.repository.name}.\n`;
      printResult(context, globals, started, text);
    });

  group
    .command('write')
    .description('let the guest of a VM write, so that the next incremental has something to do')
    .argument('[vm]', 'name or GUID of the VM; the one with files when absent')
    .action(async (vm: string | undefined, _options: object, command: Command) => {
      const globals = globalOptions(command);
      const written = await withDaemon(context, globals, async (client) =>
        client.request(daemon.simulatorGuestWrite, vm === undefined ? {} : { vm }, { signal: context.signal }),
      );
      const text = `${written.vmName} wrote ${formatBytes(written.writtenBytes)} to ${written.disk}. ${written.text}\n`;
      printResult(context, globals, written, text);
    });

  group
    .command('stop')
    .description('remove the host, the repository and everything in them')
    .option('--cancel-runs', 'cancel runs that use them instead of refusing', false)
    .action(async ({ cancelRuns }: { cancelRuns: boolean }, command: Command) => {
      const globals = globalOptions(command);
      await withDaemon(context, globals, async (client) =>
        client.request(daemon.stopSimulator, { cancelRuns }, { signal: context.signal }),
      );
      printResult(context, globals, { stopped: true }, 'The simulator is removed.\n');
    });
}
