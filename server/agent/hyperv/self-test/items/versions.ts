/** The lowest configuration version whose VMs are tracked: one VM of each. */
import { join } from 'node:path';

import type { VmId } from '../../../../protocol/ids.ts';
import { createVhdx } from '../../../../vhdx/index.ts';
import * as commands from '../../commands/index.ts';
import { markText } from '../../checkpoints/marks.ts';
import { runId } from '../../../../protocol/ids.ts';
import { ulid } from '../../../../base/ulid.ts';
import { errorText, outcomeOf } from '../host.ts';
import type { Lab, Step } from '../lab.ts';
import { settled } from '../report.ts';
import { makeScratch, merged, tidy } from '../scratch-vm.ts';

const versions = ['5.0', '6.2', '7.0', '8.0'] as const;
const diskBytes = 8 * 1024 * 1024;

export const configurationVersions: Step = {
  name: 'configuration versions',
  topics: [15],
  run: async (lab) => {
    const seen: { readonly version: string; readonly text: string; readonly tracked: boolean }[] = [];
    for (const version of versions) seen.push({ version, ...(await tryVersion(lab, version)) });
    const lowest = seen.find(({ tracked }) => tracked);
    const answer =
      lowest === undefined
        ? 'None of the tried versions is tracked.'
        : `The lowest version that is tracked is ${lowest.version}.`;
    return [
      {
        topic: 15,
        question: settled('The lowest configuration version with tracking ids', answer, { versions: seen }),
      },
    ];
  },
};

async function tryVersion(lab: Lab, version: string): Promise<{ readonly text: string; readonly tracked: boolean }> {
  const { calls, signal, name } = lab;
  const folder = join(lab.folder, `version-${version}`);
  const disk = join(lab.folder, `version-${version}.vhdx`);
  await createVhdx(disk, { sizeBytes: diskBytes });
  let vmId: VmId;
  try {
    vmId = await makeScratch(calls, { name, folder, disks: [disk], version }, signal);
  } catch (error) {
    return { text: `The host makes no such VM: ${errorText(error)}`, tracked: false };
  }
  try {
    return await trackOnce(lab, vmId);
  } finally {
    await tidy(lab, vmId);
    await calls.finish(await calls.invoke(commands.startScratchRemoval, { VmId: vmId }, signal), { signal });
  }
}

/** Without the provider, which refuses versions that are not known to work. */
async function trackOnce(lab: Lab, vmId: VmId): Promise<{ readonly text: string; readonly tracked: boolean }> {
  const { calls, signal, owner } = lab;
  const made = await outcomeOf(
    calls,
    await calls.invoke(commands.startScratchSnapshot, { VmId: vmId, Level: 2 }, signal),
    signal,
  );
  const [checkpoint] = (await calls.invoke(commands.getCheckpoint, { VmId: vmId }, signal)).checkpoints;
  if (checkpoint === undefined) return { text: `No checkpoint: ${made.text}`, tracked: false };
  const mark = markText({ owner, runId: runId(ulid(), 'runId'), consistency: 'crash' });
  await calls.finish(
    await calls.invoke(commands.renameCheckpoint, { CheckpointId: checkpoint.id, Name: mark }, signal),
    { signal },
  );
  try {
    const args = { CheckpointId: checkpoint.id, Consistency: 'crash' } as const;
    await calls.finish((await calls.invoke(commands.startConversion, args, signal)).outcome, { signal });
  } catch (error) {
    return { text: `No reference point: ${errorText(error)}`, tracked: false };
  }
  await merged(calls, vmId, signal);
  const { referencePoints } = await calls.invoke(commands.getReferencePoint, { VmId: vmId }, signal);
  const ids = referencePoints.filter((point) => point.vmId === vmId).flatMap(({ trackingIds }) => trackingIds);
  return { text: `A reference point with ${ids.length} tracking ids`, tracked: ids.length > 0 };
}
