/** Hyper-V as a script: what each function of the module answers, and what was asked. The real parsers check every answer. */
import type { HypervCalls } from '../../../../server/agent/hyperv/calls/calls.ts';
import type { Command } from '../../../../server/agent/hyperv/commands/command.ts';
import type { Started } from '../../../../server/agent/hyperv/commands/index.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../../../../server/protocol/errors.ts';

type Handler = (args: Readonly<Record<string, unknown>>) => unknown;

/** A job: resolves when it succeeds. */
export type ScriptedJob = (signal: AbortSignal, progress: (percent: number) => void) => Promise<void>;

export const done: Started = { state: 'done' };

export class ScriptedCalls implements HypervCalls {
  /** Every call, in order. */
  readonly asked: { readonly name: string; readonly args: Readonly<Record<string, unknown>> }[] = [];
  readonly #handlers = new Map<string, Handler>();
  readonly #jobs = new Map<string, ScriptedJob>();

  /** Says what a function answers, from now on. A function without an answer fails. */
  on(name: string, handler: Handler): this {
    this.#handlers.set(name, handler);
    return this;
  }

  /** Starts a job; its id is in the answer. */
  job(id: string, run: ScriptedJob = async () => undefined): Started {
    this.#jobs.set(id, run);
    return { state: 'started', jobId: id };
  }

  /** The names of what was asked. */
  get names(): readonly string[] {
    return this.asked.map(({ name }) => name);
  }

  /** The arguments of the only call of a function. */
  argumentsOf(name: string): Readonly<Record<string, unknown>> {
    const found = this.asked.filter((call) => call.name === name);
    const [call] = found;
    if (call === undefined || found.length > 1) throw new Error(`${name} was called ${found.length} times`);
    return call.args;
  }

  async invoke<A extends object, R>(command: Command<A, R>, args: A, signal: AbortSignal): Promise<R> {
    throwIfAborted(signal);
    const record = Object.fromEntries(Object.entries(args));
    this.asked.push({ name: command.name, args: record });
    const handler = this.#handlers.get(command.name);
    if (handler === undefined) throw new Error(`the script does not know ${command.name}`);
    return command.result(JSON.parse(JSON.stringify(await handler(record))), command.name);
  }

  async finish(
    outcome: Started,
    {
      signal,
      progress = () => undefined,
    }: { readonly signal: AbortSignal; readonly progress?: (percent: number) => void },
  ): Promise<void> {
    throwIfAborted(signal);
    if (outcome.state === 'done') return;
    const job = this.#jobs.get(outcome.jobId);
    if (job === undefined) throw new TidemarkError(errorCodes.outcomeUnknown, `there is no job ${outcome.jobId}`);
    await job(signal, progress);
    throwIfAborted(signal);
  }
}

/** What Hyper-V says when it refuses something. */
export const refusal = (message = 'Hyper-V refused it'): TidemarkError =>
  new TidemarkError(errorCodes.hypervOperationFailed, message, { hint: 'a hint' });
