/** `tidemark restore`. */
import { Option } from 'commander';
import type { Command } from 'commander';

import { formatBytes } from '../../base/format.ts';
import { restorePointId } from '../../protocol/ids.ts';
import { daemonPath, globalOptions, printResult, withDaemon } from '../context.ts';
import type { CliContext } from '../context.ts';
import { printable } from '../printable.ts';
import { runToEnd } from '../follow.ts';

interface DiskOptions {
  readonly to: string;
  readonly format: 'vhdx' | 'raw';
  readonly force: boolean;
  readonly repo?: string;
}

interface VmOptions {
  readonly host: string;
  readonly name?: string;
  readonly connectNetwork: boolean;
  readonly repo?: string;
}

/** Adds the commands. */
export function addRestoreCommands(program: Command, context: CliContext): void {
  const restore = program
    .command('restore')
    .description('restore disks and VMs')
    .addHelpText(
      'after',
      '\nExample:\n  tidemark restore disk ID os --to os.vhdx\n  tidemark restore vm ID --host hv01 --name sql01-copy',
    );

  restore
    .command('disk')
    .description('restore one disk to a file on the machine of the daemon')
    .argument('<id>', 'restore point')
    .argument('<disk>', 'name or id of the disk')
    .requiredOption('--to <file>', 'file to make')
    .addOption(new Option('--format <format>', 'of the file').choices(['vhdx', 'raw']).default('vhdx'))
    .option('--force', 'replace the file when it exists, once the new one is complete', false)
    .option('--repo <name>', 'the repository that has the restore point')
    .addHelpText('after', '\nExample:\n  tidemark restore disk ID os --to os.vhdx\n\nIDs: tidemark restore-point list')
    .action(async (id: string, disk: string, options: DiskOptions, command: Command) => {
      const globals = globalOptions(command);
      const restorePoint = restorePointId(id, 'The restore point');
      const run = await withDaemon(context, globals, async (client) =>
        runToEnd(context, client, {
          kind: 'restore-disk',
          restorePoint,
          disk,
          target: daemonPath(globals, options.to),
          format: options.format,
          overwrite: options.force,
          ...(options.repo === undefined ? {} : { repository: options.repo }),
        }),
      );
      const { outcome } = run;
      if (outcome?.kind !== 'restore-disk') return;
      const size = `${formatBytes(outcome.sizeBytes)} disk, ${formatBytes(outcome.dataBytes)} of data`;
      printResult(context, globals, outcome, `${printable(`Restored ${disk} to ${outcome.target} (${size}).`)}\n`);
    });

  restore
    .command('vm')
    .description('restore a whole VM to a host, as a new VM; it stays off')
    .argument('<id>', 'restore point')
    .requiredOption('--host <name>', 'host to restore to')
    .option('--name <name>', 'name of the restored VM; default: the old one')
    .option('--connect-network', 'connect its network adapters; by default they stay disconnected', false)
    .option('--repo <name>', 'the repository that has the restore point')
    .action(async (id: string, options: VmOptions, command: Command) => {
      const globals = globalOptions(command);
      const restorePoint = restorePointId(id, 'The restore point');
      const run = await withDaemon(context, globals, async (client) =>
        runToEnd(context, client, {
          kind: 'restore-vm',
          restorePoint,
          host: options.host,
          connectNetwork: options.connectNetwork,
          ...(options.name === undefined ? {} : { name: options.name }),
          ...(options.repo === undefined ? {} : { repository: options.repo }),
        }),
      );
      const { outcome } = run;
      if (outcome?.kind !== 'restore-vm') return;
      const text = printable(`Restored ${outcome.vmName} (${outcome.vmId}) to ${outcome.host}. It is off.`);
      printResult(context, globals, outcome, `${text}\n`);
    });
}
