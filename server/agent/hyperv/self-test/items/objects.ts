/** Numbers of reference points, and destroying what is not there. */
import {
  getCheckpoint,
  getReferencePoint,
  removeScratchPart,
  startReferencePointRemoval,
  startScratchReferencePoint,
  startScratchSnapshot,
} from '../../commands/index.ts';
import type { HypervReferencePoint, RawAnswer } from '../../commands/index.ts';
import { topics } from '../catalogue.ts';
import { outcomeOf } from '../host.ts';
import { track } from '../lab.ts';
import type { Answer, Lab, Step } from '../lab.ts';
import { open, settled } from '../report.ts';
import { merged, tidy } from '../scratch-vm.ts';

const procedureOf = (number: number): string => topics.find((topic) => topic.number === number)?.procedure ?? '';

/** `CreateReferencePoint` with each number, and what a converted checkpoint has. */
export const pointTypes: Step = {
  name: 'numbers of reference points',
  topics: [3],
  run: async (lab) => {
    const { point } = await track(lab);
    const converted = (await pointsOf(lab)).find(({ id }) => id === point.id);
    const seen: {
      readonly asked: number;
      readonly text: string;
      readonly types: readonly number[];
      readonly tracked: boolean;
    }[] = [];
    for (const asked of [0, 1, 2]) seen.push(await create(lab, asked));
    await tidy(lab, lab.vmId);
    const made = seen.filter(({ types }) => types.length > 0);
    const tracked = made
      .filter((entry) => entry.tracked)
      .map(({ asked, types }) => `${asked} makes one of type ${types.join(', ')}`);
    const answer = `A converted checkpoint has type ${converted?.type ?? 'unknown'}. Of CreateReferencePoint, ${tracked.length === 0 ? 'no number makes one with tracking ids' : tracked.join('; ')}.`;
    return [
      {
        topic: 3,
        question: settled('Numbers of CreateReferencePoint and of the property', answer, {
          converted: converted?.type,
          created: seen,
        }),
      },
    ];
  },
};

async function create(
  lab: Lab,
  type: number,
): Promise<{
  readonly asked: number;
  readonly text: string;
  readonly types: readonly number[];
  readonly tracked: boolean;
}> {
  const { calls, signal, vmId } = lab;
  await merged(calls, vmId, signal);
  const before = new Set((await pointsOf(lab)).map(({ id }) => id));
  const outcome = await outcomeOf(
    calls,
    await calls.invoke(startScratchReferencePoint, { VmId: vmId, Type: type }, signal),
    signal,
  );
  const made = (await pointsOf(lab)).filter(({ id }) => !before.has(id));
  for (const { id, trackingIds } of made) {
    const args = { ReferencePointId: id, VmId: vmId, TrackingId: trackingIds };
    await calls.finish(await calls.invoke(startReferencePointRemoval, args, signal), { signal });
  }
  return {
    asked: type,
    text: outcome.text,
    types: made.map((point) => point.type),
    tracked: made.some(({ trackingIds }) => trackingIds.length > 0),
  };
}

async function pointsOf({ calls, signal, vmId }: Lab): Promise<readonly HypervReferencePoint[]> {
  const { referencePoints } = await calls.invoke(getReferencePoint, { VmId: vmId }, signal);
  return referencePoints.filter((point) => point.vmId === vmId);
}

/** `DestroySnapshot` and `DestroyReferencePoint`, each twice on the same object. */
export const missingObjects: Step = {
  name: 'destroying what is not there',
  topics: [11],
  run: async (lab) => {
    const { calls, signal, vmId } = lab;
    const { point } = await track(lab);
    const answers = [await destroyTwice(lab, 'referencePoint', point.id)];
    await outcomeOf(calls, await calls.invoke(startScratchSnapshot, { VmId: vmId, Level: 2 }, signal), signal);
    const [checkpoint] = (await calls.invoke(getCheckpoint, { VmId: vmId }, signal)).checkpoints;
    answers.push(
      checkpoint === undefined
        ? {
            topic: 11,
            question: open('DestroySnapshot of what is not there', 'No checkpoint could be made.', procedureOf(11)),
          }
        : await destroyTwice(lab, 'snapshot', checkpoint.id),
    );
    await merged(calls, vmId, signal);
    return answers;
  },
};

async function destroyTwice(lab: Lab, kind: 'snapshot' | 'referencePoint', id: string): Promise<Answer> {
  const { calls, signal, vmId } = lab;
  const method = kind === 'snapshot' ? 'DestroySnapshot' : 'DestroyReferencePoint';
  const { first, second } = await calls.invoke(removeScratchPart, { VmId: vmId, Kind: kind, Id: id }, signal);
  const done = await outcomeOf(calls, first, signal);
  const again = await outcomeOf(calls, second, signal);
  const observed = { first: done.observed, second: again.observed };
  if (!worked(first) || !done.worked) {
    return {
      topic: 11,
      question: open(
        `${method} of what is not there`,
        `It did not even work once: ${done.text}.`,
        procedureOf(11),
        observed,
      ),
    };
  }
  return {
    topic: 11,
    question: settled(`${method} of what is not there`, `The second time gives ${again.text}.`, observed),
  };
}

const worked = ({ returnValue }: RawAnswer): boolean => returnValue === 0 || returnValue === 4096;
