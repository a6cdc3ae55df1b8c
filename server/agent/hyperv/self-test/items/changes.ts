/** Backups compared byte by byte, and everything about tracking ids and ranges of changes. */
import { setTimeout as sleep } from 'node:timers/promises';

import type { ReferencePoint } from '../../../../protocol/model.ts';
import { compareBackup } from '../backups.ts';
import type { ComparedBackup } from '../backups.ts';
import { topics } from '../catalogue.ts';
import { outcomeOf, power, setState, vmOf } from '../host.ts';
import { changesSince, rangesOf, track, trackingIdOf, untrack } from '../lab.ts';
import type { Answer, Lab, Step } from '../lab.ts';
import { open, settled } from '../report.ts';
import type { Question } from '../report.ts';

const procedureOf = (number: number): string => topics.find((topic) => topic.number === number)?.procedure ?? '';
const incrementals = 3;
/** How long Hyper-V may take to answer after a restart of its service, and between two questions, milliseconds. */
const restartMs = 180_000;
const restartPollMs = 500;
const noGuest = 'Without an image there is no guest that writes, so there is nothing whose tracking could be wrong.';

/** One full and three incrementals of the running VM. */
export const backups: Step = {
  name: 'a full backup and three incrementals',
  topics: [1, 2, 5, 6],
  run: async (lab) => {
    const start = await setState(lab.calls, lab.vmId, power.on, lab.signal);
    if (!start.worked) lab.say(`The VM could not be started (${start.text}); its backups are made while it is off.`);
    try {
      const taken: ComparedBackup[] = [];
      for (let count = 0; count <= incrementals; count++) {
        lab.say(count === 0 ? 'Full backup' : `Incremental ${count}`);
        if (lab.guest) await sleep(lab.guestMs, undefined, { signal: lab.signal });
        taken.push(await compareBackup(lab, taken.at(-1)?.point));
      }
      return [compared(lab, taken), idForm(lab, taken), await perCall(lab, taken), native(), ...granularity(taken)];
    } finally {
      if (start.worked) await setState(lab.calls, lab.vmId, power.off, lab.signal);
    }
  },
};

function compared(lab: Lab, taken: readonly ComparedBackup[]): Answer {
  const observed = {
    backups: taken.map(({ readBytes, ranges, difference }) => ({ readBytes, ranges: ranges.length, difference })),
  };
  const wrong = taken.findIndex(({ difference }) => difference !== undefined);
  const [, ...later] = taken;
  const text = 'The image put together from a full and three incrementals, compared with the frozen disks';
  let question: Question;
  if (wrong >= 0) {
    question = settled(
      text,
      `Backup ${wrong} DIFFERS from the disk. Do not use incrementals on this host, and send this report.`,
      observed,
    );
  } else if (!lab.guest) question = open(text, noGuest, procedureOf(1), observed);
  else if (later.some(({ ranges }) => ranges.length === 0)) {
    question = open(text, 'The guest wrote nothing between two of the backups.', procedureOf(1), observed);
  } else
    question = settled(
      text,
      'All four are the same byte for byte: a tracking id means the moment of its checkpoint.',
      observed,
    );
  return { topic: 1, question };
}

function idForm(lab: Lab, taken: readonly ComparedBackup[]): Answer {
  const ids = taken.map(({ point }) => trackingIdOf(lab, point));
  const shapes = new Set(
    ids.map((id) =>
      id.replaceAll(/[0-9a-f]{12}|[0-9a-f]{8}(?![0-9a-f])|[0-9a-f]{4}(?![0-9a-f])/gi, (hex) => `<${hex.length} hex>`),
    ),
  );
  return {
    topic: 2,
    question: settled('The form of a tracking id', `It looks like ${[...shapes].join(' or ')}.`, { ids }),
  };
}

/** How many ranges one call gives at most: seen only when there are more. */
async function perCall(lab: Lab, taken: readonly ComparedBackup[]): Promise<Answer> {
  const what = 'The most ranges of one call';
  const last = taken.at(-1)?.point;
  if (!lab.guest || last === undefined) return { topic: 5, question: open(what, noGuest, procedureOf(5)) };
  const change = await changesSince(lab, trackingIdOf(lab, last));
  const { processedBytes, ranges } = change;
  const observed = { processedBytes, ranges, sizeBytes: lab.disk.sizeBytes };
  if (change.answer.returnValue === 0 && processedBytes !== null && processedBytes < lab.disk.sizeBytes) {
    return {
      topic: 5,
      question: settled(what, `A call ended after ${ranges} ranges and ${processedBytes} bytes.`, observed),
    };
  }
  const reason = `One call told all ${ranges} ranges, so the most was not reached.`;
  return { topic: 5, question: open(what, reason, procedureOf(5), observed) };
}

function native(): Answer {
  return {
    topic: 5,
    question: open(
      'ERROR_MORE_DATA of QueryChangesVirtualDisk',
      'It is a native function, which the agent does not use.',
      procedureOf(5),
    ),
  };
}

