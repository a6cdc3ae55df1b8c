/** What becomes of tracking when something else than the guest changes a disk. The VM is off before and after. */
import { rm, stat } from 'node:fs/promises';

import { systemCode } from '../../../../base/files.ts';
import { openVhdxWriter } from '../../../../vhdx/index.ts';
import { startScratchDiskChange } from '../../commands/index.ts';
import type { ScratchChange } from '../../commands/index.ts';
import { topics } from '../catalogue.ts';
import { outcomeOf, power, setState } from '../host.ts';
import type { Outcome } from '../host.ts';
import { changesSince, ownDisk, rangesOf, track } from '../lab.ts';
import type { Answer, Lab, Step } from '../lab.ts';
import { open, settled } from '../report.ts';
import { tidy } from '../scratch-vm.ts';

const procedureOf = (number: number): string => topics.find((topic) => topic.number === number)?.procedure ?? '';
const MiB = 1024 * 1024;
/** Where the self-test writes beside the tracker, bytes. */
const written = { offset: 24 * MiB + 4096, length: 192 * 1024 } as const;
const growthBytes = 16 * MiB;

/** Everything that can be done to a disk by the image service, or beside it. */
export const diskChanges: Step = {
  name: 'changes of a disk beside the guest',
  topics: [7],
  run: async (lab) => {
    const answers: Answer[] = [
      await writtenBeside(lab),
      await changed(lab, 'compact', 0, 'Compacting a disk of a VM that is off'),
    ];
    answers.push(
      await changed(lab, 'resize', lab.disk.sizeBytes + growthBytes, 'Enlarging a disk of a VM that is off'),
    );
    answers.push(await enlargedWhileRunning(lab));
    answers.push(await changed(lab, 'resize', lab.disk.sizeBytes, 'Making a disk of a VM that is off smaller again'));
    const by = 'It takes tools of Windows that would show the disk to the whole host.';
    const what = 'Converting, mounting for writing, diskpart, Set-VHD';
    return [...answers, { topic: 7, question: open(what, by, procedureOf(7)) }];
  },
};

async function writtenBeside(lab: Lab): Promise<Answer> {
  const { trackingId } = await track(lab);
  const { path } = await ownDisk(lab);
  const writer = await openVhdxWriter(path);
  try {
    await writer.write(Buffer.alloc(written.length, 0x5a), written.offset);
  } finally {
    await writer.close();
  }
  const change = await changesSince(lab, trackingId);
  const outcome = await outcomeOf(lab.calls, change.answer, lab.signal);
  await tidy(lab, lab.vmId);
  const observed = { ...outcome.observed, written, ranges: rangesOf(change).slice(0, 64) };
  return {
    topic: 7,
    question: settled('Writing into the file of a disk of a VM that is off', besideText(outcome, change), observed),
  };
}

function besideText(outcome: Outcome, change: ScratchChange): string {
  if (!outcome.worked) return `It is noticed, and the old id is refused: ${outcome.text}.`;
  return covers(change)
    ? 'It is noticed: the ranges that Hyper-V tells hold what was written.'
    : 'It is NOT noticed: Hyper-V answers without what was written. An incremental would miss it.';
}

/** Whether the ranges hold all that was written. */
function covers(change: ScratchChange): boolean {
  let reached: number = written.offset;
  for (const { offset, length } of rangesOf(change).toSorted((a, b) => a.offset - b.offset)) {
    if (offset <= reached) reached = Math.max(reached, offset + length);
  }
  return reached >= written.offset + written.length;
}

async function changed(lab: Lab, action: 'resize' | 'compact', sizeBytes: number, what: string): Promise<Answer> {
  const { calls, signal, vmId } = lab;
  const { trackingId } = await track(lab);
  const { path } = await ownDisk(lab);
  const args = { VmId: vmId, Path: path, Action: action, SizeBytes: sizeBytes };
  const done = await outcomeOf(calls, await calls.invoke(startScratchDiskChange, args, signal), signal);
  if (!done.worked) {
    await tidy(lab, vmId);
    return { topic: 7, question: settled(what, `It is refused: ${done.text}.`, { change: done.observed }) };
  }
  const change = await changesSince(lab, trackingId);
  const outcome = await outcomeOf(calls, change.answer, signal);
  await tidy(lab, vmId);
  const { processedBytes, ranges } = change;
  const text = outcome.worked
    ? `The old id still answers, for ${processedBytes ?? 0} bytes with ${ranges} ranges.`
    : `The old id is refused: ${outcome.text}.`;
  return {
    topic: 7,
    question: settled(what, text, { change: done.observed, ...outcome.observed, processedBytes, ranges }),
  };
}

async function enlargedWhileRunning(lab: Lab): Promise<Answer> {
  const what = 'Enlarging a disk while its VM runs';
  const start = await setState(lab.calls, lab.vmId, power.on, lab.signal);
  if (!start.worked) {
    return {
      topic: 7,
      question: open(what, `The VM could not be started: ${start.text}.`, procedureOf(7), start.observed),
    };
  }
  try {
    return await changed(lab, 'resize', lab.disk.sizeBytes + 2 * growthBytes, what);
  } finally {
    await setState(lab.calls, lab.vmId, power.off, lab.signal);
  }
}

/** Whether the tracking file of a disk can be deleted while its VM runs, and what follows. */
export const trackingFiles: Step = {
  name: 'deletion of tracking files',
  topics: [13],
  run: async (lab) => {
    const what = 'Deleting the .rct file of a disk';
    const { trackingId } = await track(lab);
    const { path } = await ownDisk(lab);
    const file = `${path}.rct`;
    if (!(await isThere(file))) {
      await tidy(lab, lab.vmId);
      return [{ topic: 13, question: open(what, 'No .rct file lies beside the disk here.', procedureOf(13)) }];
    }
    const start = await setState(lab.calls, lab.vmId, power.on, lab.signal);
    const running = start.worked ? await deleted(file) : undefined;
    if (start.worked) await setState(lab.calls, lab.vmId, power.off, lab.signal);
    const off = await deleted(file);
    const { answer } = await changesSince(lab, trackingId);
    const after = await outcomeOf(lab.calls, answer, lab.signal);
    await tidy(lab, lab.vmId);
    const text = `While the VM ran: ${running ?? 'not tried'}. When it was off: ${off}. Afterwards the old id ${after.worked ? 'still answers' : `is refused: ${after.text}`}.`;
    return [{ topic: 13, question: settled(what, text, { running, off, ...after.observed }) }];
  },
};

async function isThere(file: string): Promise<boolean> {
  try {
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}

async function deleted(file: string): Promise<string> {
  try {
    await rm(file);
    return 'it can be deleted';
  } catch (error) {
    return `it cannot (${systemCode(error) ?? 'unknown error'})`;
  }
}
