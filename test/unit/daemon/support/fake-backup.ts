/** A host and a repository that hold only what a test says, for backup runs without a network, threads or files. */
import type { AgentConnection } from '../../../../server/daemon/agent-client/connection.ts';
import type { RunContext, RunServices } from '../../../../server/daemon/runs/context.ts';
import * as agent from '../../../../server/protocol/agent.ts';
import type { BackupRequest } from '../../../../server/protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../../../server/protocol/errors.ts';
import { ownerId, runId } from '../../../../server/protocol/ids.ts';
import type { RequestMessage } from '../../../../server/protocol/message.ts';
import type { NewRestorePoint, Repository, StoredRestorePoint } from '../../../../server/repository/index.ts';

export const vm = '11111111-2222-3333-4444-555555555555';
export const disk = 'AAAAAAAA-2222-3333-4444-555555555555';
export const otherDisk = 'BBBBBBBB-2222-3333-4444-555555555555';
export const owner = ownerId('0'.repeat(32), '');
export const run = runId('01ARZ3NDEKTSV4RRFFQ69G5FAV', '');
const createdAt = '2026-01-01T00:00:00Z';

export const request: BackupRequest = {
  kind: 'backup',
  host: 'hv01',
  vm: 'sql01',
  repository: 'main',
  type: 'incremental',
  consistency: 'crash',
  excludeDisks: [],
};

/** Nothing is applied. */
export const noPolicies: RunServices['policies'] = {
  list: () => [],
  get: (name) => {
    throw new TidemarkError(errorCodes.policyNotFound, name);
  },
};

interface Item {
  readonly id: string;
  readonly [field: string]: unknown;
}

interface Disk extends Item {
  readonly name: string;
}

/** A disk as a checkpoint froze it. */
export function frozen(id: string, name: string, more: object = {}): Disk {
  const sectors = { logicalSectorBytes: 512, physicalSectorBytes: 4096 };
  return { id, name, sizeBytes: 1 << 20, ...sectors, trackable: true, trackingId: `track-${name}-now`, ...more };
}

/** Everything that happens, in order, and the pieces of the world that a test may change. */
export class FakeBackup {
  /** What was asked of host, repository and journal, in order. */
  readonly calls: string[] = [];
  readonly warnings: string[] = [];
  readonly controller = new AbortController();
  readonly closed = new AbortController();
  readonly lease = new AbortController();
  disks: readonly Disk[] = [frozen(disk, 'os'), frozen(otherDisk, 'data')];
  vmState = 'running';
  checkpoints: Item[] = [];
  referencePoints: Item[] = [];
  points: StoredRestorePoint[] = [];
  committed: NewRestorePoint | undefined;
  /** What is in each disk that is stored, as the root of its block map; others than the earlier restore point has. */
  contents: readonly string[] = [];
  /** Bytes to read of each disk, as the run told them. */
  totals: readonly number[] = [];
  /** Answers instead of the fake itself, or throws; `honest` is what the fake would answer. */
  readonly lies = new Map<string, (honest: () => unknown, params: Readonly<Record<string, unknown>>) => unknown>();
  /** Chunks of the base that are damaged; may throw. */
  lostChunks: () => AsyncIterable<number> = async function* none() {};
  /** Called before each call is carried out, with its name. */
  onCall: (call: string) => void = () => undefined;

  readonly context: RunContext = {
    id: run,
    signal: this.controller.signal,
    phase: () => undefined,
    jobPercent: () => undefined,
    setDisks: (disks) => {
      this.totals = disks.map(({ totalBytes }) => totalBytes);
    },
    advance: () => undefined,
    setTitle: () => undefined,
    warn: (text) => this.warnings.push(text),
    log: () => undefined,
    journal: async (entry) => this.#call(`journal ${entry.type}`),
  };

  readonly connection: AgentConnection = {
    host: { name: 'HV01', provider: 'simulated', build: 26100, osName: 'Fake' },
    agentVersion: '0',
    warnings: [],
    closed: this.closed.signal,
    data: {
      url: 'http://127.0.0.1:1',
      host: '127.0.0.1',
      port: 1,
      tls: false,
      sessionId: '',
      dataKey: new Uint8Array(),
    },
    request: async (message, params) => this.#request(message, params),
    close: async () => undefined,
  };

  readonly services: RunServices = {
    owner,
    version: 'test',
    hosts: { get: () => this.#host, list: () => [this.#host] },
    repositories: { open: async () => this.#repository(), names: () => ['main'] },
    policies: noPolicies,
    verified: { of: () => [], record: () => undefined },
    now: () => Date.parse('2027-01-01T00:00:00Z'),
    cleanUp: async () => this.#call('clean up'),
  };

  readonly #host = { name: 'hv01', threads: 1, connect: async () => this.connection };

  #call(call: string): void {
    this.calls.push(call);
    this.onCall(call);
  }

  async #request<P, R>(message: RequestMessage<P, R>, params: P): Promise<R> {
    const name = message.method.replace('tidemark/', '');
    this.#call(name);
    if (this.closed.signal.aborted) throw this.closed.signal.reason;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- params of every request are objects
    const fields = params as Readonly<Record<string, unknown>>;
    const honest = (): unknown => this.#answer(message.method, fields);
    const lie = this.lies.get(name);
    return message.result(lie === undefined ? honest() : lie(honest, fields), name);
  }

