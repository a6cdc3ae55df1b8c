/** The backup of one VM in a run of a policy: its turn, its attempts, what became of it. */
import type { BackupRequest, PolicyRunVm, RunInfo } from '../../../protocol/daemon.ts';
import { cancelledError, errorCodes, throwIfAborted, TidemarkError } from '../../../protocol/errors.ts';
import type { RunId } from '../../../protocol/ids.ts';
import type { RunContext } from '../../runs/context.ts';
import type { Lanes } from './lanes.ts';
import type { ChildRuns } from './parts.ts';
import type { Target } from './targets.ts';
import { mayPass } from './transient.ts';

/** What the backups of one run share. */
export interface VmBackupOptions {
  readonly context: Pick<RunContext, 'id' | 'signal' | 'log'>;
  readonly runs: ChildRuns;
  readonly lanes: Lanes;
  /** What to do when the VM is in another run. */
  readonly overlap: 'wait' | 'skip';
  /** How often to try again. */
  readonly retries: number;
  /** Waits before attempt `attempt` (2, 3, …); gives why it may not begin any more, if so. Throws the signal's reason. */
  readonly beforeRetry: (attempt: number) => Promise<string | undefined>;
  readonly onStart: (run: RunId, target: Target) => void;
}

type Failure = NonNullable<RunInfo['error']>;

/** How an attempt went. */
type Attempt =
  | { readonly kind: 'ended'; readonly run: RunInfo }
  | { readonly kind: 'refused'; readonly error: TidemarkError }
  | { readonly kind: 'skipped'; readonly reason: string };

/** Backs up one VM. Never throws: whatever goes wrong with one VM is its result, and stops no other. */
export async function backUpVm(target: Target, request: BackupRequest, options: VmBackupOptions): Promise<PolicyRunVm> {
  const backup = new VmBackup(target, request, options);
  try {
    return await backup.run();
  } catch (error) {
    const { signal } = options.context;
    if (signal.aborted) return backup.result('cancelled', { error: reasonOf(signal).report() });
    options.context.log('error', `The backup of ${target.name} ended unexpectedly.`, error);
    return backup.result('failed', { error: TidemarkError.from(error).report() });
  }
}

class VmBackup {
  readonly #target: Target;
  readonly #request: BackupRequest;
  readonly #options: VmBackupOptions;
  #attempts = 0;
  #last: RunInfo | undefined;

  constructor(target: Target, request: BackupRequest, options: VmBackupOptions) {
    this.#target = target;
    this.#request = request;
    this.#options = options;
  }

  async run(): Promise<PolicyRunVm> {
    const { context } = this.#options;
    for (;;) {
      const attempt = await this.#attempt();
      if (attempt.kind === 'skipped') return this.result('skipped', { reason: attempt.reason });
      const error = attempt.kind === 'ended' ? attempt.run.error : attempt.error.report();
      if (error === undefined) return this.result('succeeded', {});
      // The VM turned out to be in another run: as if that had been known before.
      if (error.code === errorCodes.vmAlreadyRunning) continue;
      this.#attempts += 1;
      if (context.signal.aborted || wasCancelled(attempt)) return this.result('cancelled', { error });
      if (!(await this.#isTriedAgain(error))) return this.result('failed', { error });
    }
  }

  /** What became of the VM. */
  result(
    result: PolicyRunVm['result'],
    more: { readonly error?: Failure | undefined; readonly reason?: string },
  ): PolicyRunVm {
    const { host, id, name } = this.#target;
    const outcome = this.#last?.outcome;
    const point = outcome?.kind === 'backup' ? outcome.restorePoint : undefined;
    const stats = point?.disks.map((disk) => disk.stats) ?? [];
    return {
      host: point?.host ?? host,
      vmId: id,
      vm: name,
      result,
      ...(this.#last === undefined ? {} : { run: this.#last.id }),
      attempts: this.#attempts + (result === 'succeeded' ? 1 : 0),
      ...(point === undefined ? {} : { restorePoint: point.id }),
      ...more,
      warnings: this.#last?.warnings ?? [],
      readBytes: stats.reduce((sum, { readBytes }) => sum + readBytes, 0),
      storedBytes: stats.reduce((sum, { storedBytes }) => sum + storedBytes, 0),
      durationMs: durationMs(this.#last),
    };
  }

  async #attempt(): Promise<Attempt> {
    const { runs, lanes, overlap, context } = this.#options;
    for (;;) {
      const other = runs.conflicting(this.#request);
      if (other !== undefined) {
        const taken = `It is in run ${other.id} (${other.title}).`;
        if (overlap === 'skip') return { kind: 'skipped', reason: taken };
        context.log('info', `${this.#target.name} waits. ${taken}`);
        await runs.ended(other.id, context.signal);
        continue;
      }
      const place = await lanes.enter(this.#target.host, context.signal);
      try {
        if (runs.conflicting(this.#request) === undefined) return await this.#backUp();
      } finally {
        place[Symbol.dispose]();
      }
    }
  }

  async #backUp(): Promise<Attempt> {
    const { runs, context, onStart } = this.#options;
    let child: RunInfo;
    try {
      child = runs.start(this.#request, undefined, context.id);
    } catch (error) {
      throwIfAborted(context.signal);
      return { kind: 'refused', error: TidemarkError.from(error) };
    }
    onStart(child.id, this.#target);
    const run = await endOf(child.id, runs, context.signal);
    this.#last = run;
    return { kind: 'ended', run };
  }

  async #isTriedAgain(error: Failure): Promise<boolean> {
    const { context, retries, beforeRetry } = this.#options;
    const { name } = this.#target;
    const again = mayPass(error.code) && this.#attempts <= retries;
    context.log('warning', `${name}: attempt ${this.#attempts} failed. ${error.message}`);
    if (!again) return false;
    const refusal = await beforeRetry(this.#attempts + 1);
    if (refusal !== undefined) context.log('warning', `${name} is not tried again: ${refusal}.`);
    return refusal === undefined;
  }
}

/** Waits for the end of a run of ours, which is cancelled when we are: it always ends, so nothing else can end the wait. */
export async function endOf(id: RunId, runs: ChildRuns, signal: AbortSignal): Promise<RunInfo> {
  const cancel = (): void => {
    runs.cancel(id, reasonOf(signal));
  };
  if (signal.aborted) cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    await runs.ended(id, new AbortController().signal);
    return runs.get(id);
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}

function reasonOf(signal: AbortSignal): TidemarkError {
  return TidemarkError.is(signal.reason) ? signal.reason : cancelledError(signal.reason);
}

function wasCancelled(attempt: Attempt): boolean {
  return attempt.kind === 'ended' && attempt.run.state === 'cancelled';
}

function durationMs(run: RunInfo | undefined): number {
  if (run?.startedAt === undefined || run.finishedAt === undefined) return 0;
  return Math.max(0, Date.parse(run.finishedAt) - Date.parse(run.startedAt));
}
