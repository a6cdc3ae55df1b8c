/** Which VMs there are, host by host: the last answer of each is kept, and hosts that do not answer hold up nobody. */
import * as agent from '../protocol/agent.ts';
import type { HostReading, VmEntry } from '../protocol/daemon.ts';
import { cancelledError, errorCodes, TidemarkError } from '../protocol/errors.ts';
import type { ErrorReport } from '../protocol/errors.ts';
import type { VmInfo } from '../protocol/model.ts';
import type { InventoryChanges } from './changes.ts';
import { abortable, withDeadline } from './deadline.ts';
import type { HostRegistry } from './hosts.ts';
import { Latest } from './latest.ts';
import type { ManagedHost } from './managed-host.ts';
import type { RestorePoints } from './restore-points.ts';

/** For connecting, per host. */
const hostTimeoutMs = 20_000;
/** For listing it may be so many times as long: a host with a thousand VMs is slow to tell of them, and is there all the same. */
const listingFactor = 3;
/** How often hosts are asked while somebody looks. */
const pollIntervalMs = 30_000;
/** A host rests so many times as long as it worked on its last answer, so that looking costs it a tenth of its time at most. */
const restFactor = 9;

/** How long a list of VMs waits for a repository before it does without it, ms. */
const repositoryPatienceMs = 5000;
/** The same for who shows VMs and hears of changes: a large repository that is read for the first time follows later. */
const shownPatienceMs = 200;

/** The answer of `listVms`. */
export interface VmListing {
  readonly vms: readonly VmEntry[];
  readonly unreachable: readonly { readonly host: string; readonly error: ErrorReport }[];
  readonly hosts: readonly HostReading[];
}

/** Which VMs to list; see `listVms` in protocol/daemon/inventory.ts. */
export interface VmQuery {
  readonly host?: string | undefined;
  readonly maxAgeMs?: number | undefined;
  readonly wait?: boolean | undefined;
}

/** What an inventory is made of. */
export interface InventoryOptions {
  readonly hosts: HostRegistry;
  readonly restorePoints: RestorePoints;
  readonly changes: InventoryChanges;
  readonly timeoutMs?: number | undefined;
  readonly pollMs?: number | undefined;
}

/** What came of asking a host: its VMs, or why not, with those it had before. */
interface Answer {
  readonly vms: readonly VmInfo[] | undefined;
  /** When it listed `vms`. */
  readonly readAt: string | undefined;
  /** How long that took, ms. */
  readonly tookMs: number;
  /** Windows build number of the host then. */
  readonly build: number | undefined;
  readonly failure: { readonly since: string; readonly error: ErrorReport } | undefined;
}

interface Known {
  readonly host: ManagedHost;
  readonly latest: Latest<Answer>;
}

/** Asks hosts for their VMs, each for itself. */
export class Inventory {
  readonly #options: InventoryOptions;
  readonly #known = new Map<string, Known>();
  readonly #lifetime = new AbortController();
  #watchers = 0;
  #poll: NodeJS.Timeout | undefined;

  constructor(options: InventoryOptions) {
    this.#options = options;
  }

