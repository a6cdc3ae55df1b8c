/** What each request does: the one place where the protocol meets the daemon's parts. */
import * as protocol from '../protocol/daemon.ts';
import type { DaemonStatus, RunInfo } from '../protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import type { RestorePointId } from '../protocol/ids.ts';
import type { RestorePointInfo } from '../protocol/model.ts';
import type { InventoryChanges } from './changes.ts';
import type { HostCleaner } from './host-cleaner.ts';
import type { HostRegistry } from './hosts.ts';
import type { Inventory } from './inventory.ts';
import { givenPassword, requiredPassword } from './password-source.ts';
import type { Metrics } from './metrics/metrics.ts';
import { registerNotifications } from './notifications/handlers.ts';
import type { Notifier } from './notifications/notifier.ts';
import { registerPolicies } from './policies/handlers.ts';
import type { PolicyServices } from './policies/handlers.ts';
import type { PauseEnds } from './policies/pause-ends.ts';
import { registerReports } from './reports/handlers.ts';
import type { RepositoryRegistry } from './repositories.ts';
import type { RestorePoints } from './restore-points.ts';
import type { RunManager } from './runs/manager.ts';
import type { Scheduler } from './schedule/scheduler.ts';
import type { Register, Session } from './session.ts';
import type { Simulator } from './simulator/simulator.ts';

/** The parts of a daemon that requests work with. */
export interface DaemonServices extends PolicyServices {
  readonly changes: InventoryChanges;
  readonly hosts: HostRegistry;
  readonly inventory: Inventory;
  readonly repositories: RepositoryRegistry;
  readonly restorePoints: RestorePoints;
  readonly runs: RunManager;
  readonly cleaner: HostCleaner;
  readonly simulator: Simulator;
  readonly notifier: Notifier;
  readonly metrics: Metrics;
  readonly schedule: Scheduler;
  readonly pauseEnds: PauseEnds;
  readonly status: () => DaemonStatus;
  /** Begins to stop once the answer is on its way. Throws `TM5005`. */
  readonly requestStop: (cancelRuns: boolean) => void;
}

/** Ended runs that a new subscriber is shown besides the active ones. */
const recentRuns = 100;
const logLinesPerAnswer = 2000;

/** Registers every request of the protocol on a session. */
export function registerHandlers(session: Session, services: DaemonServices): void {
  session.serve((register) => {
    registerDaemon(register, services);
    registerHosts(register, services);
    registerInventory(register, services, session);
    registerRepositories(register, services);
    registerRuns(register, services, session);
    registerPolicies(register, services);
    registerNotifications(register, services);
    registerReports(register, services);
    registerSimulator(register, services);
  });
}

function registerDaemon(register: Register, services: DaemonServices): void {
  register(protocol.getDaemonStatus, () => services.status());
  register(protocol.stopDaemon, ({ cancelRuns }) => {
    services.requestStop(cancelRuns);
    return {};
  });
}

function registerHosts(register: Register, { hosts, cleaner }: DaemonServices): void {
  register(protocol.addHost, async (params, signal) => {
    const host = await hosts.add({ ...params, password: requiredPassword(params) }, signal);
    cleaner.request(host.name);
    return { host };
  });
  register(protocol.editHost, async (params, signal) => {
    const host = await hosts.edit({ ...params, password: givenPassword(params) }, signal);
    cleaner.request(host.name);
    return { host };
  });
  register(protocol.listHosts, () => ({ hosts: hosts.list().map((host) => host.entry()) }));
  register(protocol.testHost, async ({ name }, signal) => {
    const host = hosts.get(name);
    await host.test(signal);
    return { host: host.entry() };
  });
  register(protocol.removeHost, async ({ name }) => {
    await hosts.remove(name);
    return {};
  });
}

function registerInventory(register: Register, services: DaemonServices, session: Session): void {
  const { inventory, hosts, repositories, changes } = services;
  register(protocol.listVms, async (query, signal) => inventory.list(query, signal));
  register(protocol.subscribeInventory, () => {
    session.inventory.subscribe(() => inventory.watch());
    return {
      sequence: changes.sequence,
      hosts: hosts.list().map((host) => host.entry()),
      repositories: repositories.entries(),
    };
  });
}

