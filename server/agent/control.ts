/** One control connection: SCRAM first, then hello, then everything else. */
import type { Socket } from 'node:net';

import type { MessageConnection } from 'vscode-jsonrpc/node';

import { plainAddress } from '../base/addresses.ts';
import type { ConnectionGate } from '../base/connection-gate.ts';
import type { FairLimit } from '../base/fair-limit.ts';
import { handleRequest, messageConnection } from '../base/json-rpc.ts';
import type { Logger } from '../base/log.ts';
import type { LoginGuard } from '../base/login-guard.ts';
import { ScramServer } from '../base/scram.ts';
import type { ChannelBinding, ScramCredential } from '../base/scram.ts';
import { agentProtocol, hello, ping, scramFinal, scramFirst } from '../protocol/agent.ts';
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import type { OwnerId } from '../protocol/ids.ts';
import type { Parsed } from '../protocol/parse.ts';
import type { AuditLog } from './audit.ts';
import { providerError, registerHandlers } from './handlers.ts';
import type { HeldBytes } from './held-bytes.ts';
import type { HostProvider } from './provider.ts';
import { Session } from './session.ts';
import type { AgentTiming } from './timing.ts';

/** All that a daemon may send before it has authenticated. */
const maxUntrustedBytes = 16 * 1024;
/** Largest message after that: a VM configuration with its files, base64. */
const maxMessageBytes = 64 * 1024 * 1024;
/** Looks at a silent connection before its time is over. */
const silenceTicks = 4;
/** Daemons at a time. */
const maxSessions = 64;
/** Time for the answer that refuses a connection to leave, ms; then it is destroyed. */
const farewellMs = 200;

/** What control connections of one agent share. */
export interface ControlServices {
  readonly provider: HostProvider;
  readonly credential: ScramCredential;
  readonly binding: ChannelBinding;
  readonly gate: ConnectionGate;
  readonly guard: LoginGuard;
  readonly audit: AuditLog;
  /** Logs what somebody who has proved nothing did; not every line of many. */
  readonly strangers: (message: string) => void;
  /** Reads of disks at a time, over all sessions. */
  readonly reads: FairLimit;
  /** Configuration files of restores, over all sessions. */
  readonly configurations: HeldBytes;
  readonly sessions: Map<string, Session>;
  /** Data connections at a time, over all sessions. */
  readonly maxDataConnections: number;
  readonly version: string;
  readonly timing: AgentTiming;
  readonly log: Logger;
}

type State =
  | { readonly phase: 'first' | 'proving' | 'refused' }
  | { readonly phase: 'final'; readonly scram: ScramServer }
  | { readonly phase: 'greeting' }
  | { readonly phase: 'ready'; readonly session: Session; readonly owner: OwnerId };

/** Serves an upgraded socket; resolves when it is closed and everything it had open is closed too. */
export async function serveControl(
  socket: Socket,
  peer: { readonly key: string; readonly address: string },
  services: ControlServices,
): Promise<void> {
  await new ControlServer(socket, peer, services).run();
}

class ControlServer {
  readonly #socket: Socket;
  readonly #key: string;
  readonly #address: string;
  readonly #services: ControlServices;
  readonly #rpc: MessageConnection;
  readonly #running = new Set<Promise<unknown>>();
  readonly #stopCounting: () => void;
  #state: State = { phase: 'first' };
  /** From authentication to the end of the connection, whatever else happens. */
  #session: Session | undefined;

  constructor(
    socket: Socket,
    { key, address }: { readonly key: string; readonly address: string },
    services: ControlServices,
  ) {
    this.#socket = socket;
    this.#key = key;
    this.#address = address;
    this.#services = services;
    let received = 0;
    const count = (bytes: Buffer): void => {
      received += bytes.length;
      if (received > maxUntrustedBytes) socket.destroy();
    };
    socket.on('data', count).pause();
    this.#stopCounting = () => socket.off('data', count);
    this.#rpc = messageConnection(socket, maxMessageBytes);
  }

