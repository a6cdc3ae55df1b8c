/** Exports of the scratch VM: what files a differential one has, and what an import brings back. */
import { mkdir, readdir } from 'node:fs/promises';
import { extname, join, relative } from 'node:path';

import type { CheckpointId, ReferencePointId, VmId } from '../../../../protocol/ids.ts';
import * as commands from '../../commands/index.ts';
import { topics } from '../catalogue.ts';
import { outcomeOf } from '../host.ts';
import type { Outcome } from '../host.ts';
import { quietJob, takeCheckpoint, track } from '../lab.ts';
import type { Answer, Lab, Step } from '../lab.ts';
import { open, settled } from '../report.ts';
import { tidy } from '../scratch-vm.ts';
import { plannedVmOf } from '../../restores/planned-vm.ts';

const procedureOf = (number: number): string => topics.find((topic) => topic.number === number)?.procedure ?? '';
const diskEndings = new Set(['.vhdx', '.avhdx', '.vhd', '.avhd']);

/** A full and two differential exports. */
export const differentialExports: Step = {
  name: 'differential exports',
  topics: [8],
  run: async (lab) => {
    const { point } = await track(lab);
    const { id } = await takeCheckpoint(lab);
    const answers: Answer[] = [];
    try {
      answers.push(await exported(lab, 'A full export', id, undefined, 0));
      answers.push(await exported(lab, 'A differential export with BackupIntent 0', id, point.id, 0));
      answers.push(await exported(lab, 'A differential export with BackupIntent 1', id, point.id, 1));
    } finally {
      await lab.provider.removeCheckpoint(id, { ...quietJob(lab), signal: new AbortController().signal });
      await tidy(lab, lab.vmId);
    }
    const reason = 'It would take a second VM with the disks of the base.';
    return [
      ...answers,
      { topic: 8, question: open('Whether a differential import merges by itself', reason, procedureOf(8)) },
    ];
  },
};

async function exported(
  lab: Lab,
  what: string,
  checkpoint: CheckpointId,
  base: ReferencePointId | undefined,
  intent: number,
): Promise<Answer> {
  const folder = join(lab.folder, 'exports', what.replaceAll(/\W+/g, '-').toLowerCase());
  const outcome = await exportTo(lab, folder, checkpoint, base, intent);
  if (!outcome.worked)
    return { topic: 8, question: settled(what, `It is refused: ${outcome.text}.`, outcome.observed) };
  const files = await filesBelow(folder);
  const disks = files.filter((file) => diskEndings.has(extname(file).toLowerCase()));
  const paths = disks.map((file) => join(folder, file));
  const described = (await lab.calls.invoke(commands.getVirtualDisk, { Path: paths }, lab.signal)).disks;
  const facts = described.map(({ path, disk, error }) => ({
    file: relative(folder, path),
    type: disk?.type,
    parent: disk === null ? undefined : within(lab, disk.parentPath),
    error: error === '' ? undefined : within(lab, error),
  }));
  const kinds = facts.map(
    ({ file, type, parent }) => `${extname(file)} of type ${type ?? 'unknown'}${parent ? ` on ${parent}` : ''}`,
  );
  return {
    topic: 8,
    question: settled(what, `Its disks are: ${kinds.join('; ') || 'none'}.`, { files, disks: facts }),
  };
}

/** Paths below the self-test's folder without what is before it. */
function within({ folder }: Lab, text: string): string {
  return text.replaceAll(folder, '<folder>');
}

async function exportTo(
  lab: Lab,
  folder: string,
  checkpoint: CheckpointId,
  base: ReferencePointId | undefined,
  intent: number,
): Promise<Outcome> {
  await mkdir(folder, { recursive: true });
  const args = { VmId: lab.vmId, CheckpointId: checkpoint, Directory: folder, BackupIntent: intent };
  const asked = await lab.calls.invoke(
    commands.startScratchExport,
    base === undefined ? args : { ...args, BaseReferencePointId: base },
    lab.signal,
  );
  return outcomeOf(lab.calls, asked, lab.signal);
}

async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .toSorted();
}

/** The VM is exported, removed, and imported under its id. Nothing can be done with it afterwards but removing it. */
export const importedAgain: Step = {
  name: 'reference points of an imported VM',
  topics: [12],
  run: async (lab) => {
    const what = 'Reference points of a VM that was exported and imported with the same id';
    const failover = 'It takes a second host.';
    const replica: Answer = {
      topic: 12,
      question: open('Reference points after a failover of Replica', failover, procedureOf(12)),
    };
    const { point } = await track(lab);
    const { id } = await takeCheckpoint(lab);
    const folder = join(lab.folder, 'exports', 'imported');
    const outcome = await exportTo(lab, folder, id, undefined, 0);
    await lab.provider.removeCheckpoint(id, quietJob(lab));
    if (!outcome.worked) {
      return [
        { topic: 12, question: open(what, `The export failed: ${outcome.text}.`, procedureOf(12), outcome.observed) },
        replica,
      ];
    }
    const { calls, signal, vmId } = lab;
    await calls.finish(await calls.invoke(commands.startScratchRemoval, { VmId: vmId }, signal), { signal });
    await imported(lab, folder);
    const { referencePoints } = await calls.invoke(commands.getReferencePoint, { VmId: vmId }, signal);
    const survived = referencePoints.filter((found) => found.vmId === vmId);
    const same = survived.some((found) => found.id === point.id);
    const text =
      survived.length === 0
        ? 'They are gone.'
        : `${survived.length} came with it, ${same ? 'with their ids' : 'with other ids'}.`;
    return [{ topic: 12, question: settled(what, text, { before: 1, after: survived.length, same }) }, replica];
  },
};

async function imported({ calls, signal }: Lab, folder: string): Promise<VmId> {
  const files = (await filesBelow(folder)).map((file) => join(folder, file));
  const definition = files.find((file) => file.toLowerCase().endsWith('.vmcx')) ?? '';
  const made = await calls.invoke(
    commands.startImport,
    { DefinitionFile: definition, SnapshotFolder: '', NewId: false },
    signal,
  );
  await calls.finish(made.outcome, { signal });
  const vmId = await plannedVmOf(calls, made, signal);
  if (vmId === null) throw new Error('The imported VM cannot be found.');
  const { disks } = await calls.invoke(commands.getPlannedVm, { VmId: vmId }, signal);
  const copies = files.filter((file) => diskEndings.has(extname(file).toLowerCase()));
  const changed = disks.flatMap(({ instanceId, path }) => {
    const copy =
      copies.find((file) => baseName(file) === baseName(path)) ?? (copies.length === 1 ? copies[0] : undefined);
    return copy === undefined ? [] : [{ instanceId, path: copy }];
  });
  for (const step of [
    () => calls.invoke(commands.startDiskChange, { VmId: vmId, Disk: changed }, signal),
    () => calls.invoke(commands.startValidation, { VmId: vmId }, signal),
    () => calls.invoke(commands.startRealization, { VmId: vmId }, signal),
  ]) {
    await calls.finish(await step(), { signal });
  }
  return vmId;
}

const baseName = (path: string): string => path.split(/[\\/]/).at(-1)?.toLowerCase() ?? '';
