/** `tidemark vm`: the virtual machines of the hosts. */
import type { Command } from 'commander';

import { formatBytes } from '../../base/format.ts';
import * as daemon from '../../protocol/daemon.ts';
import type { VmEntry } from '../../protocol/daemon.ts';
import { globalOptions, printResult, withDaemon } from '../context.ts';
import type { CliContext } from '../context.ts';
import { printable } from '../printable.ts';
import { age, table } from '../table.ts';

/** Adds the commands. */
export function addVmCommands(program: Command, context: CliContext): void {
  const vm = program
    .command('vm')
    .description('virtual machines of the hosts')
    .addHelpText('after', '\nExample:\n  tidemark vm list hv01');

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
      const { vms, unreachable } = result;
      const none = unreachable.length === 0 ? 'No VMs.\n' : 'No VMs are known: not every host answers.\n';
      printResult(context, globals, result, vms.length === 0 ? none : vmTable(vms));
      if (globals.json) return;
      for (const { host: name, error } of unreachable) {
        context.terminal.error(
          `${context.style.warn('warning')}: ${name} did not answer: ${printable(error.message)}\n`,
        );
      }
    });
}

function vmTable(vms: readonly VmEntry[]): string {
  const rows = table(
    [
      { title: 'VM' },
      { title: 'STATE' },
      { title: 'SIZE', align: 'right' },
      { title: 'RCT' },
      { title: 'LAST BACKUP' },
      { title: 'DISKS' },
    ],
    vms.map(({ host, vm, lastRestorePoint }) => [
      `${host}/${vm.name}`,
      vm.state,
      formatBytes(vm.disks.reduce((sum, disk) => sum + disk.sizeBytes, 0)),
      vm.rctBlockers.length === 0 ? 'yes' : 'no',
      lastRestorePoint === undefined ? 'never' : `${age(lastRestorePoint.createdAt)} to ${lastRestorePoint.repository}`,
      vm.disks.map((disk) => disk.name).join(', '),
    ]),
  );
  const reasons = vms.flatMap(({ host, vm }) =>
    vm.rctBlockers.map((reason) => `${printable(`${host}/${vm.name}: ${reason}`)}\n`),
  );
  return reasons.length === 0 ? rows : `${rows}\nCannot be backed up:\n${reasons.join('')}`;
}
