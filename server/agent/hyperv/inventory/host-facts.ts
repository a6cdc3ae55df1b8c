/** The host's facts, asked once in a while: they change only with an update of Windows. */
import { errorCodes, TidemarkError } from '../../../protocol/errors.ts';
import type { HypervCalls } from '../calls/calls.ts';
import { getHost } from '../commands/index.ts';
import type { HypervHost } from '../commands/index.ts';

/** Milliseconds for which an answer is believed. */
const believedMs = 60_000;

/** Asks what the host is. */
export class HostFacts {
  readonly #calls: HypervCalls;
  #known: { readonly host: HypervHost; readonly until: number } | undefined;

  constructor(calls: HypervCalls) {
    this.#calls = calls;
  }

  /** The facts of a host that has Hyper-V and lets this account use it. Throws `TM2201` for others: their lists of VMs would be empty, and wrong. */
  async get(signal: AbortSignal): Promise<HypervHost> {
    const known = this.#known;
    if (known !== undefined && performance.now() < known.until) return known.host;
    const host = await this.#calls.invoke(getHost, {}, signal);
    if (!host.hypervAvailable) {
      throw new TidemarkError(errorCodes.hypervUnavailable, `Hyper-V on ${host.name} shows nothing to this agent.`, {
        hint: 'Install the Hyper-V role, and run the agent as LocalSystem or as a member of Hyper-V Administrators with elevated rights.',
      });
    }
    this.#known = { host, until: performance.now() + believedMs };
    return host;
  }
}
