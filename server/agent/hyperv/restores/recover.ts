/** Taking back a restore that was not completed: its planned VM and its files, and nothing that a VM of the host uses. */
import { settle, uncancelled } from '../calls/calls.ts';
import { getVm } from '../commands/index.ts';
import { isInside } from '../paths.ts';
import { removeFolder } from './files.ts';
import type { PlannedVmHost, PlannedVms } from './planned.ts';

/** Does so for one record, and removes it. A VM that was realised stays, with its files. Gives a line for the log. */
export async function recoverRestore(
  key: string,
  { records, calls, log }: PlannedVmHost,
  planned: PlannedVms,
): Promise<string> {
  const record = records.get(key);
  if (record === undefined) return '';
  const { name, folder, phase, jobId } = record;
  if (phase === 'realizing' && jobId !== undefined) await settle(calls, log, { state: 'started', jobId });
  const { vms, unreadable = [] } = await calls.invoke(getVm, {}, uncancelled);
  const used =
    unreadable.find((vm) => vm.id === record.plannedId) ??
    vms.find((vm) => vm.id === record.plannedId || vm.disks.some(({ path }) => isInside(folder, path)));
  if (used !== undefined) {
    await records.delete(key);
    return `The restored VM ${used.name} was completed before the agent ended.`;
  }
  await planned.remove(record);
  await removeFolder(folder);
  await records.delete(key);
  return `Removed what the restore of ${name} had begun.`;
}
