/** Makes the parts of a daemon and joins them. */
import { redact } from '../base/log.ts';
import type { Logger } from '../base/log.ts';
import type { DaemonStatus, RunInfo } from '../protocol/daemon.ts';
import { InventoryChanges } from './changes.ts';
import type { DaemonServices } from './handlers.ts';
import { HostCleaner } from './host-cleaner.ts';
import { HostRegistry } from './hosts.ts';
import { Inventory } from './inventory.ts';
import type { AgentConnector } from './managed-host.ts';
import { Metrics } from './metrics/metrics.ts';
import { Notifier } from './notifications/notifier.ts';
import { openOwner } from './owner.ts';
import { PolicyInventoryReader } from './policies/inventory.ts';
import { fullSuccess, LastRuns } from './policies/last-runs.ts';
import { PauseEnds } from './policies/pause-ends.ts';
import { PolicyRegistry } from './policies/registry.ts';
import { policyExecutor } from './policies/run/policy-run.ts';
import { Selections } from './policies/selections.ts';
import { RepositoryRegistry } from './repositories.ts';
import type { RepositoryLibrary } from './repositories.ts';
import { RestorePoints } from './restore-points.ts';
import { repositoryOf } from './runs/conflicts.ts';
import { RunManager } from './runs/manager.ts';
import type { RunExecutors } from './runs/manager.ts';
import { systemClock } from './schedule/clock.ts';
import type { Clock } from './schedule/clock.ts';
import { Scheduler } from './schedule/scheduler.ts';
import { Simulator } from './simulator/simulator.ts';
import type { SecretStore } from './secrets.ts';
import type { Store } from './store/store.ts';

/** What the daemon does its work with; tests put in their own. */
export interface DaemonParts {
  /** How runs are carried out; the run of a policy only works through others. */
  readonly executors: Omit<RunExecutors, 'policy'>;
  readonly connectAgent: AgentConnector;
  readonly library: RepositoryLibrary;
  /** Protocols to speak; this build's own when absent. */
  readonly protocol?: { readonly min: number; readonly max: number };
  /** First wait before a host is cleaned again, ms. */
  readonly cleanRetryMs?: number;
  /** How often hosts are asked while somebody looks, ms. */
  readonly pollMs?: number;
  /** What schedules and waits of policies go by; the machine's clock when absent. */
  readonly clock?: Clock;
}

/** What the parts are made of. */
export interface ServicesOptions {
  readonly dataDirectory: string;
  readonly version: string;
  readonly store: Store;
  readonly secrets: SecretStore;
  readonly log: Logger;
  readonly parts: DaemonParts;
  /** How to start this program; see `DaemonOptions`. */
  readonly program: readonly string[] | undefined;
  /** Where clients on other machines connect, once that is known. */
  readonly remoteUrl: () => string | undefined;
  /** Where metrics are read, once that is known. */
  readonly metricsUrl: () => string | undefined;
  /** What does not change while the daemon runs. */
  readonly processStatus: Omit<DaemonStatus, 'activeRuns' | 'hosts' | 'repositories' | 'remoteUrl' | 'metricsUrl'>;
  /** Lets the daemon stop soon. */
  readonly requestStop: () => void;
}

