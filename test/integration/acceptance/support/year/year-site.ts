/** A daemon's scheduler, policy runs, retention and repository, with time that passes as fast as they work. Only hosts and disks are missing. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { silentLogger } from '../../../../../server/base/log.ts';
import type { VmListing } from '../../../../../server/daemon/inventory.ts';
import { PolicyRegistry } from '../../../../../server/daemon/policies/registry.ts';
import type { ChildRuns } from '../../../../../server/daemon/policies/run/parts.ts';
import { policyExecutor } from '../../../../../server/daemon/policies/run/policy-run.ts';
import type { RunContext, RunServices } from '../../../../../server/daemon/runs/context.ts';
import { RunManager } from '../../../../../server/daemon/runs/manager.ts';
import { executePrune } from '../../../../../server/daemon/runs/prune.ts';
import { restorePointInfo } from '../../../../../server/daemon/restore-point-info.ts';
import { Scheduler } from '../../../../../server/daemon/schedule/scheduler.ts';
import { openSqliteStore } from '../../../../../server/daemon/store/sqlite.ts';
import { parsePolicy } from '../../../../../server/policy/index.ts';
import type { BackupRequest, RunInfo, RunOutcome } from '../../../../../server/protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../../../../server/protocol/errors.ts';
import { ownerId, vmId } from '../../../../../server/protocol/ids.ts';
import type { RestorePointId, VmId } from '../../../../../server/protocol/ids.ts';
import { createRepository, openRepository } from '../../../../../server/repository/index.ts';
import type { Repository, StoredRestorePoint } from '../../../../../server/repository/index.ts';
import { chunkBytes, newPoint, password, one, storeChanges, storedDisk } from '../../../../unit/repository/support.ts';
import type { Disk } from '../../../../unit/repository/support.ts';
import { TestStorage } from '../../../../unit/repository/test-storage.ts';
import { VirtualClock } from '../../../../unit/daemon/support/virtual-clock.ts';
import { MemoryRunStore } from './run-store.ts';

const signal: AbortSignal = new AbortController().signal;
const hosts = 4;

/** A restore point that was made, whether it is there still or not. */
export interface Made {
  readonly id: RestorePointId;
  readonly vm: VmId;
  /** By the clock of the site, ms. */
  readonly at: number;
}

/** How a site is. */
export interface YearOptions {
  readonly start: string;
  readonly vms: number;
  /** YAML of the policy, without its name, repository and selection. */
  readonly policy: string;
  /** Whether a backup that begins now fails. */
  readonly fails: (vm: number, at: number) => boolean;
}

/** One policy, one repository in memory. */
export class YearSite implements AsyncDisposable {
  readonly clock: VirtualClock;
  readonly repository: Repository;
  readonly made: Made[] = [];
  /** How runs of the policy ended, and how often. */
  readonly states = new Map<RunInfo['state'], number>();
  readonly #options: YearOptions;
  readonly #storage: TestStorage;
  readonly #directory: string;
  readonly #store: MemoryRunStore;
  readonly #runs: RunManager;
  readonly #scheduler: Scheduler;
  /** The newest restore point of each VM, and its disk. */
  readonly #newest = new Map<VmId, { readonly point: StoredRestorePoint; readonly disk: Disk }>();

  static async make(options: YearOptions): Promise<YearSite> {
    const directory = mkdtempSync(join(tmpdir(), 'tidemark-year-'));
    const storage = new TestStorage();
    const made = await createRepository(join(directory, 'repository'), { password, signal, backend: storage });
    return new YearSite(options, directory, storage, made.repository);
  }

