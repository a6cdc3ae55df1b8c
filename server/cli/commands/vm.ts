/** `tidemark vm`: the virtual machines of the hosts. */
import type { Command } from 'commander';

import { formatBytes } from '../../base/format.ts';
import * as daemon from '../../protocol/daemon.ts';
import type { VmEntry } from '../../protocol/daemon.ts';
import { globalOptions, printResult, withDaemon } from '../context.ts';
import type { CliContext } from '../context.ts';
import { age, table } from '../table.ts';

/** Adds the commands. */
export function addVmCommands(program: Command, context: CliContext): void {
  const vm = program.command('vm').description('virtual machines of the hosts');

  vm.command('list')
    .description('list VMs with their disks, whether RCT works for them, and their last backup')
    .argument('[host]', 'only of this host')
    .addHelpText('after', '\nNext: tidemark backup run --vm HOST/VM --repo NAME --wait')
    .action(async (host: string | undefined, _options: object, command: Command) => {
      const globals = globalOptions(command);
      const params = host === undefined ? {} : { host };
      const result = await withDaemon(context, globals, async (client) =>
        client.request(daemon.listVms, params, { signal: context.signal }),
      );
      printResult(context, globals, result, result.vms.length === 0 ? 'No VMs.\n' : vmTable(result.vms));
      if (globals.json) return;
      for (const { host: name, error } of result.unreachable) {
        context.terminal.error(`${context.style.warn('warning')}: ${name} did not answer: ${error.message}\n`);
      }
    });
}

function vmTable(vms: readonly VmEntry[]): string {
  return table(
    [
      { title: 'VM' },
      { title: 'STATE' },
      { title: 'DISKS' },
      { title: 'SIZE', align: 'right' },
      { title: 'CHANGE TRACKING' },
      { title: 'LAST BACKUP' },
    ],
    vms.map(({ host, vm, lastRestorePoint }) => [
      `${host}/${vm.name}`,
      vm.state,
      vm.disks.map((disk) => disk.name).join(', '),
      formatBytes(vm.disks.reduce((sum, disk) => sum + disk.sizeBytes, 0)),
      vm.rctBlockers[0] ?? 'yes',
      lastRestorePoint === undefined ? 'never' : `${age(lastRestorePoint.createdAt)} to ${lastRestorePoint.repository}`,
    ]),
  );
}
