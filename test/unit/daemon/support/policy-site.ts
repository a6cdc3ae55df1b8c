/** The real run manager, registry and policy run over hosts and a repository that do what a test says. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { silentLogger } from '../../../../server/base/log.ts';
import { PolicyRegistry } from '../../../../server/daemon/policies/registry.ts';
import { policyExecutor } from '../../../../server/daemon/policies/run/policy-run.ts';
import type { RunContext, RunServices } from '../../../../server/daemon/runs/context.ts';
import { RunManager } from '../../../../server/daemon/runs/manager.ts';
import { recoverRuns } from '../../../../server/daemon/runs/recovery.ts';
import { isFinished } from '../../../../server/protocol/daemon.ts';
import { Scheduler } from '../../../../server/daemon/schedule/scheduler.ts';
import { openSqliteStore } from '../../../../server/daemon/store/sqlite.ts';
import type { Store } from '../../../../server/daemon/store/store.ts';
import type { VmListing } from '../../../../server/daemon/inventory.ts';
import { parsePolicy } from '../../../../server/policy/index.ts';
import type {
  BackupRequest,
  PruneRequest,
  RunInfo,
  RunOutcome,
  VerifyRequest,
} from '../../../../server/protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../../../server/protocol/errors.ts';
import { ownerId, restorePointId, vmId } from '../../../../server/protocol/ids.ts';
import type { RestorePointId } from '../../../../server/protocol/ids.ts';
import type { VmState } from '../../../../server/protocol/model.ts';
import { ulid } from '../../../../server/base/ulid.ts';
import type { Repository, StoredRestorePoint } from '../../../../server/repository/index.ts';
import { settled, VirtualClock } from './virtual-clock.ts';

type PolicyOutcome = Extract<RunOutcome, { readonly kind: 'policy' }>;

/** The id of VM number `number`. */
export const idOf = (number: number): ReturnType<typeof vmId> =>
  vmId(`00000000-0000-0000-0000-${String(number).padStart(12, '0')}`, '');

interface FakeDaemon {
  readonly store: Store;
  readonly runs: RunManager;
  readonly policies: PolicyRegistry;
  readonly scheduler: Scheduler;
}

/** A daemon's policies, scheduler and runs. Disposing it removes its database. */
export class PolicySite implements AsyncDisposable {
  readonly clock: VirtualClock;
  /** VMs by host: names, numbered in the order they were added. */
  readonly vms = new Map<string, string[]>();
  /** States of VMs by `host/name`; they run when there is nothing. */
  readonly states = new Map<string, VmState>();
  /** Hosts that do not answer. */
  readonly silent = new Set<string>();
  points: StoredRestorePoint[] = [];
  /** What a backup of a VM does; succeeds at once when there is nothing. */
  readonly backups = new Map<string, (request: BackupRequest, context: RunContext) => Promise<void>>();
  /** Backups that began, by name, in order. */
  readonly begun: string[] = [];
  readonly requests: (BackupRequest | PruneRequest | VerifyRequest)[] = [];
  prune: () => Promise<void> = async () => undefined;
  problems = 0;
  /** What each problem that a verification finds hits. */
  damagedPoints: (request: VerifyRequest) => readonly RestorePointId[] = () => [];
  verify: () => Promise<void> = async () => undefined;
  readonly logged: string[] = [];
  readonly #directory = mkdtempSync(join(tmpdir(), 'tidemark-policies-'));
  readonly #numbers = new Map<string, number>();
  #daemon: FakeDaemon;

  constructor(start: string) {
    this.clock = new VirtualClock(start);
    this.#daemon = this.#open();
  }

  get store(): Store {
    return this.#daemon.store;
  }

  get runs(): RunManager {
    return this.#daemon.runs;
  }

  get policies(): PolicyRegistry {
    return this.#daemon.policies;
  }

  get scheduler(): Scheduler {
    return this.#daemon.scheduler;
  }

