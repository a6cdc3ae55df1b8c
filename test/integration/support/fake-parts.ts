/**
 * A daemon's parts without hosts and repositories. Their state lies in JSON files, so that it survives a daemon that is killed.
 * What a backup does follows from the name of its VM.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import * as agent from '../../../server/protocol/agent.ts';
import { runPhase } from '../../../server/protocol/daemon.ts';
import type { BackupRequest, RunOutcome } from '../../../server/protocol/daemon.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../../../server/protocol/errors.ts';
import { checkpointId, restorePointId, vmId } from '../../../server/protocol/ids.ts';
import type { RequestMessage } from '../../../server/protocol/message.ts';
import type { AgentConnection } from '../../../server/daemon/agent-client/connection.ts';
import type { DaemonParts } from '../../../server/daemon/services.ts';
import type { RunContext, RunServices } from '../../../server/daemon/runs/context.ts';
import type { Repository } from '../../../server/repository/index.ts';

export const fakeVmId = '11111111-2222-3333-4444-555555555555';
export const fakeRepositoryId = '0123456789abcdef0123456789abcdef';

/** What the fake host and the fake repository hold. */
export interface World {
  checkpoints: { id: string; vmId: string; owner?: string; runId?: string }[];
  referencePoints: { id: string; vmId: string; owner?: string; runId?: string }[];
  restorePoints: { id: string; vmId: string; vmName: string; referencePointId?: string }[];
  unreadable?: boolean;
}

export const emptyWorld: World = { checkpoints: [], referencePoints: [], restorePoints: [] };

export function readWorld(directory: string): World {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by this file
  return JSON.parse(readFileSync(join(directory, 'world.json'), 'utf8')) as World;
}

export function writeWorld(directory: string, world: World): void {
  writeFileSync(join(directory, 'world.json'), JSON.stringify(world));
}

function change(directory: string, edit: (world: World) => void): void {
  const world = readWorld(directory);
  edit(world);
  writeWorld(directory, world);
}

/** Answers of the fake agent; only what the daemon itself asks. */
function answer(directory: string, method: string, params: Readonly<Record<string, unknown>>): unknown {
  const world = readWorld(directory);
  const disks: unknown[] = [];
  const createdAt = '2026-01-01T00:00:00Z';
  switch (method) {
    case agent.listVms.method:
      return {
        vms: [
          {
            id: fakeVmId,
            name: 'sql01',
            state: 'running',
            generation: 2,
            configVersion: '9.0',
            disks,
            rctBlockers: [],
            checkpointCount: world.checkpoints.length,
          },
        ],
      };
    case agent.listCheckpoints.method:
      return { checkpoints: world.checkpoints.map((one) => ({ ...one, createdAt, consistency: 'crash', disks })) };
    case agent.listReferencePoints.method:
      return { referencePoints: world.referencePoints.map((one) => ({ ...one, createdAt, disks })) };
    case agent.removeCheckpoint.method:
      change(directory, (w) => (w.checkpoints = w.checkpoints.filter((one) => one.id !== params['checkpointId'])));
      return {};
    case agent.removeReferencePoint.method:
      change(
        directory,
        (w) => (w.referencePoints = w.referencePoints.filter((one) => one.id !== params['referencePointId'])),
      );
      return {};
    default:
      throw new Error(`The fake agent does not know ${method}.`);
  }
}

function fakeConnection(directory: string): AgentConnection {
  const closed = new AbortController();
  return {
    host: { name: 'FAKE', provider: 'simulated', build: 26100, osName: 'Fake' },
    agentVersion: '0',
    warnings: [],
    closed: closed.signal,
    data: { url: 'http://fake:1', host: 'fake', port: 1, tls: false, sessionId: '', dataKey: new Uint8Array() },
    async request<P, R>(message: RequestMessage<P, R>, params: P): Promise<R> {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- params of every request are objects
      return message.result(answer(directory, message.method, params as Record<string, unknown>), 'fake');
    },
    async close() {
      closed.abort(new TidemarkError(errorCodes.agentConnectionLost, 'closed'));
    },
  };
}

