/** The agent's composition root: chooses the provider and serves it. */
import { ConnectionGate, systemGateClock } from '../base/connection-gate.ts';
import { FairLimit } from '../base/fair-limit.ts';
import { LineBudget } from '../base/line-budget.ts';
import type { Logger } from '../base/log.ts';
import { LoginGuard, lockOutPolicy } from '../base/login-guard.ts';
import type { LockOutPolicy } from '../base/login-guard.ts';
import { scramCredential } from '../base/scram.ts';
import type { ChannelBinding, ScramCredential } from '../base/scram.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../protocol/errors.ts';
import { noAudit } from './audit.ts';
import type { AuditLog } from './audit.ts';
import type { ControlServices } from './control.ts';
import { HeldBytes } from './held-bytes.ts';
import { bindingOf, fingerprintOf, listen } from './http-server.ts';
import type { AgentTls } from './http-server.ts';
import { parseListen } from './listen-address.ts';
import type { ListenAddress } from './listen-address.ts';
import type { HostProvider } from './provider.ts';
import type { Session } from './session.ts';
import { agentTiming } from './timing.ts';
import type { AgentTiming } from './timing.ts';

/** Reads of disks at a time, over all daemons, unless told otherwise. */
export const defaultThreads = 4;

/** Configuration files, in base64, that restores hold until they end, over all daemons: several of the largest. Node ends with some 4 GiB of such texts. */
const maxConfigurationBytes = 256 * 1024 * 1024;
/** Data connections at a time, over all daemons: each may hold some 20 MiB. An honest daemon has as many for each run as it was given threads, at most 16. */
const maxDataConnections = 512;
/** Lines about those who have proved nothing, in the log and the audit log together: some 100 KiB an hour at most. */
const strangersLines = 250;
const strangersPeriodMs = 3_600_000;

/** A provider chosen by name, as on the command line. */
export type ProviderChoice =
  | { readonly kind: 'simulated'; readonly root: string }
  | {
      readonly kind: 'hyperv';
      /** What the provider must remember lies here. */
      readonly stateDirectory: string;
      /** Where disks of restored VMs go; undefined for Hyper-V's own default. */
      readonly restoreDirectory?: string | undefined;
    };

/** What to serve, where, and under which password. */
export interface ServeAgentOptions {
  readonly provider: HostProvider | ProviderChoice;
  /** `http://address:port` or `https://address:port`; port 0 takes a free one. */
  readonly listen: string;
  /** The password itself, or what SCRAM keeps of it. */
  readonly password: string | ScramCredential;
  /** PEM texts; needed for https, refused for http. */
  readonly tls?: AgentTls | undefined;
  /** Reads of disks that run at a time, over all daemons; default `defaultThreads`. */
  readonly threads?: number | undefined;
  readonly audit?: AuditLog | undefined;
  /** Text the agent gives as its version. */
  readonly version?: string;
  /** What differs from `agentTiming`, for tests. */
  readonly timing?: Partial<AgentTiming>;
  /** What differs from `lockOutPolicy`, for tests. */
  readonly lockOut?: Partial<LockOutPolicy>;
  /** Instead of `maxConfigurationBytes`, for tests. */
  readonly configurationBytes?: number;
  /** Instead of `maxDataConnections`, for tests. */
  readonly dataConnections?: number;
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
  const provider = await createProvider(given, options.log);
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
  const { password } = options;
  const credential = typeof password === 'string' ? await scramCredential(password) : password;
  const timing = { ...agentTiming, ...options.timing };
  const sessions = new Map<string, Session>();
  const audit = options.audit ?? noAudit;
  const reads = new FairLimit(options.threads ?? defaultThreads);
  const configurations = new HeldBytes(options.configurationBytes ?? maxConfigurationBytes);
  const doors = watchDoors(options, timing, audit);
  const services = {
    provider,
    credential,
    binding,
    ...doors,
    sessions,
    version,
    timing,
    log,
    audit,
    reads,
    configurations,
    maxDataConnections: options.dataConnections ?? maxDataConnections,
  };
  const endpoint = await listen(address, tls, services);
  log.log('info', `serving a ${provider.kind} host on ${endpoint.url}`);
  if (tls !== undefined) log.log('info', `SHA-256 of the certificate: ${fingerprintOf(tls)}`);
  audit.note({ action: 'agent-started', result: 'ok', version, url: endpoint.url });
  if (!address.tls) log.log('warning', 'plain http: passwords are never sent, but data and commands are not encrypted');
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    closing ??= (async () => {
      signal.removeEventListener('abort', onAbort);
      await endpoint.close();
      doors.guard.close();
      audit.note({ action: 'agent-stopped', result: 'ok' });
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

/** What watches over those who have not proved the password; all of it that is logged shares one budget. */
function watchDoors(
  { log, lockOut }: ServeAgentOptions,
  timing: AgentTiming,
  audit: AuditLog,
): Pick<ControlServices, 'gate' | 'guard' | 'strangers'> {
  const { now } = timing.clock ?? systemGateClock;
  const budget = new LineBudget(strangersLines, strangersPeriodMs, now);
  const strangers = (message: string): void =>
    budget.spend((leftOut) => {
      log.log('warning', leftOut === 0 ? message : `${message} (${leftOut} lines about other strangers left out)`);
    });
  const guard = new LoginGuard({ policy: { ...lockOutPolicy, ...lockOut }, now, log, audit, budget });
  return { gate: new ConnectionGate(strangers, timing), guard, strangers };
}

async function createProvider(choice: ProviderChoice, log: Logger): Promise<HostProvider> {
  if (choice.kind === 'hyperv') {
    const { createHyperVProvider } = await import('./hyperv/index.ts');
    return createHyperVProvider({ stateFolder: choice.stateDirectory, restoreFolder: choice.restoreDirectory, log });
  }
  const { createSimulatedProvider } = await import('./simulated/index.ts');
  return createSimulatedProvider(choice.root);
}

function usage(message: string, hint: string): TidemarkError {
  return new TidemarkError(errorCodes.invalidUsage, message, { hint });
}