  /** The repository on a disk, as it is now: verification reads it in threads of its own. */
  async onDisk(): Promise<Repository> {
    const location = join(this.#directory, 'copy');
    for (const name of this.#storage.files().keys()) {
      const path = join(location, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, this.#storage.bytes(name));
    }
    return openRepository(location, { password, signal });
  }

  private constructor(options: YearOptions, directory: string, storage: TestStorage, repository: Repository) {
    this.#options = options;
    this.#directory = directory;
    this.#storage = storage;
    this.repository = repository;
    this.clock = new VirtualClock(options.start, 1);
    this.#store = new MemoryRunStore(openSqliteStore(join(directory, 'db'), silentLogger));
    const { clock } = this;
    const policies = new PolicyRegistry(this.#store.policies, silentLogger, () => new Date(clock.now()));
    const policy = policyExecutor({
      policies,
      inventory: { list: async () => this.#listing() },
      runs: { ...this.#childRuns() },
      schedule: this.#store.schedules,
      clock,
    });
    this.#runs = new RunManager({
      store: this.#store,
      log: silentLogger,
      executors: {
        backup: async (request, context) => this.#backUp(request, context),
        prune: executePrune,
        policy,
        'restore-disk': refuse,
        'restore-vm': refuse,
        verify: refuse,
        gc: refuse,
      },
      services: this.#services(policies),
      identifyVm: (_host, vm) => vm,
      redact: (text) => text,
      onEnd: (run) => {
        if (run.request.kind === 'policy') this.states.set(run.state, (this.states.get(run.state) ?? 0) + 1);
      },
    });
    this.#scheduler = new Scheduler({
      policies,
      store: this.#store.schedules,
      runs: this.#runs,
      runByKey: (key) => this.#store.runByKey(key),
      clock,
      log: silentLogger,
    });
    const text = `name: hourly\nrepository: main\nselect:\n  - host: '*'\n    vms: ['*']\n${options.policy}`;
    const parsed = parsePolicy(text).policy;
    assert(parsed !== undefined);
    policies.apply({ text, policy: parsed, by: 'test' });
    this.#scheduler.start();
  }

  /** Lets an hour pass, and what is due in it come to its end. */
  async passHour(): Promise<void> {
    const before = this.clock.now();
    await this.clock.pass(3_600_000);
    this.#storage.aheadMs += this.clock.now() - before;
    for (const run of this.#runs.active()) {
      if (run.request.kind === 'policy') await this.#runs.ended(run.id, signal);
    }
  }

  async collectGarbage(): Promise<number> {
    return (await this.repository.collectGarbage({ dryRun: false, now: false, signal })).deletedPacks;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#scheduler[Symbol.dispose]();
    await this.#runs.stop(0);
    this.#store[Symbol.dispose]();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** As a backup run does it: chunks, map on the map before, configuration, commit. */
  async #backUp(request: BackupRequest, context: RunContext): Promise<RunOutcome> {
    const vm = vmId(request.vm, 'vm');
    const at = this.clock.now();
    if (this.#options.fails(numberOf(vm), at)) {
      throw new TidemarkError(errorCodes.agentAuthenticationFailed, 'The host refuses.');
    }
    const disk = diskAt(numberOf(vm), at);
    const { repository } = this;
    await using session = await repository.beginWrite({ signal: context.signal, note: 'backup' });
    const base = this.#newest.get(vm);
    const changes = await storeChanges(repository, session, this.#storage, base?.disk, disk);
    const geometry = { sizeBytes: disk.length * chunkBytes, chunkBytes };
    const before = base?.point.disks[0];
    const map = await session.saveMap(
      before === undefined ? undefined : repository.openMap(before),
      geometry,
      one(changes),
      context.signal,
    );
    const configuration = await session.putMetadata('vm-config', Buffer.from(`{"name":"${vm}"}`), context.signal);
    const { policy = '' } = request;
    const point = await session.commit(
      {
        ...newPoint([storedDisk(geometry.sizeBytes, map)], configuration),
        vmId: vm,
        vmName: `vm${numberOf(vm)}`,
        host: request.host ?? '',
        createdAt: new Date(at).toISOString(),
        policy,
        runId: context.id,
      },
      context.signal,
    );
    this.#newest.set(vm, { point, disk });
    this.made.push({ id: point.id, vm, at });
    return { kind: 'backup', restorePoint: restorePointInfo(point, 'main', undefined) };
  }

  #childRuns(): ChildRuns {
    return {
      start: (...args: Parameters<ChildRuns['start']>) => this.#runs.start(...args),
      get: (id: RunInfo['id']) => this.#runs.get(id),
      cancel: (...args: Parameters<RunManager['cancel']>) => this.#runs.cancel(...args),
      ended: async (...args: Parameters<RunManager['ended']>) => this.#runs.ended(...args),
      conflicting: (request: BackupRequest) => this.#runs.conflicting(request),
      onChange: (listener: (run: RunInfo) => void) => this.#runs.onChange(listener),
    };
  }

  #listing(): VmListing {
    const vms = Array.from({ length: this.#options.vms }, (_, index): VmListing['vms'][number] => ({
      host: `hv0${index % hosts}`,
      vm: {
        id: idOf(index),
        name: `vm${index}`,
        state: 'running',
        generation: 2,
        configVersion: '9.0',
        rctBlockers: [],
        checkpointCount: 0,
        disks: [],
      },
    }));
    return { vms, unreachable: [], hosts: Array.from({ length: hosts }, (_, index) => ({ host: `hv0${index}` })) };
  }

  #services(policies: PolicyRegistry): RunServices {
    const host = { threads: 1, connect: () => Promise.reject(new Error('no agent')) };
    return {
      owner: ownerId('0'.repeat(32), ''),
      version: 'test',
      hosts: { get: (name) => ({ ...host, name }), list: () => [] },
      repositories: { open: async () => this.repository, names: () => ['main'] },
      policies,
      verified: { of: () => [], record: () => undefined },
      now: () => this.clock.now(),
      cleanUp: () => Promise.resolve(),
    };
  }
}

async function refuse(): Promise<never> {
  throw new TidemarkError(errorCodes.internal, 'not here');
}

const idOf = (index: number): VmId => vmId(`00000000-0000-0000-0000-${String(index).padStart(12, '0')}`, '');
const numberOf = (vm: VmId): number => Number(vm.slice(-12));

/** What a VM's disk holds at a moment: one chunk stays, one changes once a day. */
function diskAt(vm: number, at: number): Disk {
  const day = Math.floor(at / 86_400_000);
  return [2 * (vm + 1), 0, 2 * (1000 + vm * 400 + (day % 400)) + 1];
}
