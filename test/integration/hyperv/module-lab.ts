/** The real module in a real PowerShell over a fake Hyper-V, for tests of the module itself: no provider between. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { silentLogger } from '../../../server/base/log.ts';
import { moduleError } from '../../../server/agent/hyperv/commands/answer.ts';
import {
  getReferencePoint,
  renameCheckpoint,
  resolveCheckpoint,
  resolveReferencePoint,
  startCheckpoint,
  startConversion,
} from '../../../server/agent/hyperv/commands/index.ts';
import type { HypervReferencePoint } from '../../../server/agent/hyperv/commands/index.ts';
import type { Command } from '../../../server/agent/hyperv/commands/command.ts';
import { getJob } from '../../../server/agent/hyperv/commands/jobs.ts';
import type { Job } from '../../../server/agent/hyperv/commands/jobs.ts';
import type { Started } from '../../../server/agent/hyperv/commands/started.ts';
import { createPowerShell } from '../../../server/agent/hyperv/powershell/index.ts';
import { createVm, initHost } from '../../../server/agent/simulated/index.ts';
import type { SimulatedBuild } from '../../../server/agent/simulated/index.ts';
import { TidemarkError } from '../../../server/protocol/errors.ts';
import type { CheckpointId } from '../../../server/protocol/ids.ts';
import type { VmInfo } from '../../../server/protocol/model.ts';
import { modulePath } from '../../support/hyperv/module-shell.ts';
import { testPowerShell } from '../../support/hyperv/pwsh.ts';
import { startVmms } from '../../support/hyperv/vmms/index.ts';
import type { RunningVmms } from '../../support/hyperv/vmms/index.ts';
import { MiB, never } from '../../unit/simulated/support.ts';

export interface ModuleLab {
  readonly root: string;
  readonly directory: string;
  readonly vm: VmInfo;
  readonly vmms: RunningVmms;
  /** Calls a function of the module; throws the provider's error. */
  readonly call: <A extends object, R>(command: Command<A, R>, args: A) => Promise<R>;
  /** Waits for a job as the agent does, and gives it as it ended. Undefined: it was done at once. */
  readonly ended: (outcome: Started) => Promise<Job | undefined>;
  /** As `ended`, and it must have gone well. */
  readonly finished: (outcome: Started) => Promise<void>;
}

/** A host with one VM `web` (disks of 8 MiB), VMMS, and a PowerShell that has the module. */
export async function moduleLab(
  t: TestContext,
  options: {
    readonly build?: SimulatedBuild;
    readonly disks?: readonly string[];
    readonly generation?: 1 | 2;
    /** `TIDEMARK_FAKE_QUIRKS` of the test PowerShell. */
    readonly quirks?: string;
  } = {},
): Promise<ModuleLab> {
  // It goes last: `t.after` calls its functions in order, and a merge may still run until VMMS is closed.
  const directory = await mkdtemp(join(tmpdir(), 'tidemark-hyperv-'));
  const root = `${directory}/hv01`;
  await initHost(root, { name: 'hv01', ...(options.build !== undefined && { build: options.build }) });
  const disks = (options.disks ?? ['os']).map((name) => ({ name, sizeBytes: 8 * MiB }));
  const vm = await createVm(root, { name: 'web', disks, generation: options.generation });
  const vmms = await startVmms(root);
  const shell = await testPowerShell();
  const powershell = createPowerShell({
    executable: shell.executable,
    environment: {
      ...process.env,
      ...shell.environment,
      TIDEMARK_FAKE_HYPERV: vmms.address,
      TIDEMARK_FAKE_QUIRKS: options.quirks ?? '',
    },
    modulePath,
    maxSessions: 1,
    log: silentLogger,
  });
  t.after(async () => {
    await powershell[Symbol.asyncDispose]();
    await vmms.close();
    await rm(directory, { recursive: true, force: true });
  });
  const call: ModuleLab['call'] = (command, args) => powershell.invoke(command, args, { signal: never });
  const ended: ModuleLab['ended'] = async (outcome) => {
    if (outcome.state === 'done') return undefined;
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- asked again until it is over
      const { job } = await call(getJob, { JobId: outcome.jobId });
      assert.ok(job !== null, 'the job is there');
      if (job.jobState === 32_768 || (job.jobState >= 7 && job.jobState <= 10)) return job;
      // oxlint-disable-next-line no-await-in-loop -- a pause between two questions
      await sleep(5);
    }
  };
  const finished: ModuleLab['finished'] = async (outcome) => {
    const job = await ended(outcome);
    if (job !== undefined) assert.deepEqual([job.jobState, job.errorCode], [7, 0], job.errorDescription);
  };
  return { root, directory, vm, vmms, call, ended, finished };
}

/** The error id that the module gave, of an error of a call. */
export function errorIdOf(error: unknown): string | undefined {
  assert.ok(error instanceof TidemarkError);
  const { cause } = error;
  return moduleError(cause, 'cause').errorId;
}

/** A name that marks a checkpoint as ours. */
export const ownName = 'Tidemark 0123456789abcdef0123456789abcdef 01JD0000000000000000000000 crash';

/** A checkpoint as the agent makes one: found by the job's result, then named. */
export async function checkpoint(
  { call, finished, vm }: ModuleLab,
  name: string | null = ownName,
): Promise<CheckpointId> {
  const { before, outcome, created } = await call(startCheckpoint, {
    VmId: vm.id,
    Consistency: 'crash',
    GuestBackupType: 'copy',
  });
  await finished(outcome);
  let id = created;
  if (outcome.state === 'started') {
    assert.equal(created, null);
    id = (await call(resolveCheckpoint, { VmId: vm.id, JobId: outcome.jobId, Before: before })).checkpointId;
  }
  assert.ok(id !== null);
  assert.ok(!before.includes(id));
  if (name !== null) await finished(await call(renameCheckpoint, { CheckpointId: id, Name: name }));
  return id;
}

/** Turns a checkpoint into a reference point as the agent does. */
export async function conversion({ call, finished, vm }: ModuleLab, id: CheckpointId): Promise<HypervReferencePoint> {
  const { before, outcome, created } = await call(startConversion, { CheckpointId: id, Consistency: 'crash' });
  await finished(outcome);
  const found =
    outcome.state === 'done'
      ? created
      : (await call(resolveReferencePoint, { VmId: vm.id, JobId: outcome.jobId, Before: before })).referencePointId;
  const { referencePoints } = await call(getReferencePoint, { VmId: vm.id });
  const point = referencePoints.find((entry) => entry.id === found);
  assert.ok(point !== undefined);
  return point;
}