function fakeRepository(directory: string): Repository {
  const repository = {
    id: fakeRepositoryId,
    warnings: [],
    close: async () => undefined,
    status: async () => ({
      restorePoints: readWorld(directory).restorePoints.length,
      vms: 1,
      storedBytes: 0,
      logicalBytes: 0,
      uniqueBytes: 0,
      unusedBytes: 0,
      freeBytes: null,
      warnings: [],
    }),
    async listRestorePoints() {
      const { restorePoints, unreadable } = readWorld(directory);
      const points = restorePoints.map((point) => ({
        host: 'hv01',
        createdAt: '2026-01-01T00:00:00Z',
        finishedAt: '2026-01-01T00:00:01Z',
        type: 'full',
        consistency: 'crash',
        disks: [],
        warnings: [],
        ...point,
      }));
      const error = new TidemarkError(errorCodes.restorePointCorrupt, 'torn');
      return { points, damaged: unreadable === true ? [{ file: 'points/x', error }] : [] };
    },
    refresh: async () => undefined,
    pins: async () => new Map(),
    async readRestorePoint(id: string) {
      const { points } = await repository.listRestorePoints();
      const found = points.find((point) => point.id === id);
      if (found === undefined) throw new TidemarkError(errorCodes.restorePointNotFound, `No ${id}`);
      return found;
    },
    async deleteRestorePoint(id: string) {
      change(directory, (w) => (w.restorePoints = w.restorePoints.filter((one) => one.id !== id)));
    },
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a stand-in with what the daemon itself uses
  return repository as unknown as Repository;
}

async function fakeBackup(
  directory: string,
  request: BackupRequest,
  context: RunContext,
  services: RunServices,
): Promise<RunOutcome> {
  context.log('info', `Backing up ${request.vm}`);
  context.phase('transfer');
  context.setDisks([{ name: 'os', totalBytes: 10_000_000 }]);
  switch (request.vm) {
    case 'quick':
      break;
    case 'chatty':
      for (let line = 0; line < 5000; line++) context.log('info', `line ${line}`);
      break;
    case 'leaking':
      context.log('warning', 'The agent said: password: agent-password-1');
      throw new TidemarkError(errorCodes.checkpointFailed, 'It failed: secret=repository-password-1', {
        cause: new Error('agent-password-1 was refused, so was repository-password-1'),
      });
    case 'failing':
      throw new TidemarkError(errorCodes.checkpointFailed, 'The checkpoint failed.', { hint: 'Try again.' });
    case 'storm':
      for (let count = 0; count < 10_000; count++) {
        context.advance('os', 1000);
        if (count % 100 === 0) await sleep(10);
      }
      break;
    case 'crash': {
      const partial = join(directory, 'restored.partial');
      await context.journal({ type: 'partial-file', path: partial });
      writeFileSync(partial, 'half');
      await context.journal({ type: 'checkpoint-requested', host: request.host ?? 'hv01', vmId: fakeVmId });
      change(directory, (w) => {
        w.checkpoints.push({ id: 'cp-crash', vmId: fakeVmId, owner: services.owner, runId: context.id });
        w.referencePoints.push({ id: 'rp-crash', vmId: fakeVmId, owner: services.owner, runId: context.id });
      });
      await untilAborted(context.signal);
      break;
    }
    default: {
      const phase = /^in-(.*)$/.exec(request.vm)?.[1];
      if (phase !== undefined) context.phase(runPhase(phase, 'phase'));
      await untilAborted(context.signal);
    }
  }
  return {
    kind: 'backup',
    restorePoint: {
      id: restorePointId('01ARZ3NDEKTSV4RRFFQ69G5FAV', ''),
      repository: request.repository,
      vmId: vmId(fakeVmId, ''),
      vmName: request.vm,
      host: 'hv01',
      createdAt: '2026-01-01T00:00:00Z',
      finishedAt: '2026-01-01T00:00:01Z',
      type: 'full',
      consistency: 'crash',
      disks: [],
      warnings: [],
    },
  };
}

/** Waits for the run's cancellation, then throws it. */
export async function untilAborted(signal: AbortSignal): Promise<never> {
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
    setTimeout(resolve, 120_000).unref();
  });
  throwIfAborted(signal);
  throw new Error('Nobody aborted.');
}

/** Parts whose world is `directory/world.json`. */
export function fakeParts(directory: string): DaemonParts {
  const refuse = async (): Promise<never> => {
    throw new TidemarkError(errorCodes.internal, 'The fake daemon cannot do this.');
  };
  return {
    executors: {
      backup: (request, context, services) => fakeBackup(directory, request, context, services),
      'restore-disk': (_request, context) => untilAborted(context.signal),
      'restore-vm': refuse,
      verify: refuse,
      prune: refuse,
      gc: refuse,
    },
    async connectAgent(target) {
      if (target.url.includes('away')) throw new TidemarkError(errorCodes.hostUnreachable, 'Nobody is there.');
      return fakeConnection(directory);
    },
    library: {
      create: async () => ({ repository: fakeRepository(directory), recoveryKey: 'recovery-key-words' }),
      open: async () => fakeRepository(directory),
    },
    cleanRetryMs: 100,
  };
}

/** A checkpoint id for tests. */
export const anyCheckpointId = checkpointId('cp-any', '');
