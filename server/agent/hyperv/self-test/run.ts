/** Runs the steps, whatever becomes of each, and gathers their answers by topic. */
import { topics } from './catalogue.ts';
import { errorText, power, setState, vmOf } from './host.ts';
import { differentialExports, importedAgain } from './items/exports.ts';
import { backups, ids } from './items/changes.ts';
import { diskChanges, trackingFiles } from './items/disk-changes.ts';
import { facts } from './items/facts.ts';
import { frozenFile } from './items/frozen-file.ts';
import { missingObjects, pointTypes } from './items/objects.ts';
import { states } from './items/states.ts';
import { configurationVersions } from './items/versions.ts';
import type { Answer, Lab, Step } from './lab.ts';
import { open } from './report.ts';
import type { Item } from './report.ts';
import { tidy } from './scratch-vm.ts';

/** In this order: what only asks comes first, what takes the VM apart comes last. */
export const steps: readonly Step[] = [
  facts,
  pointTypes,
  missingObjects,
  states,
  backups,
  ids,
  frozenFile,
  trackingFiles,
  diskChanges,
  differentialExports,
  configurationVersions,
  importedAgain,
];

/** The answers of all steps that could be reached. `stopped` is undefined when all were, else why not. */
export async function runSteps(
  lab: Lab,
  list: readonly Step[] = steps,
): Promise<{ readonly answers: readonly Answer[]; readonly stopped: string | undefined }> {
  const answers: Answer[] = [];
  for (const [at, step] of list.entries()) {
    if (lab.signal.aborted) return { answers, stopped: 'The self-test was stopped before.' };
    lab.say(`${at + 1} of ${list.length}: ${step.name}`);
    try {
      answers.push(...(await step.run(lab)));
    } catch (error) {
      if (lab.signal.aborted) return { answers, stopped: 'The self-test was stopped before.' };
      lab.log.log('warning', `the step "${step.name}" failed`, error);
      answers.push(...failed(step, errorText(error)));
      const problem = await putInOrder(lab);
      if (problem !== undefined) return { answers, stopped: `The scratch VM could not be put in order: ${problem}` };
    }
  }
  return { answers, stopped: undefined };
}

function failed(step: Step, reason: string): readonly Answer[] {
  return step.topics.map((topic) => ({
    topic,
    question: open(`The step "${step.name}"`, `It failed: ${reason}`, procedureOf(topic)),
  }));
}

const procedureOf = (number: number): string => topics.find((topic) => topic.number === number)?.procedure ?? '';

/** Off and without checkpoints, for the next step. Gives why that is not possible. */
async function putInOrder(lab: Lab): Promise<string | undefined> {
  try {
    const vm = await vmOf(lab.calls, lab.vmId, lab.signal);
    if (vm === undefined) return 'It is gone.';
    if (vm.enabledState !== power.off) await setState(lab.calls, lab.vmId, power.off, lab.signal);
    await tidy(lab, lab.vmId);
    return undefined;
  } catch (error) {
    return errorText(error);
  }
}

/** All sixteen items. What no step answered is not settled, for the reason `missing`. */
export function itemsOf(answers: readonly Answer[], missing: string): readonly Item[] {
  return topics.map(({ number, title, procedure }): Item => {
    const found = answers.filter(({ topic }) => topic === number).map(({ question }) => question);
    const questions = found.length > 0 ? found : [open(title, missing, procedure)];
    const unanswered = questions.filter(({ state }) => state === 'not settled');
    if (unanswered.length === 0) return { number, title, state: 'settled', questions };
    const reason = unanswered.map((question) => `${question.question}: ${question.reason ?? ''}`).join(' ');
    return { number, title, state: 'not settled', reason, questions };
  });
}
