/** What is read of a policy only when somebody opens it: its versions, and the VMs that it takes in. */
import * as daemon from '../../server/protocol/daemon.ts';
import type { PlannedVm, PolicyVersion } from '../../server/protocol/daemon.ts';
import { Emitter, Subscriptions } from '../base/events.ts';
import type { Event } from '../base/events.ts';
import type { DaemonLink } from '../daemon/link.ts';
import type { Cached } from './cached.ts';
import { CachedValues } from './cached-values.ts';

/** A policy by its text, or by the name under which its text is applied. */
export interface PolicySource {
  /** What tells this text from another one. */
  readonly sha256: string;
  readonly name: string;
  /** Absent when only the daemon has it. */
  readonly text?: string | undefined;
}

/** A plan looks at all VMs of all hosts: how long it may take, ms. */
const planTimeoutMs = 60_000;
/** Policies of which something is kept. */
const maxKept = 200;

/** Only the `load` methods ask the daemon. Failures are in the values, not thrown. */
export class PolicyDetails {
  readonly #link: DaemonLink;
  readonly #emitter = new Emitter<undefined>();
  readonly #owned = new Subscriptions();
  readonly #versions = this.#values<PolicyVersion>();
  readonly #vms = this.#values<PlannedVm>();

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
  versions(name: string): Cached<readonly PolicyVersion[]> {
    return this.#versions.get(name);
  }

  /** The VMs that a text takes in, by host and name. */
  vms({ sha256 }: PolicySource): Cached<readonly PlannedVm[]> {
    return this.#vms.get(sha256);
  }

  async loadVersions(name: string): Promise<void> {
    await this.#versions.load(name, async () => {
      const { versions } = await this.#link.request(daemon.getPolicyHistory, { name });
      return versions;
    });
  }

  async loadVms(source: PolicySource): Promise<void> {
    await this.#vms.load(source.sha256, async () => {
      const text = source.text ?? (await this.#link.request(daemon.getPolicy, { name: source.name })).text;
      const { plan } = await this.#link.request(daemon.planPolicy, { text }, { timeoutMs: planTimeoutMs });
      return plan.vms;
    });
  }

  /** What was read may have changed: the next load reads it again. */
  expire(): void {
    this.#versions.expire();
    this.#vms.expire();
    this.#emitter.fire(undefined);
  }

  dispose(): void {
    this.#owned.dispose();
  }

  #values<T>(): CachedValues<readonly T[]> {
    return new CachedValues<readonly T[]>({ none: [], most: maxKept, changed: () => this.#emitter.fire(undefined) });
  }
}
