/** What the Hosts view knows, out of the stores. */
import type { RunInfo } from '../../../server/protocol/daemon.ts';
import type { DaemonLink } from '../../daemon/link.ts';
import type { Stores } from '../../stores/index.ts';
import type { HostsData } from './hosts-nodes.ts';

/** What of the settings and the daemon the view goes by. */
export interface HostsContext {
  readonly stores: Stores;
  readonly daemon: Pick<DaemonLink, 'state'>;
  readonly overdueAfterMs: () => number;
}

/** Looks into the stores each time; only which VMs are busy is kept until the list of runs changes. */
export class StoredHostsData implements HostsData {
  readonly #context: HostsContext;
  #busyOf: readonly RunInfo[] | undefined;
  #busy: ReadonlySet<string> = new Set();

  constructor(context: HostsContext) {
    this.#context = context;
  }

  get hosts(): HostsData['hosts'] {
    return this.#context.stores.hosts.hosts;
  }

  vms(host: string): ReturnType<HostsData['vms']> {
    return this.#context.stores.vms.vms(host);
  }

  points(vmId: Parameters<HostsData['points']>[0]): ReturnType<HostsData['points']> {
    return this.#context.stores.restorePoints.list({ vmId });
  }

  /** A run names its VM by name or by id, on a host or on any. */
  isBusy(host: string, vmId: string, vmName: string): boolean {
    const busy = this.#busyVms();
    if (busy.size === 0) return false;
    return [`${host}/${vmId}`, `${host}/${vmName}`, `/${vmId}`, `/${vmName}`].some((key) => busy.has(key));
  }

  isSimulated(host: string): boolean {
    const status = this.#context.stores.hosts.host(host)?.status;
    return status?.state === 'reachable' && status.info.provider === 'simulated';
  }

  get connected(): boolean {
    return this.#context.daemon.state.kind === 'connected';
  }

  get now(): number {
    return Date.now();
  }

  get overdueAfterMs(): number {
    return this.#context.overdueAfterMs();
  }

  #busyVms(): ReadonlySet<string> {
    const { runs, active } = this.#context.stores.runs;
    if (this.#busyOf === runs.value) return this.#busy;
    this.#busyOf = runs.value;
    this.#busy = new Set(
      active.flatMap(({ request, state }) =>
        request.kind === 'backup' && state !== 'queued' ? [`${request.host ?? ''}/${request.vm}`] : [],
      ),
    );
    return this.#busy;
  }
}
