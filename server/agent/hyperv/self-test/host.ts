/** How the self-test reaches the host: judged calls where something must work, raw ones where it is the answer that is wanted. */
import { setTimeout as sleep } from 'node:timers/promises';

import { oneLine } from '../../../base/one-line.ts';
import { throwIfAborted, TidemarkError } from '../../../protocol/errors.ts';
import type { VmId } from '../../../protocol/ids.ts';
import type { HypervCalls } from '../calls/calls.ts';
import { getJob, getVm, startScratchState } from '../commands/index.ts';
import type { HypervVm, RawAnswer } from '../commands/index.ts';

/** Milliseconds: between two questions for a job or a state, and how long a state may take. */
const firstPollMs = 20;
const maxPollMs = 500;
const stateMs = 120_000;
const ended = new Set([7, 8, 9, 10, 32_768]);

/** `RequestedState` of `Msvm_ComputerSystem`. */
export const power = { on: 2, off: 3, saved: 6, paused: 9 } as const;

/** How something ended whose answer is wanted, not its success. */
export interface Outcome {
  /** Whether it was done. */
  readonly worked: boolean;
  /** In words: `return value 32773`, `job state 10, error 32768 (0x800423F4): …`. */
  readonly text: string;
  /** As it came. */
  readonly observed: object;
}

/** Waits for the job of a raw answer, if it has one, and says how all of it ended. Never judges. */
export async function outcomeOf(calls: HypervCalls, answer: RawAnswer, signal: AbortSignal): Promise<Outcome> {
  const { returnValue, error, details, jobId } = answer;
  if (error !== null) {
    const { message, hresult, errorId, nativeErrorCode } = error;
    const observed = {
      exception: { message: oneLine(message, 1024), hresult: hex(hresult), errorId, nativeErrorCode },
    };
    return { worked: false, text: `an exception ${hex(hresult)}: ${oneLine(message, 256)}`, observed };
  }
  if (returnValue !== 4096 || jobId === null) {
    const texts = details.map(({ message, messageId }) => oneLine(`${message} ${messageId}`.trim(), 512));
    const words = texts.length === 0 ? '' : `: ${texts.join(' ')}`;
    return {
      worked: returnValue === 0,
      text: `return value ${returnValue}${words}`,
      observed: { returnValue, details: texts },
    };
  }
  for (let pause = firstPollMs; ; pause = Math.min(maxPollMs, pause * 2)) {
    throwIfAborted(signal);
    const { job } = await calls.invoke(getJob, { JobId: jobId }, signal);
    if (job === null) return { worked: false, text: 'a job that vanished', observed: { returnValue, job: null } };
    if (!ended.has(job.jobState)) {
      await sleep(pause, undefined, { signal });
      continue;
    }
    const { jobState, errorCode, errorDescription, completionStatus, jobType, errors } = job;
    const worked = (jobState === 7 || jobState === 32_768) && errorCode === 0;
    const text = `job state ${jobState}${worked ? '' : `, error ${errorCode}: ${oneLine(errorDescription, 256)}`}`;
    const seen = { jobState, jobType, errorCode, errorDescription, completionStatus: hex(completionStatus), errors };
    return { worked, text, observed: { returnValue, job: seen } };
  }
}

/** The VM; undefined when it is not there. */
export async function vmOf(calls: HypervCalls, vmId: VmId, signal: AbortSignal): Promise<HypervVm | undefined> {
  return (await calls.invoke(getVm, { VmId: vmId }, signal)).vms.find(({ id }) => id === vmId);
}

/** Brings the VM into a state, and waits until it is in it. Gives how the request ended. */
export async function setState(
  calls: HypervCalls,
  vmId: VmId,
  state: (typeof power)[keyof typeof power],
  signal: AbortSignal,
): Promise<Outcome> {
  const asked = await calls.invoke(startScratchState, { VmId: vmId, State: state }, signal);
  const outcome = await outcomeOf(calls, asked, signal);
  if (!outcome.worked) return outcome;
  const deadline = performance.now() + stateMs;
  for (;;) {
    const vm = await vmOf(calls, vmId, signal);
    if (vm !== undefined && isIn(vm.enabledState, state)) return outcome;
    if (performance.now() > deadline)
      return { ...outcome, worked: false, text: `${outcome.text}, but the state is ${vm?.enabledState}` };
    await sleep(firstPollMs, undefined, { signal });
  }
}

/** Both families of `EnabledState`. */
function isIn(enabledState: number, state: number): boolean {
  const also = new Map([
    [32_768, power.paused],
    [32_769, power.saved],
    [32_779, power.saved],
  ]);
  return enabledState === state || also.get(enabledState) === state;
}

/** `0x800423F4`. */
export function hex(value: number): string {
  return `0x${value.toString(16).toUpperCase().padStart(8, '0')}`;
}

/** An error in one line, with its code. */
export function errorText(error: unknown): string {
  const { message, code } = TidemarkError.from(error);
  return `${oneLine(message, 1024)} (${code})`;
}