/** Hosts, repositories, runs and what joins them. Nothing is connected or opened yet. */
export async function buildServices(options: ServicesOptions): Promise<DaemonServices> {
  const { dataDirectory, version, store, secrets, log, parts } = options;
  const owner = await openOwner(dataDirectory);
  const identity = { owner, client: `tidemark ${version}`, connect: parts.connectAgent, log };
  const changes = new InventoryChanges();
  const hosts = new HostRegistry({
    store,
    secrets,
    identity,
    inUse: (name) => runs.active().some(({ request }) => usesHost(request, name)),
    onChange: () => changes.emit({ kind: 'hosts' }),
    onReplaced: (name) => inventory.hostChanged(name),
  });
  const repositories = new RepositoryRegistry(store, secrets, parts.library, dataDirectory, log);
  const restorePoints = new RestorePoints(repositories, changes, log);
  const inventory: Inventory = new Inventory({ hosts, restorePoints, changes, pollMs: parts.pollMs });
  const { clock = systemClock } = parts;
  const policies = new PolicyRegistry(store.policies, log, () => new Date(clock.now()));
  const lastRuns = new LastRuns((policy) => store.lastRunOf(policy));
  const cleaner = new HostCleaner({
    owner,
    isActive: (run) => runs.isActive(run),
    knownReferencePoints: async (signal) => restorePoints.knownReferencePoints(signal),
    host: (name) => hosts.list().find((host) => host.name === name),
    log,
    ...(parts.cleanRetryMs === undefined ? {} : { retryMs: parts.cleanRetryMs }),
  });
  const policy = policyExecutor({
    policies,
    inventory,
    get runs() {
      return runs;
    },
    schedule: store.schedules,
    clock,
  });
  const runs: RunManager = new RunManager({
    store,
    log,
    executors: { ...parts.executors, policy },
    services: {
      owner,
      version,
      hosts,
      repositories,
      policies,
      verified: store.verified,
      now: () => clock.now(),
      cleanUp: async (...args) => cleaner.cleanUp(...args),
    },
    identifyVm: (host, vm) => inventory.identify(host, vm),
    redact: (text) => secrets.redact(redact(text)),
    onEnd: (run) => {
      // Those that do not throw come first.
      notifier.runEnded(run);
      metrics.runEnded(run);
      // The run of a policy writes through runs of its own only.
      if (run.request.kind !== 'policy') restorePoints.invalidate(repositoryOf(run.request));
      const succeededAt = fullSuccess(run);
      if (run.outcome?.kind === 'policy' && succeededAt !== undefined)
        policies.succeeded(run.outcome.policy, run.outcome.version, succeededAt);
      if (leavesSomethingOnHosts(run)) for (const host of hosts.list()) cleaner.request(host.name);
    },
  });
  const simulator = new Simulator({
    dataDirectory,
    program: options.program,
    hosts,
    repositories,
    inventory,
    runs,
    secrets,
    log,
    onRepositories: () => {
      restorePoints.invalidate();
      changes.emit({ kind: 'repositories' });
    },
  });
  const schedule = new Scheduler({
    policies,
    store: store.schedules,
    runs,
    runByKey: (key) => store.runByKey(key),
    clock,
    log,
  });
  policies.onChange(() => changes.emit({ kind: 'policies' }));
  const pauseEnds = new PauseEnds(policies, clock, () => changes.emit({ kind: 'policies' }));
  runs.onChange((run) => {
    if (lastRuns.push(run) !== undefined) changes.emit({ kind: 'policies' });
  });
  const notifier = new Notifier({
    store,
    secrets,
    policies,
    sender: { machine: options.processStatus.machine, version },
    clock,
    log,
  });
  const metrics = new Metrics({
    store: store.metrics,
    lastEnded: (name) => store.lastEndedRunOf(name),
    policies,
    schedule,
    activeRuns: () => runs.active(),
    waitingNotifications: () => notifier.waiting,
    hosts: () => hosts.list().length,
    repositories: () => repositories.names().length,
    version,
    startedAt: options.processStatus.startedAt,
    now: () => clock.now(),
    log,
  });
  return {
    owner,
    changes,
    hosts,
    inventory,
    repositories,
    restorePoints,
    policies,
    now: () => clock.now(),
    notifier,
    metrics,
    policyInventory: new PolicyInventoryReader(hosts, inventory, repositories),
    selections: new Selections(),
    lastRuns,
    schedule,
    pauseEnds,
    runs,
    cleaner,
    simulator,
    status: () => ({
      ...options.processStatus,
      ...urlsOf(options.remoteUrl(), options.metricsUrl()),
      activeRuns: runs.active().length,
      hosts: hosts.list().length,
      repositories: repositories.names().length,
    }),
    requestStop: (cancelRuns) => {
      runs.beginStop(cancelRuns);
      options.requestStop();
    },
  };
}

function urlsOf(
  remoteUrl: string | undefined,
  metricsUrl: string | undefined,
): Pick<DaemonStatus, 'remoteUrl' | 'metricsUrl'> {
  return {
    ...(remoteUrl === undefined ? {} : { remoteUrl }),
    ...(metricsUrl === undefined ? {} : { metricsUrl }),
  };
}

/** Whether a run works with the host. A backup that names none may find its VM on any. */
function usesHost(request: RunInfo['request'], host: string): boolean {
  if (request.kind === 'backup') return request.host === undefined || request.host === host;
  return request.kind === 'restore-vm' && request.host === host;
}

/** A prune, also one that stopped half-way, frees reference points; a backup that made no reference point may have left one. */
function leavesSomethingOnHosts({ request, outcome }: RunInfo): boolean {
  if (request.kind === 'prune') return !request.dryRun;
  if (request.kind !== 'backup') return false;
  return outcome?.kind !== 'backup' || outcome.restorePoint.referencePointId === undefined;
}
