/** Which VMs there are, host by host; hosts that do not answer are named with the reason and hold up nobody. */
import { forEachLimited } from '../base/concurrency.ts';
import * as agent from '../protocol/agent.ts';
import type { VmEntry } from '../protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import type { ErrorReport } from '../protocol/errors.ts';
import type { VmInfo } from '../protocol/model.ts';
import { withDeadline } from './deadline.ts';
import type { HostRegistry } from './hosts.ts';
import type { ManagedHost } from './managed-host.ts';
import type { RestorePoints } from './restore-points.ts';

/** For connecting and listing together, per host. */
const hostTimeoutMs = 20_000;
const hostsAtATime = 8;

/** The answer of `listVms`. */
export interface VmListing {
  readonly vms: readonly VmEntry[];
  readonly unreachable: readonly { readonly host: string; readonly error: ErrorReport }[];
}

/** Asks hosts for their VMs and remembers the last answer of each. */
export class Inventory {
  readonly #hosts: HostRegistry;
  readonly #restorePoints: RestorePoints;
  readonly #timeoutMs: number;
  readonly #seen = new Map<string, readonly VmInfo[]>();

  constructor(hosts: HostRegistry, restorePoints: RestorePoints, timeoutMs = hostTimeoutMs) {
    this.#hosts = hosts;
    this.#restorePoints = restorePoints;
    this.#timeoutMs = timeoutMs;
  }

  /** VMs of one host or of all, by host and name. Throws `TM5201`. */
  async list(host: string | undefined, signal: AbortSignal): Promise<VmListing> {
    const hosts = host === undefined ? this.#hosts.list() : [this.#hosts.get(host)];
    const unreachable: { readonly host: string; readonly error: ErrorReport }[] = [];
    const found = new Map<string, readonly VmInfo[]>();
    const latest = this.#restorePoints.latestByVm(signal);
    await forEachLimited(hosts, hostsAtATime, async (managed) => {
      try {
        found.set(managed.name, await this.#ask(managed, signal));
      } catch (error) {
        if (signal.aborted) throw error;
        unreachable.push({ host: managed.name, error: TidemarkError.from(error).report() });
      }
    });
    const byVm = await latest;
    const vms = hosts.flatMap(({ name }) =>
      (found.get(name) ?? [])
        .toSorted((a, b) => a.name.localeCompare(b.name))
        .map((vm): VmEntry => {
          const last = byVm.get(vm.id);
          return last === undefined ? { host: name, vm } : { host: name, vm, lastRestorePoint: last };
        }),
    );
    return { vms, unreachable };
  }

  /** The GUID of a VM by name or GUID, from the last answers; undefined when it is not known or not unique. */
  identify(host: string | undefined, vm: string): string | undefined {
    const wanted = vm.toUpperCase();
    const ids = new Set<string>();
    for (const [name, vms] of this.#seen) {
      if (host !== undefined && name !== host) continue;
      for (const one of vms) if (one.id === wanted || one.name.toUpperCase() === wanted) ids.add(one.id);
    }
    const [id] = ids;
    return ids.size === 1 ? id : undefined;
  }

  async #ask(host: ManagedHost, signal: AbortSignal): Promise<readonly VmInfo[]> {
    const late = (): TidemarkError =>
      new TidemarkError(
        errorCodes.hostUnreachable,
        `Host ${host.name} did not answer within ${this.#timeoutMs / 1000} s.`,
        {
          hint: 'Check that the agent runs there and that nothing blocks the way.',
        },
      );
    const vms = await withDeadline(signal, this.#timeoutMs, late, async (inTime) => {
      const connection = await host.connect(inTime);
      return (await connection.request(agent.listVms, {}, { signal: inTime })).vms;
    });
    this.#seen.set(host.name, vms);
    return vms;
  }
}
