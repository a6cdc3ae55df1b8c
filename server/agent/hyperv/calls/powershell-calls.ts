/** `HypervCalls` over PowerShell: what changes the host is never cut off in the middle, and jobs are waited for to their end. */
import type { Logger } from '../../../base/log.ts';
import type { HypervCalls } from './calls.ts';
import type { Command } from '../commands/command.ts';
import type { Started } from '../commands/index.ts';
import { waitForJob } from './jobs.ts';
import type { JobWait } from './jobs.ts';
import type { PowerShell } from '../powershell/index.ts';

/** Jobs of which it is remembered who started them. */
const maxNames = 1_024;

/** What the calls of one provider need. */
export interface CallsOptions {
  readonly log: Logger;
  /** Aborted when the provider ends: then jobs go on, and nobody waits for them. */
  readonly lifetime: AbortSignal;
  readonly jobs?: Pick<JobWait, 'timing' | 'clock'> | undefined;
}

/** The calls of one provider. */
export function createCalls(powershell: PowerShell, options: CallsOptions): HypervCalls {
  return new PowerShellCalls(powershell, options);
}

class PowerShellCalls implements HypervCalls {
  readonly #powershell: PowerShell;
  readonly #options: CallsOptions;
  /** The function that started a job, by job. */
  readonly #names = new Map<string, string>();

  constructor(powershell: PowerShell, options: CallsOptions) {
    this.#powershell = powershell;
    this.#options = options;
  }

  async invoke<A extends object, R>(command: Command<A, R>, args: A, signal: AbortSignal): Promise<R> {
    const reads = /^(Get|Find|Resolve)-/.test(command.name);
    const result = await this.#powershell.invoke(command, args, {
      signal,
      // With this PowerShell goes on after an abort, instead of being ended in the middle of a change.
      ...(reads ? {} : { late: (answer: Promise<R>) => this.#late(command.name, answer) }),
    });
    this.#remember(command.name, result);
    return result;
  }

  async finish(
    outcome: Started,
    { signal, progress }: { readonly signal: AbortSignal; readonly progress?: (percent: number) => void },
  ): Promise<void> {
    if (outcome.state === 'done') {
      progress?.(100);
      return;
    }
    const name = this.#names.get(outcome.jobId) ?? 'Job';
    const { lifetime, log, jobs } = this.#options;
    const warning = await waitForJob(this.#powershell, outcome, { name, signal, lifetime, progress, log, ...jobs });
    if (warning !== undefined) log.log('warning', `${name}: done, with a warning: ${warning}`);
  }

  #late(name: string, answer: Promise<unknown>): void {
    answer.catch((error: unknown) => {
      this.#options.log.log('info', `${name}: failed after it was cancelled`, error);
    });
  }

  #remember(name: string, result: unknown): void {
    const jobId = jobOf(result);
    if (jobId === undefined) return;
    this.#names.set(jobId, name);
    if (this.#names.size <= maxNames) return;
    for (const oldest of this.#names.keys()) {
      this.#names.delete(oldest);
      return;
    }
  }
}

/** The job in an answer: of a `Started`, or of one within. */
function jobOf(result: unknown): string | undefined {
  if (typeof result !== 'object' || result === null) return undefined;
  if ('outcome' in result) return jobOf(result.outcome);
  return 'jobId' in result && typeof result.jobId === 'string' ? result.jobId : undefined;
}