  async run(): Promise<void> {
    const { provider, log, sessions, audit, configurations } = this.#services;
    handleRequest(this.#rpc, scramFirst, ({ message }) => this.#first(message));
    handleRequest(this.#rpc, scramFinal, async ({ message }) => this.#final(message));
    handleRequest(this.#rpc, hello, async (params, signal) => this.#hello(params, signal));
    handleRequest(this.#rpc, ping, () => ({}));
    const running = this.#running;
    registerHandlers({ rpc: this.#rpc, provider, log, configurations, running, ready: () => this.#ready() });
    const closed = new Promise<void>((resolve) => {
      this.#socket.once('close', () => resolve());
    });
    this.#socket.setKeepAlive(true, 30_000);
    this.#rpc.listen();
    const silence = this.#watchSilence();
    await closed;
    clearInterval(silence);
    this.#rpc.dispose();
    const session = this.#session;
    if (session === undefined) return;
    sessions.delete(session.id);
    await session.end(provider, log);
    await Promise.allSettled(this.#running);
    // A request that was still running may have opened something after all; what it kept was closed by `keepExport` and `keepRestore`,
    // but a commit that failed put its restore back.
    await session.end(provider, log);
    if (session.user.owner !== undefined) audit.note({ action: 'session-closed', ...session.user, result: 'ok' });
    log.log('info', `the daemon at ${this.#key} is gone; its checkpoints, if any, stay until it comes back`);
  }

  #watchSilence(): NodeJS.Timeout {
    const { log, timing } = this.#services;
    let seen = -1;
    let quiet = 0;
    return setInterval(() => {
      const { bytesRead } = this.#socket;
      quiet = bytesRead === seen ? quiet + 1 : 0;
      seen = bytesRead;
      if (quiet < silenceTicks) return;
      log.log('warning', `the daemon at ${this.#key} has been silent for ${timing.silenceMs / 1000} s`);
      this.#socket.destroy();
    }, timing.silenceMs / silenceTicks);
  }

  #ready(): { readonly session: Session; readonly owner: OwnerId } {
    const state = this.#state;
    if (state.phase === 'ready') return state;
    if (state.phase === 'greeting') {
      throw new TidemarkError(
        errorCodes.agentProtocolViolation,
        'The first request after the authentication must be hello.',
      );
    }
    throw this.#notAuthenticated();
  }

  #notAuthenticated(): TidemarkError {
    this.#hangUpSoon();
    return new TidemarkError(errorCodes.agentAuthenticationFailed, 'The connection is not authenticated.');
  }

  /** Ends the connection after the answer that is being made has been sent. */
  #hangUpSoon(): void {
    if (this.#state.phase === 'refused') return;
    this.#state = { phase: 'refused' };
    setTimeout(() => this.#socket.destroy(), farewellMs).unref();
  }

  #outOfTurn(): TidemarkError {
    if (this.#session === undefined) this.#hangUpSoon();
    return new TidemarkError(errorCodes.agentProtocolViolation, 'A message came out of turn.');
  }

  #first(message: string): { readonly message: string } {
    if (this.#state.phase !== 'first') throw this.#outOfTurn();
    const { credential, binding } = this.#services;
    try {
      const scram = new ScramServer(credential, binding);
      const answer = scram.first(message);
      this.#state = { phase: 'final', scram };
      return { message: answer };
    } catch (error) {
      this.#services.guard.odd(this.#address, TidemarkError.from(error));
      this.#hangUpSoon();
      throw error;
    }
  }

  async #final(message: string): Promise<{ readonly message: string; readonly sessionId: string }> {
    const { gate, guard, sessions, audit } = this.#services;
    if (this.#state.phase !== 'final') throw this.#outOfTurn();
    const { scram } = this.#state;
    this.#state = { phase: 'proving' };
    try {
      // Asked again: the connection may be older than the lock-out.
      guard.check(this.#address);
      const { message: answer, dataKey } = scram.final(message);
      this.#stopCounting();
      gate.pass(this.#key);
      guard.succeeded(this.#address);
      if (sessions.size >= maxSessions) throw tooManySessions();
      const session = new Session(dataKey, { address: plainAddress(this.#address) }, audit);
      sessions.set(session.id, session);
      this.#session = session;
      this.#state = { phase: 'greeting' };
      return { message: answer, sessionId: session.id };
    } catch (error) {
      await this.#refused(TidemarkError.from(error));
      this.#hangUpSoon();
      throw error;
    }
  }

  /** Counts a login that failed, and makes it cost time. */
  async #refused(error: TidemarkError): Promise<void> {
    const { gate, guard, log } = this.#services;
    if (error.code === errorCodes.agentBusy)
      log.log('warning', `a daemon at ${this.#key} was refused: ${error.message}`);
    if (error.code === errorCodes.agentBusy || error.code === errorCodes.agentLockedOut) return;
    if (error.code === errorCodes.agentAuthenticationFailed) guard.failed(this.#address);
    else guard.odd(this.#address, error);
    await gate.penalty(this.#key);
  }

  async #hello(
    { protocol, client, owner }: Parsed<typeof hello.params>,
    signal: AbortSignal,
  ): Promise<Parsed<typeof hello.result>> {
    const { provider, version, log, audit } = this.#services;
    const session = this.#session;
    if (session === undefined) throw this.#notAuthenticated();
    if (this.#state.phase !== 'greeting') throw this.#outOfTurn();
    const chosen = Math.min(protocol.max, agentProtocol.max);
    if (chosen < Math.max(protocol.min, agentProtocol.min)) {
      throw new TidemarkError(
        errorCodes.agentVersionMismatch,
        `This agent (version ${version}) speaks protocol ${agentProtocol.min} to ${agentProtocol.max}, the daemon ${protocol.min} to ${protocol.max}.`,
        { hint: 'Update the older one of daemon and agent.' },
      );
    }
    try {
      const host = await provider.describe(AbortSignal.any([signal, session.ended]));
      this.#state = { phase: 'ready', session, owner };
      session.user = { ...session.user, owner };
      audit.note({ action: 'session-opened', ...session.user, client, result: 'ok' });
      log.log('info', `${JSON.stringify(client)} connected from ${this.#key}`);
      return { protocol: chosen, agentVersion: version, host };
    } catch (error) {
      throw providerError(error, hello.method, log);
    }
  }
}

function tooManySessions(): TidemarkError {
  return new TidemarkError(errorCodes.agentBusy, `The agent serves ${maxSessions} daemons at a time.`, {
    hint: 'Wait until one of them is done. A restart of the agent ends all connections.',
  });
}