/** The largest power of two that all offsets and lengths are multiples of. */
export function alignment(ranges: readonly { readonly offset: number; readonly length: number }[]): number {
  let bytes = 2 ** 40;
  for (const { offset, length } of ranges) {
    while (bytes > 1 && (offset % bytes !== 0 || length % bytes !== 0)) bytes /= 2;
  }
  return bytes;
}

function granularity(taken: readonly ComparedBackup[]): readonly Answer[] {
  const ranges = taken.flatMap((backup) => backup.ranges);
  const smallest = ranges.reduce((least, { length }) => Math.min(least, length), Number.POSITIVE_INFINITY);
  const running =
    ranges.length === 0
      ? open('The smallest range while the VM runs', 'No range was seen, as nothing was written.', procedureOf(6))
      : settled(
          'The smallest range while the VM runs',
          `Ranges are multiples of ${alignment(ranges)} bytes, and the smallest has ${smallest}.`,
          { ranges: ranges.slice(0, 64), count: ranges.length },
        );
  const other = 'A self-test can neither restart the host nor take its power away.';
  return [
    { topic: 6, question: running },
    {
      topic: 6,
      question: open(
        'The smallest range after a restart of the host, and after a power failure',
        other,
        procedureOf(6),
      ),
    },
  ];
}

/** What becomes of an id, and how wrong ones are refused. The VM is off. */
export const ids: Step = {
  name: 'life of tracking ids',
  topics: [2, 5],
  run: async (lab) => {
    const { point, trackingId } = await track(lab);
    const answers: Answer[] = [...(await wrongQuestions(lab)), await wholeDisk(lab, trackingId)];
    answers.push(await afterRestart(lab, trackingId));
    answers.push(await withoutPoint(lab, point, trackingId));
    const others = 'A self-test has one host and one place for disks.';
    const what = 'An id after a crash of the host, a live migration, or a storage migration';
    return [...answers, { topic: 2, question: open(what, others, procedureOf(2)) }];
  },
};

/** What `ids` must look like that no disk knows, and a length of one byte too many. */
async function wrongQuestions(lab: Lab): Promise<readonly Answer[]> {
  const wrong = [
    ['An id that no disk knows', 'rctX:00000000:0000:4000:8000:000000000000:00000001', undefined],
    ['A text that is no id', 'tidemark', undefined],
  ] as const;
  const answers: Answer[] = [];
  for (const [what, since] of wrong) {
    const { answer, processedBytes, ranges } = await changesSince(lab, since);
    const outcome = await outcomeOf(lab.calls, answer, lab.signal);
    const text = outcome.worked ? `It is ANSWERED, with ${ranges} ranges` : `It is refused: ${outcome.text}`;
    answers.push({ topic: 5, question: settled(what, `${text}.`, { ...outcome.observed, processedBytes, ranges }) });
  }
  return answers;
}

async function wholeDisk(lab: Lab, since: string): Promise<Answer> {
  const change = await changesSince(lab, since);
  const outcome = await outcomeOf(lab.calls, change.answer, lab.signal);
  const { processedBytes, ranges } = change;
  const observed = {
    ...outcome.observed,
    processedBytes,
    ranges,
    sizeBytes: lab.disk.sizeBytes,
    first: rangesOf(change).slice(0, 16),
  };
  const whole = processedBytes === lab.disk.sizeBytes ? 'the whole disk' : `${processedBytes ?? 0} bytes`;
  const answer = outcome.worked
    ? `It is allowed, and one call covered ${whole} with ${ranges} ranges.`
    : `It is refused: ${outcome.text}.`;
  return { topic: 5, question: settled('ByteLength of the size of the disk', answer, observed) };
}

async function withoutPoint(lab: Lab, point: ReferencePoint, since: string): Promise<Answer> {
  await untrack(lab, point);
  return { topic: 2, question: await stillAnswers(lab, 'An id after its reference point was destroyed', since) };
}

async function afterRestart(lab: Lab, since: string): Promise<Answer> {
  const what = 'An id after a restart of the service vmms';
  if (lab.restartVmms === undefined)
    return { topic: 2, question: open(what, 'Give --restart-vmms to allow that.', procedureOf(2)) };
  lab.say('Restarting the service of Hyper-V');
  await lab.restartVmms();
  await untilAnswering(lab);
  return { topic: 2, question: await stillAnswers(lab, what, since) };
}

/** Hyper-V needs a while to be there again. */
async function untilAnswering(lab: Lab): Promise<void> {
  const deadline = performance.now() + restartMs;
  for (;;) {
    try {
      if ((await vmOf(lab.calls, lab.vmId, lab.signal)) !== undefined) return;
    } catch (error) {
      if (lab.signal.aborted || performance.now() > deadline) throw error;
      lab.log.log('info', 'Hyper-V does not answer yet', error);
    }
    await sleep(restartPollMs, undefined, { signal: lab.signal });
  }
}

async function stillAnswers(lab: Lab, what: string, since: string): Promise<Question> {
  const { answer, processedBytes, ranges } = await changesSince(lab, since);
  const outcome = await outcomeOf(lab.calls, answer, lab.signal);
  const text = outcome.worked ? 'It still answers.' : `It does not answer any more: ${outcome.text}.`;
  return settled(what, text, { ...outcome.observed, processedBytes, ranges });
}
