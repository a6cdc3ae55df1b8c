/** Things as a daemon would tell them. */
import type { HostEntry, RunInfo, RunState, VmEntry } from '../../../../server/protocol/daemon.ts';
import { restorePointId, runId, vmId } from '../../../../server/protocol/ids.ts';
import type { RestorePointInfo } from '../../../../server/protocol/model.ts';

const time = '2026-01-31T02:00:00Z';
const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** The `n`-th ULID. */
export function ulid(n: number): string {
  let text = '';
  for (let rest = n, i = 0; i < 25; i++, rest = Math.floor(rest / 32)) text = `${digits[rest % 32] ?? '0'}${text}`;
  return `0${text}`;
}

export function sampleHost(name: string): HostEntry {
  return { name, url: `https://${name}:8440`, threads: 2, status: { state: 'unknown' }, warnings: [] };
}

export function sampleVm(host: string, name: string, n = 1): VmEntry {
  const id = vmId(`00000000-0000-0000-0000-${String(n).padStart(12, '0')}`, '');
  return {
    host,
    vm: {
      id,
      name,
      state: 'running',
      generation: 2,
      configVersion: '9.0',
      disks: [],
      rctBlockers: [],
      checkpointCount: 0,
    },
  };
}

export function sampleRun(n: number, state: RunState, sequence = 1): RunInfo {
  return {
    id: runId(ulid(n), ''),
    request: { kind: 'verify', repository: 'main', readData: false },
    title: `run ${n}`,
    state,
    queuedAt: time,
    progress: { phase: 'verifying', disks: [], doneBytes: sequence, totalBytes: 100, bytesPerSecond: 1 },
    warnings: [],
    sequence,
  };
}

export function samplePoint(n: number, repository = 'main'): RestorePointInfo {
  return {
    id: restorePointId(ulid(n), ''),
    repository,
    vmId: vmId('00000000-0000-0000-0000-000000000001', ''),
    vmName: 'sql01',
    host: 'hv01',
    createdAt: time,
    finishedAt: time,
    type: 'full',
    consistency: 'application',
    disks: [],
    warnings: [],
  };
}

/** Lets everything that is due happen. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Waits until `done` holds; fails after five seconds. */
export async function until(done: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!done()) {
    if (Date.now() > deadline) throw new Error('it did not come true within 5 s');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
