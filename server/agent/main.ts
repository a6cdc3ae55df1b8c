/** The agent's composition root: chooses the provider and serves it. */
import { ConnectionGate } from '../base/connection-gate.ts';
import type { Logger } from '../base/log.ts';
import { scramCredential } from '../base/scram.ts';
import type { ChannelBinding } from '../base/scram.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../protocol/errors.ts';
import { bindingOf, listen } from './http-server.ts';
import type { AgentTls, ListenAddress } from './http-server.ts';
import type { HostProvider } from './provider.ts';
import type { Session } from './session.ts';
import { agentTiming } from './timing.ts';
import type { AgentTiming } from './timing.ts';

/** Where agents listen unless told otherwise. */
export const defaultAgentPort = 8440;

/** A provider chosen by name, as on the command line. */
export type ProviderChoice = { readonly kind: 'simulated'; readonly root: string } | { readonly kind: 'hyperv' };

/** What to serve, where, and under which password. */
export interface ServeAgentOptions {
  readonly provider: HostProvider | ProviderChoice;
  /** `http://address:port` or `https://address:port`; port 0 takes a free one. */
  readonly listen: string;
  readonly password: string;
  /** PEM texts; needed for https, refused for http. */
  readonly tls?: AgentTls | undefined;
  /** Text the agent gives as its version. */
  readonly version?: string;
  /** What differs from `agentTiming`, for tests. */
  readonly timing?: Partial<AgentTiming>;
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

/** Recovers the host from earlier crashes and listens. Throws `TM1002` for options that make no sense, `TM1003` for a bad certificate, `TM2xxx` from the provider. */
export async function serveAgent(options: ServeAgentOptions): Promise<RunningAgent> {
  const { signal, tls } = options;
  throwIfAborted(signal);
  const address = parseListen(options.listen);
  if (address.tls !== (tls !== undefined)) {
    throw usage(
      address.tls ? 'Listening on https needs a certificate and a key.' : 'A certificate is of no use on plain http.',
      'Give --tls-cert and --tls-key together with an https URL.',
    );
  }
  if (options.password === '') throw usage('The password of an agent must not be empty.', 'Choose a long random one.');
  const binding = bindingOf(tls);
  const given = options.provider;
  if ('describe' in given) return serveProvider(given, options, address, binding, async () => undefined);
  const provider = await createProvider(given);
  const dispose = async (): Promise<void> => provider[Symbol.asyncDispose]();
  try {
    return await serveProvider(provider, options, address, binding, dispose);
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function serveProvider(
  provider: HostProvider,
  options: ServeAgentOptions,
  address: ListenAddress,
  binding: ChannelBinding,
  dispose: () => Promise<void>,
): Promise<RunningAgent> {
  const { log, signal, tls, version = '0.1.0' } = options;
  for (const line of await provider.recover(signal)) log.log('info', `recovered: ${line}`);
  const credential = await scramCredential(options.password);
  const timing = { ...agentTiming, ...options.timing };
  const gate = new ConnectionGate((message) => log.log('warning', message), timing);
  const sessions = new Map<string, Session>();
  const endpoint = await listen(address, tls, { provider, credential, binding, gate, sessions, version, timing, log });
  log.log('info', `serving a ${provider.kind} host on ${endpoint.url}`);
  if (!address.tls) log.log('warning', 'plain http: passwords are never sent, but data and commands are not encrypted');
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    closing ??= (async () => {
      signal.removeEventListener('abort', onAbort);
      await endpoint.close();
      await dispose();
    })();
    return closing;
  };
  const onAbort = (): void => {
    close().catch((error: unknown) => log.log('error', 'stopping the agent failed', error));
  };
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  return { url: endpoint.url, close };
}

async function createProvider(choice: ProviderChoice): Promise<HostProvider> {
  if (choice.kind === 'hyperv') {
    throw usage(
      'The Hyper-V provider is not part of this version of Tidemark.',
      'Use --provider simulated with --root DIR; a host directory is made with: tidemark sim init DIR',
    );
  }
  const { createSimulatedProvider } = await import('./simulated/index.ts');
  return createSimulatedProvider(choice.root);
}

function parseListen(text: string): ListenAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const tls = url?.protocol === 'https:';
  if (url === undefined || (!tls && url.protocol !== 'http:') || url.pathname !== '/' || url.username !== '') {
    throw usage(
      `"${text}" is not an address to listen on.`,
      `Give it as https://0.0.0.0:${defaultAgentPort} or http://127.0.0.1:${defaultAgentPort}.`,
    );
  }
  // `URL` drops a port that is the scheme's own, and an absent one is ours.
  const explicit = /^https?:\/\/(?:\[[^\]]*\]|[^:/?#[\]]*):(\d+)/i.exec(text.trim())?.[1];
  const port = explicit === undefined ? defaultAgentPort : Number(explicit);
  return { tls, host: url.hostname.replace(/^\[|\]$/g, ''), port };
}

function usage(message: string, hint: string): TidemarkError {
  return new TidemarkError(errorCodes.invalidUsage, message, { hint });
}
