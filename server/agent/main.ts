/** The agent's composition root: chooses the provider and serves it. */
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import type { Logger } from '../base/log.ts';
import type { HostProvider } from './provider.ts';

/** A provider chosen by name, as on the command line. */
export type ProviderChoice = { readonly kind: 'simulated'; readonly root: string } | { readonly kind: 'hyperv' };

/** What to serve, where, and under which password. */
export interface ServeAgentOptions {
  readonly provider: HostProvider | ProviderChoice;
  /** `http://address:port` or `https://address:port`; port 0 takes a free one. */
  readonly listen: string;
  readonly password: string;
  /** PEM texts; needed for https, refused for http. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  /** Text the agent gives as its version. */
  readonly version?: string;
  readonly log: Logger;
  /** Stops the agent when aborted. */
  readonly signal: AbortSignal;
}

/** A serving agent. */
export interface RunningAgent {
  /** Where it listens, with the real port. */
  readonly url: string;
  /** Ends all connections, closes their exports, and the provider when `serveAgent` made it. */
  close(): Promise<void>;
}

/** Recovers the host from earlier crashes and listens. Throws `TM1002` for options that make no sense, `TM2xxx` from the provider. */
export async function serveAgent(options: ServeAgentOptions): Promise<RunningAgent> {
  throw new TidemarkError(errorCodes.internal, `Not listening on ${options.listen}.`);
}
