/** One known host: its control connection, shared by all runs, and what was last heard of it. */
import { createHash } from 'node:crypto';

import type { Logger } from '../base/log.ts';
import type { HostEntry, HostState } from '../protocol/daemon.ts';
import { cancelledError, errorCodes, TidemarkError } from '../protocol/errors.ts';
import type { OwnerId } from '../protocol/ids.ts';
import type { AgentConnection, AgentTarget, ConnectOptions } from './agent-client/connection.ts';
import { abortable } from './deadline.ts';
import { sourceKind } from './password-source.ts';
import type { PasswordSource } from './password-source.ts';
import type { RunHost } from './runs/context.ts';
import type { HostRecord } from './store/store.ts';

/** Opens a control connection: `connectAgent`, or a stand-in in tests. */
export type AgentConnector = (target: AgentTarget, options: ConnectOptions) => Promise<AgentConnection>;

/** What the daemon says about itself to agents. */
export interface AgentIdentity {
  readonly owner: OwnerId;
  /** `tidemark 0.1.0`. */
  readonly client: string;
  readonly connect: AgentConnector;
  readonly log: Logger;
}

/** The password of one host. */
export interface HostPassword {
  /** As it is now. */
  read(signal: AbortSignal): Promise<string>;
  source(): PasswordSource | undefined;
}

/** Limits of `hostEntry` in protocol/daemon.ts. */
const maxWarnings = 16;
const maxWarningLength = 1024;
/**
 * A password that the agent refused is not tried again for so long, ms: agents lock out whoever fails too often. For runs, because a policy has many VMs on one
 * host, but not so long that a night's backup is lost when the agent gets the right password; longer where nobody waits for it: hosts are asked twice a minute while somebody looks.
 */
const refusedMs = { run: 5 * 60_000, glance: 6 * 3_600_000 } as const;

/** A host of the registry. */
export class ManagedHost implements RunHost {
  readonly record: HostRecord;
  readonly #identity: AgentIdentity;
  readonly #password: HostPassword;
  /** Called when what clients see changed. */
  readonly #onChange: () => void;
  readonly #now: () => number;
  readonly #lifetime = new AbortController();
  #connection: AgentConnection | undefined;
  #connecting: Promise<AgentConnection> | undefined;
  #status: HostState = { state: 'unknown' };
  #warnings: readonly string[] = [];
  /** The password (its SHA-256) that the agent refused, and when. */
  #refused: { readonly digest: string; readonly at: number } | undefined;

  /** `now`: milliseconds, of which only differences mean something. */
  constructor(
    record: HostRecord,
    password: HostPassword,
    identity: AgentIdentity,
    onChange: () => void,
    now: () => number = () => performance.now(),
  ) {
    this.#now = now;
    this.record = record;
    this.#password = password;
    this.#identity = identity;
    this.#onChange = onChange;
  }

  get name(): string {
    return this.record.name;
  }

  get threads(): number {
    return this.record.threads;
  }

  /**
   * The one connection; a lost one is replaced. A caller that gives up does not stop the connecting for the others. A password that the agent refused is
   * not tried again before it is another one, `test` was called, or some minutes have passed: `TM2002` at once.
   */
  async connect(signal: AbortSignal): Promise<AgentConnection> {
    return this.#shared(signal, refusedMs.run);
  }

  /** As `connect`, for what nobody waits for: a password that was refused is then left alone for hours. */
  async glance(signal: AbortSignal): Promise<AgentConnection> {
    return this.#shared(signal, refusedMs.glance);
  }

  /** What clients see. */
  entry(): HostEntry {
    const { name, url, threads, certificateSha256 } = this.record;
    const source = this.#password.source();
    return {
      name,
      url,
      threads,
      ...(certificateSha256 === undefined ? {} : { certificateSha256 }),
      status: this.#status,
      ...(source === undefined ? {} : { passwordSource: sourceKind(source) }),
      warnings: this.#warnings,
    };
  }

  /** Connects anew with what is stored, to learn whether that works now. The answer is in `entry()`. */
  async test(signal: AbortSignal): Promise<void> {
    try {
      const connection = await this.#connectOnce(signal, 0);
      this.#heardFrom(connection);
      await connection.close();
    } catch (error) {
      if (signal.aborted) throw error;
      this.#unreachable(error);
    }
  }

  /** Takes over a connection that was made to test a new host. */
  adopt(connection: AgentConnection): void {
    this.#keep(connection);
  }

  /** Ends the connection; the host cannot be used any more. */
  async close(): Promise<void> {
    this.#lifetime.abort(cancelledError());
    await this.#connecting?.catch(() => undefined);
    await this.#connection?.close();
  }

  async #shared(signal: AbortSignal, patienceMs: number): Promise<AgentConnection> {
    if (this.#connection !== undefined && !this.#connection.closed.aborted) return this.#connection;
    this.#connecting ??= this.#open(patienceMs).finally(() => (this.#connecting = undefined));
    return abortable(this.#connecting, signal);
  }

  async #open(patienceMs: number): Promise<AgentConnection> {
    try {
      const connection = await this.#connectOnce(this.#lifetime.signal, patienceMs);
      this.#keep(connection);
      return connection;
    } catch (error) {
      if (!this.#lifetime.signal.aborted) this.#unreachable(error);
      throw error;
    }
  }

  #keep(connection: AgentConnection): void {
    this.#connection = connection;
    this.#heardFrom(connection);
    const onClosed = (): void => {
      if (this.#connection === connection && !this.#lifetime.signal.aborted)
        this.#unreachable(connection.closed.reason);
    };
    connection.closed.addEventListener('abort', onClosed, { once: true });
  }

  async #connectOnce(signal: AbortSignal, patienceMs: number): Promise<AgentConnection> {
    const { url, certificateSha256 } = this.record;
    const { owner, client, connect, log } = this.#identity;
    const password = await this.#password.read(signal);
    const digest = createHash('sha256').update(password).digest('hex');
    const refused = this.#refused;
    if (refused?.digest === digest && this.#now() - refused.at < patienceMs) throw this.#refusedBefore();
    try {
      const connection = await connect({ url, password, certificateSha256 }, { owner, client, signal, log });
      this.#refused = undefined;
      return connection;
    } catch (error) {
      if (TidemarkError.is(error, errorCodes.agentAuthenticationFailed)) this.#refused = { digest, at: this.#now() };
      throw error;
    }
  }

  #refusedBefore(): TidemarkError {
    return new TidemarkError(
      errorCodes.agentAuthenticationFailed,
      'The agent refused the password. It is not tried again for a while, unless it is changed or the host is tested.',
      {
        hint: `Correct the password of the host, or run \`tidemark host test ${this.name}\` when the agent has it now.`,
      },
    );
  }

  #heardFrom(connection: AgentConnection): void {
    this.#show(
      { state: 'reachable', info: connection.host, agentVersion: connection.agentVersion },
      connection.warnings.slice(0, maxWarnings).map((text) => text.slice(0, maxWarningLength)),
    );
  }

  #unreachable(error: unknown): void {
    const since = this.#status.state === 'unreachable' ? this.#status.since : new Date().toISOString();
    this.#show({ state: 'unreachable', since, error: TidemarkError.from(error).report() }, this.#warnings);
  }

  #show(status: HostState, warnings: readonly string[]): void {
    const before = JSON.stringify([this.#status, this.#warnings]);
    this.#status = status;
    this.#warnings = warnings;
    if (JSON.stringify([status, warnings]) !== before) this.#onChange();
  }
}
