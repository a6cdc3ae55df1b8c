/** What is read of a policy only when somebody opens it: its versions, and the VMs that it takes in. */
import * as daemon from '../../server/protocol/daemon.ts';
import type { PlannedVm, PolicyVersion } from '../../server/protocol/daemon.ts';
import { TidemarkError } from '../../server/protocol/errors.ts';
import { Emitter, Subscriptions } from '../base/events.ts';
import type { Event } from '../base/events.ts';
import type { DaemonLink } from '../daemon/link.ts';
import { failed, loading, outdated, ready, unread } from './cached.ts';
import type { Cached } from './cached.ts';
import { Loads } from './loads.ts';

/** A policy by its text, or by the name under which its text is applied. */
export interface PolicySource {
  /** What tells this text from another one. */
  readonly sha256: string;
  readonly name: string;
  /** Absent when only the daemon has it. */
  readonly text?: string | undefined;
}

type Versions = Cached<readonly PolicyVersion[]>;
type Vms = Cached<readonly PlannedVm[]>;
const noVersions: Versions = unread([]);
const noVms: Vms = unread([]);

/** A plan looks at all VMs of all hosts: how long it may take, ms. */
const planTimeoutMs = 60_000;
/** Policies of which something is kept; the oldest goes first. */
const maxKept = 200;

/** Only the `load` methods ask the daemon. Failures are in the values, not thrown. */
export class PolicyDetails {
  readonly #link: DaemonLink;
  readonly #emitter = new Emitter<undefined>();
  readonly #owned = new Subscriptions();
  readonly #loads = new Loads<string>();
  readonly #versions = new Map<string, Versions>();
  readonly #vms = new Map<string, Vms>();

  constructor(link: DaemonLink) {
    this.#link = link;
    this.#owned.add(this.#emitter);
    this.#owned.add(
      link.onDidChangeState(({ kind }) => {
        if (kind !== 'connected' && kind !== 'starting') this.expire();
      }),
    );
  }

  readonly onDidChange: Event<undefined> = (listener) => this.#emitter.event(listener);

  /** The versions of a policy, newest first. */
  versions(name: string): Versions {
    return this.#versions.get(name) ?? noVersions;
  }

  /** The VMs that a text takes in, by host and name. */
  vms({ sha256 }: PolicySource): Vms {
    return this.#vms.get(sha256) ?? noVms;
  }

  async loadVersions(name: string): Promise<void> {
    await this.#load('versions', this.#versions, name, noVersions, async () => {
      const { versions } = await this.#link.request(daemon.getPolicyHistory, { name });
      return versions;
    });
  }

  async loadVms(source: PolicySource): Promise<void> {
    await this.#load('vms', this.#vms, source.sha256, noVms, async () => {
      const text = source.text ?? (await this.#link.request(daemon.getPolicy, { name: source.name })).text;
      const { plan } = await this.#link.request(daemon.planPolicy, { text }, { timeoutMs: planTimeoutMs });
      return plan.vms;
    });
  }

  /** What was read may have changed: the next load reads it again. */
  expire(): void {
    for (const [name, versions] of this.#versions) this.#versions.set(name, outdated(versions));
    for (const [sha256, vms] of this.#vms) this.#vms.set(sha256, outdated(vms));
    this.#emitter.fire(undefined);
  }

  dispose(): void {
    this.#owned.dispose();
  }

  async #load<T>(
    what: 'versions' | 'vms',
    kept: Map<string, Cached<T>>,
    key: string,
    none: Cached<T>,
    read: () => Promise<T>,
  ): Promise<void> {
    const set = (value: Cached<T>): void => {
      kept.delete(key);
      kept.set(key, value);
      for (const oldest of kept.keys()) if (kept.size > maxKept) kept.delete(oldest);
      this.#emitter.fire(undefined);
    };
    const load = async (): Promise<void> => {
      const before = kept.get(key) ?? none;
      if (before.readAt === undefined) set(loading(before));
      try {
        set(ready(await read(), Date.now()));
      } catch (error) {
        set(failed(kept.get(key) ?? none, TidemarkError.from(error)));
      }
    };
    await this.#loads.once(`${what}:${key}`, load);
  }
}