function registerRepositories(register: Register, services: DaemonServices): void {
  const { repositories, restorePoints, cleaner, hosts, changes } = services;
  register(protocol.initRepository, async (params, signal) => {
    const { repository, recoveryKey } = await repositories.init(
      { ...params, password: requiredPassword(params) },
      signal,
    );
    restorePoints.invalidate(repository.name);
    changes.emit({ kind: 'repositories' });
    return recoveryKey === undefined ? { repository } : { repository, recoveryKey };
  });
  register(protocol.listRepositories, () => ({ repositories: repositories.entries() }));
  register(protocol.getRepositoryStatus, async ({ name }, signal) => repositories.status(name, signal));
  register(protocol.listRestorePoints, async (query, signal) => restorePoints.list(query, signal));
  register(protocol.summarizeRestorePoints, async ({ repository, timezone }, signal) =>
    restorePoints.summary(repository, timezone, signal),
  );
  register(protocol.getRestorePoint, async ({ id, repository }, signal) => ({
    restorePoint: await restorePoints.get(id, repository, signal),
  }));
  register(protocol.pinRestorePoint, async ({ id, repository, pinned, by, note }, signal) => {
    const pin = { by, at: new Date().toISOString(), ...(note === undefined ? {} : { note }) };
    return { restorePoint: await restorePoints.pin(id, repository, pinned ? pin : undefined, signal) };
  });
  register(protocol.deleteRestorePoint, async ({ id, repository }, signal) => {
    await restorePoints.delete(id, repository, (point) => refuseInUse(id, point, services), signal);
    // Its reference point is of no use any more, wherever the VM is now.
    for (const host of hosts.list()) cleaner.request(host.name);
    return {};
  });
}

function registerRuns(register: Register, { runs }: DaemonServices, session: Session): void {
  register(protocol.startRun, ({ request, key }) => ({ run: runs.start(request, key) }));
  register(protocol.listRuns, ({ limit }) => ({ runs: runs.list(limit) }));
  register(protocol.getRun, ({ id }) => ({ run: runs.get(id) }));
  register(protocol.cancelRun, ({ id }) => ({ run: runs.cancel(id) }));
  register(protocol.getRunLog, async ({ id, fromLine, waitMs = 0 }, signal) => {
    if (waitMs > 0) await runs.logReaches(id, fromLine, AbortSignal.any([signal, AbortSignal.timeout(waitMs)]));
    // Asked before the lines are read: a run that ends in between has more to come.
    const ended = !runs.isActive(id);
    const lines = runs.logLines(id, fromLine, logLinesPerAnswer);
    return { lines, nextLine: fromLine + lines.length, complete: ended && lines.length < logLinesPerAnswer };
  });
  register(protocol.getRunSamples, ({ id }) => ({ samples: runs.samples(id) }));
  register(protocol.subscribeRuns, ({ id }) => {
    const now = id === undefined ? runs.list(recentRuns) : [runs.get(id)];
    session.feed.subscribe(id);
    const missing = id === undefined ? runs.active().filter((run) => now.every((shown) => shown.id !== run.id)) : [];
    return { runs: [...now, ...missing] };
  });
}

function registerSimulator(register: Register, { simulator }: DaemonServices): void {
  register(protocol.startSimulator, async (_params, signal) => simulator.start(signal));
  register(protocol.getSimulatorStatus, async () => simulator.status());
  register(protocol.simulatorGuestWrite, async ({ vm }, signal) => simulator.guestWrite(vm, signal));
  register(protocol.stopSimulator, async ({ cancelRuns }, signal) => {
    await simulator.stop(cancelRuns, signal);
    return {};
  });
}

/** Refuses to delete what an active run reads: a restore its restore point, a backup perhaps its base. */
function refuseInUse(id: RestorePointId, point: RestorePointInfo | undefined, services: DaemonServices): void {
  const user = services.runs.active().find((run) => uses(run, id, point, services));
  if (user === undefined) return;
  throw new TidemarkError(
    errorCodes.restorePointProtected,
    `Run ${user.id} (${user.title}) is using restore point ${id}.`,
    {
      hint: 'Wait for the run to end, or cancel it.',
    },
  );
}

function uses(
  run: RunInfo,
  id: RestorePointId,
  point: RestorePointInfo | undefined,
  services: DaemonServices,
): boolean {
  const { request } = run;
  // The run of a policy uses restore points through runs of its own only.
  if (request.kind === 'gc' || request.kind === 'policy') return false;
  if (request.kind === 'restore-disk' || request.kind === 'restore-vm') return request.restorePoint === id;
  if (point === undefined) return true;
  if (request.kind !== 'backup') return request.repository === point.repository;
  const vm = services.runs.vmOf(run.id) ?? services.inventory.identify(request.host, request.vm);
  const names = [point.vmId, point.vmName.toUpperCase()];
  return vm === point.vmId || names.includes(request.vm.toUpperCase());
}
