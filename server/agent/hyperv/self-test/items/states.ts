/** Application consistency of a VM whose guest cannot be asked: off, running, paused, saved. */
import type { Logger } from '../../../../base/log.ts';
import type { CheckpointId } from '../../../../protocol/ids.ts';
import { settle } from '../../calls/calls.ts';
import { getCheckpoint, startCheckpointRemoval, startScratchSnapshot } from '../../commands/index.ts';
import { topics } from '../catalogue.ts';
import { outcomeOf, power, setState } from '../host.ts';
import type { Answer, Lab, Step } from '../lab.ts';
import { open, settled } from '../report.ts';
import { merged } from '../scratch-vm.ts';

const procedure = topics.find(({ number }) => number === 4)?.procedure ?? '';

/** The VM is off before and after. */
export const states: Step = {
  name: 'application consistency in each state',
  topics: [4],
  run: async (lab) => {
    const answers: Answer[] = [await snapshot(lab, 'off')];
    const start = await setState(lab.calls, lab.vmId, power.on, lab.signal);
    if (!start.worked) {
      const reason = `The VM could not be started: ${start.text}.`;
      return [
        ...answers,
        {
          topic: 4,
          question: open('Level 1 on a VM that runs, is paused, or is saved', reason, procedure, start.observed),
        },
      ];
    }
    try {
      answers.push(lab.guest ? withGuest() : await snapshot(lab, 'running, without integration services'));
      answers.push(await inState(lab, power.paused, 'paused'));
      await setState(lab.calls, lab.vmId, power.on, lab.signal);
      answers.push(await inState(lab, power.saved, 'saved'));
    } finally {
      await setState(lab.calls, lab.vmId, power.on, lab.signal);
      await setState(lab.calls, lab.vmId, power.off, lab.signal);
    }
    return answers;
  },
};

function withGuest(): Answer {
  const reason = 'The VM was started from an image, whose guest may have integration services.';
  return {
    topic: 4,
    question: open('Level 1 on a VM that is running, without integration services', reason, procedure),
  };
}

async function inState(lab: Lab, state: 6 | 9, name: string): Promise<Answer> {
  const changed = await setState(lab.calls, lab.vmId, state, lab.signal);
  if (changed.worked) return snapshot(lab, name);
  const reason = `The VM could not be ${name}: ${changed.text}.`;
  return { topic: 4, question: open(`Level 1 on a VM that is ${name}`, reason, procedure, changed.observed) };
}

async function snapshot(lab: Lab, state: string): Promise<Answer> {
  const { calls, signal, vmId } = lab;
  const asked = await calls.invoke(startScratchSnapshot, { VmId: vmId, Level: 1 }, signal);
  const outcome = await outcomeOf(calls, asked, signal);
  const made = await removeAll(lab);
  const does = outcome.worked ? 'makes a checkpoint' : 'is refused';
  const question = settled(`Level 1 on a VM that is ${state}`, `It ${does}: ${outcome.text}.`, {
    ...outcome.observed,
    made: made.length,
  });
  return { topic: 4, question };
}

/** Removes the recovery checkpoints of the VM, whatever their names. */
export async function removeAll({
  calls,
  log,
  signal,
  vmId,
}: { readonly log: Logger } & Pick<Lab, 'calls' | 'signal' | 'vmId'>): Promise<readonly CheckpointId[]> {
  const { checkpoints } = await calls.invoke(getCheckpoint, { VmId: vmId }, signal);
  for (const { id } of checkpoints) {
    await settle(calls, log, await calls.invoke(startCheckpointRemoval, { CheckpointId: id, Unmarked: true }, signal));
  }
  await merged(calls, vmId, signal);
  return checkpoints.map(({ id }) => id);
}
