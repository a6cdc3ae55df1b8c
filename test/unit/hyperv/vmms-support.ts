/** A VMMS over a simulated host with one VM, for tests of the fake itself. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestContext } from 'node:test';

import { createVm, initHost } from '../../../server/agent/simulated/index.ts';
import type { SimulatedBuild } from '../../../server/agent/simulated/index.ts';
import type { VmInfo } from '../../../server/protocol/model.ts';
import { jobOf, VmmsClient } from '../../support/hyperv/vmms/client.ts';
import { startVmms } from '../../support/hyperv/vmms/index.ts';
import type { RunningVmms, VmmsOptions } from '../../support/hyperv/vmms/index.ts';
import { vmReference } from '../../support/hyperv/vmms/model/references.ts';
import { isReference, textOf, textsOf } from '../../support/hyperv/vmms/wire.ts';
import type { Instance, Reference, Value } from '../../support/hyperv/vmms/wire.ts';
import { MiB } from '../simulated/support.ts';

export const snapshotService = 'Msvm_VirtualSystemSnapshotService';
export const pointService = 'Msvm_VirtualSystemReferencePointService';
export const managementService = 'Msvm_VirtualSystemManagementService';
export const imageService = 'Msvm_ImageManagementService';

export interface Lab {
  readonly root: string;
  readonly directory: string;
  readonly vm: VmInfo;
  readonly vmms: RunningVmms;
  readonly client: VmmsClient;
}

/** A host with one VM `web`, its disks 8 MiB each, and a VMMS. */
export async function lab(
  t: TestContext,
  options: {
    readonly build?: SimulatedBuild;
    readonly disks?: readonly string[];
    readonly generation?: 1 | 2;
    readonly vmms?: VmmsOptions;
  } = {},
): Promise<Lab> {
  const directory = await mkdtemp(join(tmpdir(), 'tidemark-vmms-'));
  const root = join(directory, 'hv01');
  await initHost(root, { name: 'hv01', ...(options.build !== undefined && { build: options.build }) });
  const disks = (options.disks ?? ['os']).map((name) => ({ name, sizeBytes: 8 * MiB }));
  const vm = await createVm(root, { name: 'web', disks, generation: options.generation });
  const vmms = await startVmms(root, options.vmms);
  const client = await VmmsClient.connect(vmms.address);
  t.after(async () => {
    client.close();
    await vmms.close();
    await rm(directory, { recursive: true, force: true });
  });
  return { root, directory, vm, vmms, client };
}

/** Asks about a job until it has ended. */
export async function ended(client: VmmsClient, job: Reference): Promise<Instance> {
  for (;;) {
    const instance = await client.get(job);
    const state = instance.properties['JobState'];
    assert(typeof state === 'number');
    if (state >= 7) return instance;
    await sleep(1);
  }
}

/** Calls a method that becomes a job, and waits for its end. */
export async function finish(
  client: VmmsClient,
  service: string,
  method: string,
  given: Readonly<Record<string, Value>>,
): Promise<{ readonly job: Instance; readonly reference: Reference }> {
  const { returnValue, out } = await client.invoke(service, method, given);
  assert.equal(returnValue, 4096, `${method} starts a job`);
  const reference = jobOf(out);
  return { job: await ended(client, reference), reference };
}

/** The settings of a snapshot as the module passes them. */
export const snapshotSettings = (level: number, more: Readonly<Record<string, Value>> = {}): Instance => ({
  className: 'Msvm_VirtualSystemSnapshotSettingData',
  properties: { ConsistencyLevel: level, IgnoreNonSnapshottableDisks: true, ...more },
});

/** Takes a recovery snapshot; its InstanceID. */
export async function takeSnapshot({ client, vm }: Pick<Lab, 'client' | 'vm'>, level = 2): Promise<string> {
  const given = {
    AffectedSystem: vmReference(vm.id),
    SnapshotSettings: snapshotSettings(level),
    SnapshotType: 32_768,
    ResultingSnapshot: null,
  };
  const { job, reference } = await finish(client, snapshotService, 'CreateSnapshot', given);
  assert.equal(job.properties['JobState'], 7, textOf(job, 'ErrorDescription'));
  const [made] = await client.associated(reference, 'Msvm_AffectedJobElement', 'Msvm_VirtualSystemSettingData');
  assert(made !== undefined);
  return textOf(made, 'InstanceID');
}

export const snapshotReference = (id: string): Reference => ({
  className: 'Msvm_VirtualSystemSettingData',
  keys: { InstanceID: id },
});

/** Converts a snapshot; the reference point. */
export async function convertSnapshot({ client }: Pick<Lab, 'client'>, id: string): Promise<Instance> {
  const given = { AffectedSnapshot: snapshotReference(id), ReferencePointSettings: '', ResultingReferencePoint: null };
  const { job, reference } = await finish(client, snapshotService, 'ConvertToReferencePoint', given);
  assert.equal(job.properties['JobState'], 7, textOf(job, 'ErrorDescription'));
  const [made] = await client.associated(reference, null, 'Msvm_VirtualSystemReferencePoint');
  assert(made !== undefined);
  return made;
}

/** A reference to a reference point. */
export const pointReference = ({ properties }: Instance): Reference => ({
  className: 'Msvm_VirtualSystemReferencePoint',
  keys: {
    InstanceID: properties['InstanceID'] ?? null,
    VirtualSystemIdentifier: properties['VirtualSystemIdentifier'] ?? null,
  },
});

/** The files the VM writes to. */
export async function activePaths(client: VmmsClient, vmId: string): Promise<readonly string[]> {
  const disks = await client.associated(
    snapshotReference(`Microsoft:${vmId}`),
    null,
    'Msvm_StorageAllocationSettingData',
  );
  return disks.map((disk) => textsOf(disk, 'HostResource')[0] ?? '');
}

/** The error text of a failed method of the image service. */
export async function imageError(client: VmmsClient, out: Readonly<Record<string, Value>>): Promise<string> {
  const job = out['Job'];
  assert(isReference(job));
  return textOf(await ended(client, job), 'ErrorDescription');
}
