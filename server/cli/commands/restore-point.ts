/** `tidemark restore-point`. */
import type { Command } from 'commander';

import { formatBytes } from '../../base/format.ts';
import * as daemon from '../../protocol/daemon.ts';
import { restorePointId } from '../../protocol/ids.ts';
import type { RestorePointInfo } from '../../protocol/model.ts';
import { agree } from '../agree.ts';
import { globalOptions, printResult, withDaemon } from '../context.ts';
import type { CliContext } from '../context.ts';
import { printable } from '../printable.ts';
import { localMinute, localTime, table } from '../table.ts';
import { whoAsks } from '../who.ts';

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
        context.terminal.error(
          `${context.style.bad('damaged')}: ${printable(`${repository}: ${file}: ${error.message}`)}\n`,
        );
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
        const name = printable(`${restorePoint.vmName}, ${localTime(restorePoint.createdAt)}`);
        const question = `Delete restore point ${id} (${name})?`;
        const { yes } = options;
        await agree(context, globals, { yes, doing: 'Deleting', question, refused: 'Nothing was deleted.' });
        await client.request(daemon.deleteRestorePoint, params, { signal: context.signal });
        printResult(context, globals, { deleted: id }, `Deleted restore point ${id} (${name}).\n`);
      });
    });
  addPinning(group, context);
}

function addPinning(group: Command, context: CliContext): void {
  group
    .command('pin')
    .description('keep a restore point: no retention deletes it, and by hand only after it is unpinned')
    .argument('<id>', 'id of the restore point')
    .option('--repo <name>', 'the repository that has it')
    .option('--note <text>', 'why, for whoever finds it later')
    .action(async (id: string, options: { repo?: string; note?: string }, command: Command) => {
      const { note } = options;
      const more = { pinned: true, ...(note === undefined ? {} : { note }) };
      await setPin(context, command, { ...pointParams(id, options), ...more }, 'Pinned');
    });

  group
    .command('unpin')
    .description('let a pinned restore point go like any other')
    .argument('<id>', 'id of the restore point')
    .option('--repo <name>', 'the repository that has it')
    .action(async (id: string, options: { repo?: string }, command: Command) => {
      await setPin(context, command, { ...pointParams(id, options), pinned: false }, 'Unpinned');
    });
}

async function setPin(
  context: CliContext,
  command: Command,
  params: ReturnType<typeof pointParams> & { readonly pinned: boolean; readonly note?: string },
  verb: string,
): Promise<void> {
  const globals = globalOptions(command);
  const { restorePoint } = await withDaemon(context, globals, async (client) =>
    client.request(daemon.pinRestorePoint, { ...params, by: whoAsks() }, { signal: context.signal }),
  );
  const { id, vmName, createdAt } = restorePoint;
  const text = printable(`${verb} restore point ${id} (${vmName}, ${localTime(createdAt)}).`);
  printResult(context, globals, restorePoint, `${text}\n`);
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

/** Fits into 80 columns for names of up to 16 characters; the repository, policies and pins are named where there are any to tell apart. */
function pointTable(points: readonly RestorePointInfo[]): string {
  const several = new Set(points.map((point) => point.repository)).size > 1;
  const byPolicy = points.some(({ policy }) => policy !== undefined);
  const anyPinned = points.some(({ pinned }) => pinned !== undefined);
  return table(
    [
      { title: 'RESTORE POINT' },
      { title: 'TAKEN' },
      { title: 'TYPE' },
      { title: 'STORED', align: 'right' },
      { title: 'VM' },
      ...(anyPinned ? [{ title: 'PIN' }] : []),
      ...(byPolicy ? [{ title: 'POLICY' }] : []),
      ...(several ? [{ title: 'REPOSITORY' }] : []),
    ],
    points.map((point) => [
      point.id,
      localMinute(point.createdAt),
      point.type,
      formatBytes(point.disks.reduce((sum, disk) => sum + disk.stats.storedBytes, 0)),
      `${point.host}/${point.vmName}`,
      ...(anyPinned ? [point.pinned === undefined ? '' : 'pinned'] : []),
      ...(byPolicy ? [point.policy ?? ''] : []),
      ...(several ? [point.repository] : []),
    ]),
  );
}

function pinText({ by, at, note }: NonNullable<RestorePointInfo['pinned']>): string {
  return `by ${printable(by)}, ${localTime(at)}${note === undefined ? '' : `: ${printable(note)}`}`;
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
      ...(point.policy === undefined ? [] : [['policy', point.policy]]),
      ...(point.pinned === undefined ? [] : [['pinned', pinText(point.pinned)]]),
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