  /** VMs of one host or of all, by host and name. Throws `TM5201`. */
  async list(query: VmQuery, signal: AbortSignal): Promise<VmListing> {
    const { hosts: registry, restorePoints } = this.#options;
    const { maxAgeMs, wait = true } = query;
    const hosts = query.host === undefined ? registry.list() : [registry.get(query.host)];
    const latest = hosts.map((host) => this.#latest(host));
    if (wait) {
      const readings = latest.map((one) => (maxAgeMs === undefined ? one.fresh() : one.within(maxAgeMs)));
      await abortable(Promise.all(readings), signal);
    } else {
      for (const one of latest) void one.within(maxAgeMs ?? 0);
    }
    const patienceMs = maxAgeMs === undefined ? repositoryPatienceMs : shownPatienceMs;
    const backups = wait ? await restorePoints.byVm(patienceMs, signal) : restorePoints.byVmNow();
    const keepsStale = maxAgeMs !== undefined || !wait;
    const answers = hosts.map((host, index) => ({ host: host.name, answer: latest[index]?.value }));
    const vms = answers.flatMap(({ host, answer }) =>
      answer === undefined || (answer.failure !== undefined && !keepsStale)
        ? []
        : (answer.vms ?? [])
            .toSorted((a, b) => a.name.localeCompare(b.name))
            .map((vm): VmEntry => ({ host, vm, ...backups.get(vm.id) })),
    );
    const unreachable = answers.flatMap(({ host, answer }) =>
      answer?.failure === undefined ? [] : [{ host, error: answer.failure.error }],
    );
    return { vms, unreachable, hosts: answers.map(({ host, answer }) => readingOf(host, answer)) };
  }

  /** The GUID of a VM by name or GUID, from the last answers; undefined when it is not known or not unique. */
  identify(host: string | undefined, vm: string): string | undefined {
    const wanted = vm.toUpperCase();
    const ids = new Set<string>();
    for (const [name, { latest }] of this.#known) {
      if (host !== undefined && name !== host) continue;
      for (const one of latest.value?.vms ?? []) {
        if (one.id === wanted || one.name.toUpperCase() === wanted) ids.add(one.id);
      }
    }
    const [id] = ids;
    return ids.size === 1 ? id : undefined;
  }

  /** While the result is not disposed, all hosts are asked every half minute, beginning now; those that take long to answer less often. */
  watch(): Disposable {
    const { pollMs = pollIntervalMs } = this.#options;
    this.#watchers += 1;
    this.#poll ??= setInterval(() => this.#askAll(pollMs / 2), pollMs).unref();
    this.#askAll(pollMs / 2);
    let watching = true;
    return {
      [Symbol.dispose]: () => {
        if (!watching) return;
        watching = false;
        this.#watchers -= 1;
        if (this.#watchers > 0) return;
        clearInterval(this.#poll);
        this.#poll = undefined;
      },
    };
  }

  /** Asks a host that was added or changed, when somebody looks. */
  hostChanged(name: string): void {
    const host = this.#options.hosts.list().find((one) => one.name === name);
    if (host === undefined) this.#known.delete(name);
    else if (this.#watchers > 0) void this.#latest(host).fresh();
  }

  /** Gives up what is being asked. */
  close(): void {
    clearInterval(this.#poll);
    this.#lifetime.abort(cancelledError());
  }

  /** All at once: the dead ones must not be before the others in a queue. */
  #askAll(maxAgeMs: number): void {
    for (const host of this.#options.hosts.list()) {
      const latest = this.#latest(host);
      void latest.within(Math.max(maxAgeMs, restFactor * (latest.value?.tookMs ?? 0)));
    }
    this.#options.restorePoints.refresh();
  }

  #latest(host: ManagedHost): Latest<Answer> {
    const known = this.#known.get(host.name);
    if (known?.host === host) return known.latest;
    const latest: Latest<Answer> = new Latest(async () => this.#ask(host, latest.value));
    this.#known.set(host.name, { host, latest });
    return latest;
  }

  /** Never throws: that a host does not answer is an answer. */
  async #ask(host: ManagedHost, before: Answer | undefined): Promise<Answer> {
    let answer: Answer;
    try {
      const { vms, tookMs } = await this.#listVms(host);
      // What has not changed stays the same object: what was worked out from it holds.
      const same = before?.vms !== undefined && JSON.stringify(before.vms) === JSON.stringify(vms);
      const { status } = host.entry();
      const build = status.state === 'reachable' ? status.info.build : before?.build;
      const readAt = new Date().toISOString();
      answer = { vms: same ? before.vms : vms, readAt, tookMs, build, failure: undefined };
    } catch (error) {
      const since = before?.failure?.since ?? new Date().toISOString();
      const failure = { since, error: TidemarkError.from(error).report() };
      answer = { vms: before?.vms, readAt: before?.readAt, tookMs: 0, build: before?.build, failure };
    }
    if (differs(before, answer) && this.#known.get(host.name)?.host === host) {
      // Not before whoever is told can read it.
      setImmediate(() => this.#options.changes.emit({ kind: 'vms', host: host.name }));
    }
    return answer;
  }

  async #listVms(host: ManagedHost): Promise<{ readonly vms: readonly VmInfo[]; readonly tookMs: number }> {
    const { timeoutMs = hostTimeoutMs } = this.#options;
    const late = (ms: number) => (): TidemarkError =>
      new TidemarkError(errorCodes.hostUnreachable, `Host ${host.name} did not answer within ${ms / 1000} s.`, {
        hint: 'Check that the agent runs there and that nothing blocks the way.',
      });
    const { signal } = this.#lifetime;
    const connection = await withDeadline(signal, timeoutMs, late(timeoutMs), async (inTime) => host.glance(inTime));
    const startedAt = performance.now();
    const listingMs = listingFactor * timeoutMs;
    const { vms } = await withDeadline(signal, listingMs, late(listingMs), async (inTime) =>
      connection.request(agent.listVms, {}, { signal: inTime }),
    );
    return { vms, tookMs: performance.now() - startedAt };
  }
}

function readingOf(host: string, answer: Answer | undefined): HostReading {
  return {
    host,
    ...(answer?.readAt === undefined ? {} : { readAt: answer.readAt }),
    ...(answer?.build === undefined ? {} : { build: answer.build }),
    ...(answer?.failure === undefined ? {} : { unreachableSince: answer.failure.since, error: answer.failure.error }),
  };
}

/** Whether there is something new to show. When it was read is not. */
function differs(before: Answer | undefined, now: Answer): boolean {
  if (before === undefined || (before.failure === undefined) !== (now.failure === undefined)) return true;
  if (before.failure?.error.message !== now.failure?.error.message) return true;
  return before.vms !== now.vms;
}
