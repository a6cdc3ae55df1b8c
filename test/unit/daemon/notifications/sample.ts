/** A clock that only tests move, and runs of policies that ended. */
import type { Clock } from '../../../../server/daemon/schedule/clock.ts';
import type { RunEnded } from '../../../../server/daemon/notifications/message.ts';
import { runInfo } from '../../../../server/protocol/daemon.ts';
import type { PolicyRunVm, RunInfo, RunOutcome } from '../../../../server/protocol/daemon.ts';
import * as ids from '../../../../server/protocol/ids.ts';

/** Time goes on only in `advance`. */
export class HandClock implements Clock {
  #now = Date.parse('2026-03-01T02:00:00Z');
  #number = 0;
  readonly #timers = new Map<number, { readonly at: number; readonly callback: () => void }>();

  now(): number {
    return this.#now;
  }

  /** Sets it, as a person does; no timer fires. */
  set(ms: number): void {
    this.#now = ms;
  }

  setTimer(ms: number, callback: () => void): Disposable {
    const number = ++this.#number;
    this.#timers.set(number, { at: this.#now + ms, callback });
    return { [Symbol.dispose]: () => void this.#timers.delete(number) };
  }

  /** Lets time pass; what is due is called at its moment, and what it starts may go on for a while. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      const [next] = [...this.#timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at);
      if (next === undefined) break;
      const [number, { at, callback }] = next;
      this.#timers.delete(number);
      this.#now = Math.max(this.#now, at);
      callback();
      await settled();
    }
    this.#now = end;
    await settled();
  }
}

/** Lets everything that waits for nothing outside go on. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
}

export const runId = ids.runId('01JNKTVZ00AAAAAAAAAAAAAAAA', 'run');

/** A VM of the run. */
export function vmResult(name: string, more: Partial<PolicyRunVm> = {}): PolicyRunVm {
  return {
    host: 'hv01',
    vmId: ids.vmId('00000000-0000-4000-8000-000000000001', 'vm'),
    vm: name,
    result: 'succeeded',
    attempts: 1,
    warnings: [],
    readBytes: 1024 ** 3,
    storedBytes: 256 * 1024 ** 2,
    durationMs: 65_000,
    ...more,
  };
}

/** The run of policy `nightly-sql` with these VMs. */
export function policyRun(
  vms: readonly PolicyRunVm[],
  more: Partial<RunInfo> = {},
  outcome: Partial<Extract<RunOutcome, { readonly kind: 'policy' }>> = {},
): RunInfo {
  const run: RunInfo = {
    id: runId,
    request: { kind: 'policy', policy: 'nightly-sql', trigger: 'schedule', scheduledFor: '2026-03-01T02:00:00Z' },
    title: 'Policy nightly-sql',
    state: 'succeeded',
    queuedAt: '2026-03-01T02:00:01.000Z',
    startedAt: '2026-03-01T02:00:02.000Z',
    finishedAt: '2026-03-01T02:10:02.000Z',
    progress: { phase: 'finished', disks: [], doneBytes: 0, totalBytes: 0, bytesPerSecond: 0 },
    warnings: [],
    outcome: { kind: 'policy', policy: 'nightly-sql', version: 1, vms, ...outcome },
    sequence: 9,
    ...more,
  };
  return runInfo(JSON.parse(JSON.stringify(run)), 'run');
}

/** The end of a run, for messages. */
export function ended(run: RunInfo): RunEnded {
  const sender = { machine: 'backup01', version: '0.1.0' };
  return { run, policy: 'nightly-sql', version: 1, repository: 'main', sender };
}

export const failedVm = vmResult('sql02', {
  result: 'failed',
  attempts: 3,
  readBytes: 0,
  storedBytes: 0,
  error: { code: 'TM2001', message: 'Host hv01 does not answer.', hint: 'Is its agent running?' },
});

/** A backup of the policy `nightly-sql` into `main` that read 2,000 bytes and stored 600. `vmNumber` is in the VM's id. */
export function backupRun(
  vm: string,
  vmNumber: number,
  more: Partial<RunInfo> = {},
  createdAt = '2026-03-01T02:00:05Z',
): RunInfo {
  const disk = {
    id: ids.diskId('11111111-0000-4000-8000-000000000001', 'disk'),
    name: 'os',
    sizeBytes: 1024 ** 3,
    logicalSectorBytes: 512,
    physicalSectorBytes: 4096,
    chunkBytes: 1024 ** 2,
    kind: { type: 'incremental' },
    stats: { readBytes: 1000, newBytes: 500, storedBytes: 300, dataBytes: 5000 },
  };
  const run = {
    ...policyRun([]),
    request: {
      kind: 'backup',
      vm,
      repository: 'main',
      type: 'incremental',
      consistency: 'crash',
      excludeDisks: [],
      policy: 'nightly-sql',
    },
    outcome: {
      kind: 'backup',
      restorePoint: {
        id: '01JNKTW000AAAAAAAAAAAAAAAA',
        repository: 'main',
        vmId: `00000000-0000-4000-8000-${String(vmNumber).padStart(12, '0')}`,
        vmName: vm,
        host: 'hv01',
        createdAt,
        finishedAt: createdAt,
        type: 'incremental',
        consistency: 'crash',
        disks: [disk, { ...disk, name: 'data' }],
        warnings: [],
      },
    },
    ...more,
  };
  return runInfo(JSON.parse(JSON.stringify(run)), 'run');
}
