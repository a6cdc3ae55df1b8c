/** `tidemark restore-point`. */
import type { Command } from 'commander';

import { formatBytes } from '../../base/format.ts';
import * as daemon from '../../protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { restorePointId } from '../../protocol/ids.ts';
import type { RestorePointInfo } from '../../protocol/model.ts';
import { globalOptions, printResult, withDaemon } from '../context.ts';
import type { CliContext } from '../context.ts';
import { confirm } from '../prompt.ts';
import { localMinute, localTime, table } from '../table.ts';

/** Adds the commands. */
export function addRestorePointCommands(program: Command, context: CliContext): void {
  const group = program
    .command('restore-point')
    .description('restore points; each is complete, none needs another')
    .addHelpText('after', '\nExample:\n  tidemark restore-point list --vm sql01\n  tidemark restore-point show ID');

  group
    .command('list')
    .description('list restore points, newest first')
    .option('--vm <vm>', 'only of this VM, by name or GUID')
    .option('--repo <name>', 'only in this repository')
    .addHelpText('after', '\nNext: tidemark restore disk ID DISK --to FILE')
    .action(async (options: { vm?: string; repo?: string }, command: Command) => {
      const globals = globalOptions(command);
      const params = {
        ...(options.vm === undefined ? {} : { vm: options.vm.slice(options.vm.indexOf('/') + 1) }),
        ...(options.repo === undefined ? {} : { repository: options.repo }),
      };
      const result = await withDaemon(context, globals, async (client) =>
        client.request(daemon.listRestorePoints, params, { signal: context.signal }),
      );
      const points = result.restorePoints.toSorted((a, b) => (a.id < b.id ? 1 : -1));
      const sorted = { ...result, restorePoints: points };
      printResult(context, globals, sorted, points.length === 0 ? 'No restore points.\n' : pointTable(points));
      if (globals.json) return;
      for (const { repository, file, error } of result.damaged) {
        context.terminal.error(`${context.style.bad('damaged')}: ${repository}: ${file}: ${error.message}\n`);
      }
    });

  group
    .command('show')
    .description('show one restore point and its disks')
    .argument('<id>', 'id of the restore point')
    .option('--repo <name>', 'the repository that has it')
    .action(async (id: string, options: { repo?: string }, command: Command) => {
      const globals = globalOptions(command);
      const params = pointParams(id, options);
      const { restorePoint } = await withDaemon(context, globals, async (client) =>
        client.request(daemon.getRestorePoint, params, { signal: context.signal }),
      );
      printResult(context, globals, restorePoint, pointText(restorePoint));
    });

  group
    .command('delete')
    .description('delete a restore point; all others stay restorable')
    .argument('<id>', 'id of the restore point')
    .option('--repo <name>', 'the repository that has it')
    .option('--yes', 'do not ask', false)
    .addHelpText('after', '\nThe space comes back with: tidemark repo gc NAME')
    .action(async (id: string, options: { repo?: string; yes: boolean }, command: Command) => {
      const globals = globalOptions(command);
      const params = pointParams(id, options);
      await withDaemon(context, globals, async (client) => {
        const { restorePoint } = await client.request(daemon.getRestorePoint, params, { signal: context.signal });
        const name = `${restorePoint.vmName}, ${localTime(restorePoint.createdAt)}`;
        if (!options.yes && !(await agreed(context, `Delete restore point ${id} (${name})?`))) {
          throw new TidemarkError(errorCodes.cancelled, 'Nothing was deleted.');
        }
        await client.request(daemon.deleteRestorePoint, params, { signal: context.signal });
        printResult(context, globals, { deleted: id }, `Deleted restore point ${id} (${name}).\n`);
      });
    });
}

async function agreed(context: CliContext, question: string): Promise<boolean> {
  if (process.stdin.isTTY && context.terminal.interactive) return confirm(question);
  throw new TidemarkError(errorCodes.invalidUsage, 'Deleting needs a yes, and there is no terminal to ask on.', {
    hint: 'Give --yes.',
  });
}

function pointParams(
  id: string,
  options: { readonly repo?: string },
): { readonly id: ReturnType<typeof restorePointId>; readonly repository?: string } {
  return {
    id: restorePointId(id, 'The restore point'),
    ...(options.repo === undefined ? {} : { repository: options.repo }),
  };
}

/** Fits into 80 columns for names of up to 16 characters; the repository is named where there is more than one. */
function pointTable(points: readonly RestorePointInfo[]): string {
  const several = new Set(points.map((point) => point.repository)).size > 1;
  return table(
    [
      { title: 'RESTORE POINT' },
      { title: 'TAKEN' },
      { title: 'TYPE' },
      { title: 'STORED', align: 'right' },
      { title: 'VM' },
      ...(several ? [{ title: 'REPOSITORY' }] : []),
    ],
    points.map((point) => [
      point.id,
      localMinute(point.createdAt),
      point.type,
      formatBytes(point.disks.reduce((sum, disk) => sum + disk.stats.storedBytes, 0)),
      `${point.host}/${point.vmName}`,
      ...(several ? [point.repository] : []),
    ]),
  );
}

function pointText(point: RestorePointInfo): string {
  const head = table(
    [{ title: 'RESTORE POINT' }, { title: point.id }],
    [
      ['vm', `${point.vmName} (${point.vmId})`],
      ['host', point.host],
      ['taken', localTime(point.createdAt)],
      ['type', `${point.type}, ${point.consistency}-consistent`],
      ['repository', point.repository],
      ['reference point', point.referencePointId ?? 'none: the next backup of this VM is full'],
      ...point.warnings.map((warning) => ['warning', warning]),
    ],
  );
  const disks = table(
    [
      { title: 'DISK' },
      { title: 'SIZE', align: 'right' },
      { title: 'DATA', align: 'right' },
      { title: 'READ', align: 'right' },
      { title: 'STORED', align: 'right' },
      { title: 'HOW' },
    ],
    point.disks.map((disk) => [
      disk.name,
      formatBytes(disk.sizeBytes),
      formatBytes(disk.stats.dataBytes),
      formatBytes(disk.stats.readBytes),
      formatBytes(disk.stats.storedBytes),
      disk.kind.type === 'full' ? `full: ${disk.kind.reason}` : 'incremental',
    ]),
  );
  return `${head}\n${disks}`;
}