  /** A daemon on what the database has. */
  #open(): FakeDaemon {
    const log = {
      ...silentLogger,
      log: (_level: string, text: string) => void this.logged.push(text),
    };
    const { clock } = this;
    const store = openSqliteStore(join(this.#directory, 'db'), silentLogger);
    const policies = new PolicyRegistry(store.policies, log, () => new Date(clock.now()));
    const backup = async (request: BackupRequest, context: RunContext): Promise<RunOutcome> =>
      this.#backUp(request, context);
    const refuse = async (): Promise<never> => {
      throw new TidemarkError(errorCodes.internal, 'not here');
    };
    const policy = policyExecutor({
      policies,
      inventory: { list: async () => this.#listing() },
      get runs() {
        return runs;
      },
      schedule: store.schedules,
      clock,
    });
    const runs: RunManager = new RunManager({
      store,
      log,
      executors: {
        backup,
        'restore-disk': refuse,
        'restore-vm': refuse,
        gc: refuse,
        verify: async (request) => this.#verify(request),
        prune: async (request) => this.#prune(request),
        policy,
      },
      services: this.#services(policies),
      identifyVm: (_host, vm) => [...this.#numbers].find(([name, number]) => name === vm || idOf(number) === vm)?.[0],
      redact: (text) => text,
      onEnd: () => undefined,
    });
    const runByKey = (key: string): RunInfo | undefined => store.runByKey(key);
    const scheduler = new Scheduler({ policies, store: store.schedules, runs, runByKey, clock, log });
    return { store, runs, policies, scheduler };
  }

  /** The process is killed: nothing is written any more, and another one starts at `restart`. */
  async crash(): Promise<void> {
    this.scheduler[Symbol.dispose]();
    const { runs, store } = this;
    const left = new Map(store.unfinishedRuns().map((run) => [run.id, run]));
    const schedules = store.schedules.all();
    await runs.stop(0);
    await settled();
    for (const run of left.values()) store.updateRun(run);
    for (const state of schedules) store.schedules.put(state);
    store[Symbol.dispose]();
  }

  /** The next process, up to where clients can connect; `before` changes what it finds. */
  async restart(before: (store: Store) => void = () => undefined): Promise<void> {
    this.#daemon = this.#open();
    before(this.store);
    await recoverRuns(this.store, silentLogger);
    this.scheduler.start();
    await settled();
  }

  addVm(host: string, ...names: string[]): void {
    for (const name of names) {
      this.vms.set(host, [...(this.vms.get(host) ?? []), name]);
      this.#numbers.set(name, this.#numbers.size + 1);
    }
  }

  idOfVm(name: string): ReturnType<typeof vmId> {
    return idOf(this.#numbers.get(name) ?? 0);
  }

  /** Applies a policy named `nightly` that takes in all VMs; `more` is YAML. */
  apply(more = '', name = 'nightly', repository = 'main'): void {
    const text = `name: ${name}\nrepository: ${repository}\nselect:\n  - host: '*'\n    vms: ['*']\n${more}\n`;
    const { policy, diagnostics } = parsePolicy(text);
    assert(policy !== undefined, JSON.stringify(diagnostics));
    this.policies.apply({ text, policy, by: 'test' });
  }

  /** Starts a run of the policy by hand. */
  start(name = 'nightly'): RunInfo['id'] {
    return this.runs.start({ kind: 'policy', policy: name, trigger: 'manual' }, undefined).id;
  }

  /** The runs of policies, oldest first. */
  policyRuns(): readonly RunInfo[] {
    return this.runs
      .list(10_000)
      .filter(({ request }) => request.kind === 'policy')
      .toReversed();
  }

  /** The run, which must have ended by now. */
  async ended(id: RunInfo['id']): Promise<RunInfo & { readonly outcome: PolicyOutcome }> {
    await settled();
    const run = this.runs.get(id);
    assert(isFinished(run.state), `run ${id} is ${run.state}`);
    const { outcome } = run;
    assert(outcome?.kind === 'policy', JSON.stringify(run.error));
    return { ...run, outcome };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.scheduler[Symbol.dispose]();
    await this.runs.stop(0);
    await settled();
    this.store[Symbol.dispose]();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #listing(): VmListing {
    const hosts = [...this.vms.keys()];
    const error = new TidemarkError(errorCodes.hostUnreachable, 'It does not answer.').report();
    const vm = (host: string, name: string): VmListing['vms'][number]['vm'] => ({
      id: this.idOfVm(name),
      name,
      state: this.states.get(`${host}/${name}`) ?? 'running',
      generation: 2,
      configVersion: '9.0',
      rctBlockers: [],
      checkpointCount: 0,
      disks: [],
    });
    return {
      vms: hosts.flatMap((host) => (this.vms.get(host) ?? []).map((name) => ({ host, vm: vm(host, name) }))),
      unreachable: hosts.filter((host) => this.silent.has(host)).map((host) => ({ host, error })),
      hosts: hosts.map((host) => ({ host })),
    };
  }

  async #backUp(request: BackupRequest, context: RunContext): Promise<RunOutcome> {
    const name = [...this.#numbers.keys()].find((one) => [one, this.idOfVm(one)].includes(request.vm)) ?? request.vm;
    this.begun.push(name);
    this.requests.push(request);
    await this.backups.get(name)?.(request, context);
    const at = new Date(this.clock.now()).toISOString();
    return {
      kind: 'backup',
      restorePoint: {
        id: restorePointId(ulid(), ''),
        repository: request.repository,
        vmId: this.idOfVm(name),
        vmName: name,
        host: request.host ?? '',
        createdAt: at,
        finishedAt: at,
        type: request.type,
        consistency: 'crash',
        disks: [],
        warnings: [],
      },
    };
  }

  async #verify(request: VerifyRequest): Promise<RunOutcome> {
    this.requests.push(request);
    await this.verify();
    const error = new TidemarkError(errorCodes.blobCorrupt, 'It is damaged.').report();
    const restorePoints = this.damagedPoints(request);
    const problems = Array.from({ length: this.problems }, () => ({ what: 'a pack', error, restorePoints }));
    return { kind: 'verify', restorePoints: request.restorePoints?.length ?? 0, blobs: 0, readBytes: 0, problems };
  }

  async #prune(request: PruneRequest): Promise<RunOutcome> {
    this.requests.push(request);
    await this.prune();
    return { kind: 'prune', kept: [], removed: [], dryRun: request.dryRun };
  }

  #services(policies: PolicyRegistry): RunServices {
    const repository = { listRestorePoints: async () => ({ points: this.points, damaged: [] }) };
    const host = { name: '', threads: 1, connect: () => Promise.reject(new Error('no agent')) };
    return {
      owner: ownerId('0'.repeat(32), ''),
      version: 'test',
      hosts: { get: (name) => ({ ...host, name }), list: () => [] },
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a stand-in with what a run of a policy uses
      repositories: { open: async () => repository as unknown as Repository, names: () => ['main', 'second'] },
      policies,
      verified: { of: () => [], record: () => undefined },
      now: () => this.clock.now(),
      cleanUp: () => Promise.resolve(),
    };
  }
}
