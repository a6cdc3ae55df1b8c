/** Named steps of what the provider changes on the host: between any two of them the process may die. */
import { failpoint } from '../../base/failpoint.ts';

/** Called at each step; tests throw or kill the process in it. */
export type StepHook = (step: string) => void;

/** The hook unless another one is given: `agent.hyperv.` and the step's name is a failpoint. */
export const failAtStep: StepHook = (step) => failpoint(`agent.hyperv.${step}`);
