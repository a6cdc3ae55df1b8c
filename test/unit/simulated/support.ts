/** A simulated host in a folder of its own, for tests. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

import { createSimulatedProvider, createVm, exportRaw, initHost } from '../../../server/agent/simulated/index.ts';
import type { SimulatedBuild, SimulatedProviderOptions } from '../../../server/agent/simulated/index.ts';
import type { Extent, HostExport, HostProvider, JobContext } from '../../../server/agent/provider.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import type { ErrorCode } from '../../../server/protocol/errors.ts';
import { ownerId, runId } from '../../../server/protocol/ids.ts';
import type { CheckpointId, DiskId, TrackingId } from '../../../server/protocol/ids.ts';
import type { Checkpoint, Consistency, VmInfo } from '../../../server/protocol/model.ts';

export const MiB = 1024 * 1024;
export const owner = ownerId('0123456789abcdef0123456789abcdef', 'owner');
export const run = runId('01JD0000000000000000000000', 'run');
export const never = new AbortController().signal;

/** A job that forgets its progress. */
export const quiet: JobContext = { signal: never, progress: () => undefined };

/** A folder that goes with the test. */
export async function scratch(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'tidemark-sim-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** A host with one VM `web` that has the disks named, 8 MiB each unless said otherwise. */
export async function hostWithVm(
  t: TestContext,
  options: {
    readonly build?: SimulatedBuild;
    readonly disks?: readonly { readonly name: string; readonly sizeBytes: number }[];
    readonly configVersion?: string;
    readonly provider?: SimulatedProviderOptions;
  } = {},
): Promise<{
  readonly root: string;
  readonly vm: VmInfo;
  readonly provider: HostProvider;
  readonly directory: string;
}> {
  const directory = await mkdtemp(join(tmpdir(), 'tidemark-sim-'));
  const root = join(directory, 'hv01');
  await initHost(root, { name: 'hv01', ...(options.build !== undefined && { build: options.build }) });
  const disks = options.disks ?? [{ name: 'os', sizeBytes: 8 * MiB }];
  const vm = await createVm(root, { name: 'web', disks, configVersion: options.configVersion });
  const provider = createSimulatedProvider(root, { jobMs: 0, ...options.provider });
  t.after(async () => {
    await provider[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });
  return { root, vm, provider, directory };
}

export const checkpointOf = (
  provider: HostProvider,
  vm: VmInfo,
  consistency: Consistency = 'crash',
  job: JobContext = quiet,
): Promise<Checkpoint> => provider.createCheckpoint({ vmId: vm.id, runId: run, owner, consistency }, job);

export const exportOf = (provider: HostProvider, checkpointId: CheckpointId): Promise<HostExport> =>
  provider.openExport({ checkpointId, excludeDisks: [] }, quiet);

/** All extents of an exported disk, fetched in small pages. */
export async function allExtents(
  provider: HostProvider,
  opened: HostExport,
  diskId: DiskId,
  since?: TrackingId,
  maxExtents = 3,
): Promise<readonly Extent[]> {
  const extents: Extent[] = [];
  for (let offset = 0; ;) {
    const request = { exportId: opened.id, diskId, since, offset, maxExtents };
    const page = await provider.listExtents(request, never);
    extents.push(...page.extents);
    if (page.nextOffset === undefined) return extents;
    if (page.nextOffset <= offset) throw new Error('The page did not move on.');
    offset = page.nextOffset;
  }
}

/** The frozen disk as a whole. */
export async function frozenImage(provider: HostProvider, opened: HostExport, diskId: DiskId): Promise<Buffer> {
  const reader = await provider.openDisk(opened.id, diskId);
  const image = Buffer.alloc(reader.sizeBytes);
  await reader.read(image, 0);
  await reader.close();
  return image;
}

let counter = 0;

/** The disk as the guest sees it. */
export async function guestImage(root: string, vm: string, disk: string, directory: string): Promise<Buffer> {
  const file = join(directory, `raw-${counter++}`);
  await exportRaw(root, vm, disk, file);
  const image = await readFile(file);
  await rm(file);
  return image;
}

/** For `assert.rejects`: a Tidemark error with that code. */
export const code = (name: keyof typeof errorCodes): ((error: unknown) => boolean) => {
  const wanted: ErrorCode = errorCodes[name];
  return (error) => {
    if (TidemarkError.is(error, wanted)) return true;
    throw error;
  };
};
