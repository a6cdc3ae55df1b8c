/** A host in memory for tests of the agent and its client: one VM, disks made by a function, everything that happens recorded. */
import { setTimeout as sleep } from 'node:timers/promises';

import type { HostProvider, JobContext, DiskReader, DiskWriter } from '../../server/agent/provider.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../../server/protocol/errors.ts';
import * as id from '../../server/protocol/ids.ts';
import type { CheckpointId, ExportId, RestoreSessionId } from '../../server/protocol/ids.ts';
import type { Checkpoint, FrozenDisk, VmConfiguration } from '../../server/protocol/model.ts';

export const fakeVmId = id.vmId('11111111-2222-3333-4444-555555555555', 'vm');
export const fakeDiskId = id.diskId('AAAAAAAA-2222-3333-4444-555555555555', 'disk');

export const fakeConfiguration: VmConfiguration = {
  name: 'fake',
  generation: 2,
  configVersion: '9.0',
  processorCount: 2,
  memoryBytes: 1024 ** 3,
  networkAdapters: [],
  disks: [],
  files: [],
};

/** How the fake host behaves; tests change it while the agent runs. */
export interface FakeHost {
  /** Content of the disk. */
  content: Buffer;
  /** Size when `content` is only a pattern to repeat. */
  sizeBytes: number;
  /** Called before each disk read. */
  onRead: (offset: number, length: number) => Promise<void> | void;
  /** Called before each write to a restored disk. */
  onWrite: (offset: number, length: number) => Promise<void> | void;
  /** Milliseconds a checkpoint takes; it reports 1000 percents on the way. */
  checkpointMs: number;
  listVmsError: Error | undefined;
  readonly events: string[];
  readonly restored: Map<string, Buffer>;
  openDisks: number;
}

/** A host whose disk is `content`. */
export function fakeHost(content: Buffer = Buffer.alloc(0)): FakeHost {
  return {
    content,
    sizeBytes: content.length,
    onRead: () => undefined,
    onWrite: () => undefined,
    checkpointMs: 0,
    listVmsError: undefined,
    events: [],
    restored: new Map(),
    openDisks: 0,
  };
}

/** The provider of a fake host. */
export function fakeProvider(host: FakeHost): HostProvider {
  let next = 1;
  const exports = new Set<ExportId>();
  const restores = new Map<RestoreSessionId, { sizeBytes: number }>();
  const frozen = (): FrozenDisk => ({
    id: fakeDiskId,
    name: 'os',
    sizeBytes: host.sizeBytes,
    logicalSectorBytes: 512,
    physicalSectorBytes: 4096,
    trackable: true,
  });
  const checkpoints = new Map<CheckpointId, Checkpoint>();
  const work = async (job: JobContext): Promise<void> => {
    const { signal } = job;
    const steps = host.checkpointMs === 0 ? 1 : 50;
    for (let step = 1; step <= steps; step++) {
      throwIfAborted(signal);
      if (host.checkpointMs > 0) await sleep(host.checkpointMs / steps, undefined, { signal });
      for (let twentieth = 0; twentieth < 20; twentieth++) job.progress('checkpoint', (step * 100) / steps);
    }
  };
  return {
    kind: 'simulated',
    recover: async () => ['nothing to recover'],
    describe: async () => ({ name: 'fake', provider: 'simulated', build: 20348, osName: 'Fake' }),
    listVms: async () => {
      if (host.listVmsError !== undefined) throw host.listVmsError;
      return [];
    },
    createCheckpoint: async ({ vmId, runId, owner, consistency }, job) => {
      await work(job).catch((error: unknown) => {
        host.events.push('checkpoint cancelled');
        throw error;
      });
      const checkpoint: Checkpoint = {
        id: id.checkpointId(`cp-${next++}`, 'id'),
        vmId,
        owner,
        runId,
        createdAt: new Date().toISOString(),
        consistency,
        disks: [frozen()],
      };
      checkpoints.set(checkpoint.id, checkpoint);
      return checkpoint;
    },
    listCheckpoints: async () => [...checkpoints.values()],
    removeCheckpoint: async (checkpoint) => {
      if (!checkpoints.delete(checkpoint))
        throw new TidemarkError(errorCodes.checkpointNotFound, 'No such checkpoint.');
    },
    convertCheckpoint: async () => {
      throw new TidemarkError(errorCodes.checkpointFailed, 'This fake converts nothing.');
    },
    listReferencePoints: async () => [],
    removeReferencePoint: async () => undefined,
    openExport: async () => {
      const exportId = id.exportId(`export-${next++}`, 'id');
      exports.add(exportId);
      return { id: exportId, disks: [frozen()], configuration: fakeConfiguration, warnings: ['a warning'] };
    },
    closeExport: async (exportId) => {
      host.events.push(`closed ${exportId} with ${host.openDisks} open disks`);
      exports.delete(exportId);
    },
    listExtents: async ({ offset }) =>
      offset === 0
        ? { extents: [{ offset: 0, length: 65_536 }], nextOffset: 65_536 }
        : { extents: [{ offset: 131_072, length: 65_536 }] },
    openDisk: async (exportId, diskId) => {
      if (!exports.has(exportId)) throw new TidemarkError(errorCodes.exportNotFound, 'No such export.');
      if (diskId !== fakeDiskId) throw new TidemarkError(errorCodes.diskNotFound, 'No such disk.');
      return fakeReader(host);
    },
    beginRestore: async ({ disks }) => {
      const session = id.restoreSessionId(`restore-${next++}`, 'id');
      restores.set(session, { sizeBytes: disks[0]?.sizeBytes ?? 0 });
      return session;
    },
    openRestoreDisk: async (session, diskId) => {
      const restore = restores.get(session);
      if (restore === undefined) throw new TidemarkError(errorCodes.vmNotFound, 'No such restore.');
      return fakeWriter(host, `${session} ${diskId}`, restore.sizeBytes);
    },
    commitRestore: async (session) => {
      host.events.push(`committed ${session}`);
      restores.delete(session);
      return { vmId: fakeVmId, warnings: ['The fake is not like the original.'] };
    },
    abortRestore: async (session) => {
      host.events.push(`aborted ${session} with ${host.openDisks} open disks`);
      restores.delete(session);
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

function fakeReader(host: FakeHost): DiskReader {
  host.openDisks += 1;
  let open = true;
  const close = async (): Promise<void> => {
    if (open) host.openDisks -= 1;
    open = false;
  };
  return {
    sizeBytes: host.sizeBytes,
    read: async (target, offset) => {
      if (!open) throw new Error('read from a closed disk');
      await host.onRead(offset, target.length);
      const period = host.content.length;
      for (let at = 0; at < target.length;) {
        const start = (offset + at) % period;
        const part = host.content.subarray(start, Math.min(period, start + target.length - at));
        target.set(part, at);
        at += part.length;
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function fakeWriter(host: FakeHost, key: string, sizeBytes: number): DiskWriter {
  host.openDisks += 1;
  let open = true;
  const content = Buffer.alloc(sizeBytes);
  const close = async (): Promise<void> => {
    if (open) host.openDisks -= 1;
    open = false;
  };
  return {
    write: async (source, offset) => {
      await host.onWrite(offset, source.length);
      if (offset + source.length > sizeBytes) throw new TidemarkError(errorCodes.diskOutOfRange, 'Past the end.');
      content.set(source, offset);
    },
    flush: async () => {
      host.restored.set(key, content);
      host.events.push(`flushed ${key}`);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