  #answer(method: string, params: Readonly<Record<string, unknown>>): unknown {
    switch (method) {
      case agent.listVms.method: {
        const info = { state: this.vmState, generation: 2, configVersion: '9.0', rctBlockers: [], checkpointCount: 0 };
        return { vms: [{ ...info, id: vm, name: 'sql01', disks: [] }] };
      }
      case agent.createCheckpoint.method: {
        const { consistency } = params;
        const made = { id: 'cp-1', vmId: vm, owner, runId: run, createdAt, consistency, disks: this.disks };
        this.checkpoints.push(made);
        return { checkpoint: made };
      }
      case agent.openExport.method:
        return { exportId: 'export-1', disks: this.disks, configuration, warnings: [] };
      case agent.listExtents.method:
        return { extents: [] };
      case agent.convertCheckpoint.method: {
        this.checkpoints = this.checkpoints.filter(({ id }) => id !== params['checkpointId']);
        const disks = this.disks.map(({ id, name }) => ({ diskId: id, trackingId: `track-${name}-now` }));
        const made = { id: 'rp-new', vmId: vm, owner, runId: run, createdAt, disks };
        this.referencePoints.push(made);
        return { referencePoint: made };
      }
      case agent.listCheckpoints.method:
        return { checkpoints: this.checkpoints };
      case agent.listReferencePoints.method:
        return { referencePoints: this.referencePoints };
      case agent.removeCheckpoint.method:
        this.checkpoints = this.checkpoints.filter(({ id }) => id !== params['checkpointId']);
        return {};
      case agent.removeReferencePoint.method:
        this.referencePoints = this.referencePoints.filter(({ id }) => id !== params['referencePointId']);
        return {};
      default:
        return {};
    }
  }

  #repository(): Repository {
    let saved = 0;
    const repository = {
      id: '0'.repeat(32),
      location: '/nowhere',
      warnings: [],
      exportKeys: () => ({}),
      listRestorePoints: async () => ({ points: this.points, damaged: [] }),
      openMap: () => ({ lostChunks: () => this.lostChunks() }),
      beginWrite: async () => ({
        signal: this.lease.signal,
        claim: () => new Uint8Array(),
        addPack: () => undefined,
        saveMap: async () => mapOf(this.contents[saved++] ?? 'bmV3'),
        putMetadata: async () => 'c'.repeat(64),
        flush: async () => this.#call('flush'),
        commit: async (point: NewRestorePoint) => {
          this.#call('commit');
          this.committed = point;
          return { ...point, id: '01ARZ3NDEKTSV4RRFFQ69G5FAW', finishedAt: createdAt };
        },
        [Symbol.asyncDispose]: async () => this.#call('dispose'),
      }),
    };
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a stand-in with what a backup uses
    return repository as unknown as Repository;
  }

  /** An earlier restore point of the VM, and the reference point that goes with it. */
  addEarlier(): void {
    const disks = this.disks.map(({ id, name }) => ({ id, name, trackingId: `track-${name}-before` }));
    const tracked = disks.map(({ id, trackingId }) => ({ diskId: id, trackingId }));
    this.referencePoints.push({ id: 'rp-old', vmId: vm, owner, createdAt, disks: tracked });
    const point = {
      id: '01AAAAAAAAAAAAAAAAAAAAAAAA',
      vmId: vm,
      vmName: 'sql01',
      createdAt,
      referencePointId: 'rp-old',
      disks: disks.map((one) => ({
        ...frozen(one.id, one.name),
        ...one,
        chunkBytes: 65_536,
        map: mapOf(contentBefore),
      })),
    };
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what choosing a base looks at
    this.points.push(point as unknown as StoredRestorePoint);
  }
}

/** The summary of a VM without disks. */
export const configuration = {
  name: 'sql01',
  generation: 2,
  configVersion: '9.0',
  processorCount: 1,
  memoryBytes: 0,
  networkAdapters: [],
  disks: [],
  files: [],
};

/** What is in every disk of the earlier restore point. */
export const contentBefore = 'b2xk';

const mapOf = (pages: string) => ({ root: { type: 'inline', pages }, dataBytes: 0 });

/** An error as an agent reports it. */
export function reported(code: TidemarkError['code'] = errorCodes.agentFailed): TidemarkError {
  return new TidemarkError(code, 'The host said no.');
}
