/** Where clients on other machines connect: TLS 1.3, then both sides prove that they know the daemon's password, as agents do. */
import { X509Certificate } from 'node:crypto';
import { isIPv6 } from 'node:net';
import type { Socket } from 'node:net';
import { createServer } from 'node:tls';
import type { Server, TLSSocket } from 'node:tls';

import { certificateSha256, endPointBinding } from '../base/channel-binding.ts';
import { ConnectionGate, connectionKey, systemGateClock } from '../base/connection-gate.ts';
import type { GateTiming } from '../base/connection-gate.ts';
import { systemCode } from '../base/files.ts';
import { handshake } from '../base/handshake.ts';
import { parseHttpsUrl } from '../base/https-url.ts';
import { LineBudget } from '../base/line-budget.ts';
import type { Logger } from '../base/log.ts';
import { LoginGuard, lockOutPolicy } from '../base/login-guard.ts';
import type { LockOutPolicy } from '../base/login-guard.ts';
import { scramCredential, ScramServer } from '../base/scram.ts';
import type { ChannelBinding, ScramCredential } from '../base/scram.ts';
import {
  defaultDaemonPort,
  maxRemoteLineBytes,
  remoteAccepted,
  remoteAlpn,
  remoteGreeting,
  remoteRefused,
} from '../protocol/daemon-handshake.ts';
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import type { ErrorCode } from '../protocol/errors.ts';

/** What it takes to be reached from other machines. */
export interface RemoteAccess {
  /** `https://address:port`; port 0 takes a free one. */
  readonly listen: string;
  /** PEM texts of the certificate (the daemon's own one first) and its key. */
  readonly cert: string;
  readonly key: string;
  readonly password: string;
  /** What differs from the usual times, for tests. */
  readonly timing?: Partial<GateTiming> | undefined;
  /** What differs from `lockOutPolicy`, for tests. */
  readonly lockOut?: Partial<LockOutPolicy> | undefined;
}

/** A listener that is open. */
export interface RemoteListener {
  /** With the real port. */
  readonly url: string;
  /** Stops listening; clients that have proved themselves stay. */
  close(): void;
}

const gateTiming: GateTiming = { authenticationMs: 10_000, penaltyMs: 1000 };
/** Clients, and those who have not proved anything yet, at a time. */
const maxConnections = 256;
const keepAliveMs = 15_000;
/** Lines about those who have proved nothing: some 100 KiB an hour at most. */
const strangersLines = 250;
const strangersPeriodMs = 3_600_000;
/** Time for the line that refuses a connection to leave, ms. */
const farewellMs = 200;

/** The gate ends the whole earlier; this ends what it has let go. */
const handshakeTimeoutMs = 20_000;

/** Begins to listen. Throws `TM1002` for an address or password that cannot be, `TM1003` for a bad certificate or key, `TM5004` when the address cannot be listened on. */
export async function listenRemotely(
  access: RemoteAccess,
  log: Logger,
  onClient: (socket: Socket) => void,
): Promise<RemoteListener> {
  const address = parseHttpsUrl(access.listen, defaultDaemonPort);
  if (address === undefined) {
    throw new TidemarkError(errorCodes.invalidUsage, `"${access.listen}" is not an address to listen on.`, {
      hint: `Give it as https://0.0.0.0:${defaultDaemonPort}.`,
    });
  }
  if (access.password === '') {
    throw new TidemarkError(errorCodes.invalidUsage, 'The password of a daemon must not be empty.', {
      hint: 'Choose a long random one.',
    });
  }
  const certificate = certificateOf(access.cert);
  const server = makeServer(access);
  const credential = await scramCredential(access.password);
  const watch = watchDoor(access, log);
  const door = new Door({ binding: endPointBinding(certificate), credential, ...watch, log, onClient });
  door.serve(server);
  await startListening(server, address);
  // Without a listener a failed accept (no file descriptors left) would end the daemon.
  server.on('error', (error) => log.log('error', 'A connection from another machine could not be taken', error));
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
  const url = `https://${isIPv6(address.host) ? `[${address.host}]` : address.host}:${port}`;
  const fingerprint = certificateSha256(certificate);
  log.log('info', `Listening for other machines on ${url}; SHA-256 of the certificate: ${fingerprint}`);
  return {
    url,
    close() {
      // Its callback would wait for the clients, which end later.
      server.close();
      door.close();
    },
  };
}

/** What watches over those who have not proved the password; all of it that is logged shares one budget. */
function watchDoor({ timing, lockOut }: RemoteAccess, log: Logger): Pick<DoorOptions, 'gate' | 'guard' | 'strangers'> {
  const { now } = timing?.clock ?? systemGateClock;
  const budget = new LineBudget(strangersLines, strangersPeriodMs, now);
  const strangers = (message: string): void =>
    budget.spend((leftOut) => {
      log.log('warning', leftOut === 0 ? message : `${message} (${leftOut} lines about other strangers left out)`);
    });
  // A daemon has no audit log; its log has the wrong passwords.
  const audit = { note: (): void => undefined };
  const guard = new LoginGuard({ policy: { ...lockOutPolicy, ...lockOut }, now, log, audit, budget });
  return { gate: new ConnectionGate(strangers, { ...gateTiming, ...timing }), guard, strangers };
}

interface DoorOptions {
  readonly binding: ChannelBinding;
  readonly credential: ScramCredential;
  readonly gate: ConnectionGate;
  readonly guard: LoginGuard;
  /** Logs what somebody who has proved nothing did; not every line of many. */
  readonly strangers: (message: string) => void;
  readonly log: Logger;
  readonly onClient: (socket: Socket) => void;
}

/** Lets in whoever proves to know the password. */
class Door {
  readonly #options: DoorOptions;
  /** Raw sockets of those that have proved nothing yet. */
  readonly #unproved = new Map<string, Socket>();

  constructor(options: DoorOptions) {
    this.#options = options;
  }

  serve(server: Server): void {
    const { gate, log } = this.#options;
    server.maxConnections = maxConnections;
    server.on('connection', (socket: Socket) => {
      const key = connectionKey(socket);
      if (key === undefined) {
        socket.destroy();
        return;
      }
      this.#unproved.set(key, socket);
      socket.once('close', () => this.#unproved.delete(key));
      gate.admit(socket);
    });
    server.on('secureConnection', (socket) => {
      socket.on('error', (error) => log.log('debug', 'A client connection failed', error));
      const key = connectionKey(socket);
      if (key === undefined) socket.destroy();
      else void this.#letIn(socket, key);
    });
    // The handshake failed: nothing can be said to the other side.
    server.on('tlsClientError', (_error, socket) => socket.destroy());
  }

  close(): void {
    this.#options.gate.stop();
    this.#options.guard.close();
    for (const socket of this.#unproved.values()) socket.destroy();
  }

  async #letIn(socket: TLSSocket, key: string): Promise<void> {
    const { log, onClient, strangers } = this.#options;
    const failed = (cause?: unknown): TidemarkError =>
      new TidemarkError(errorCodes.daemonAuthenticationFailed, 'The authentication did not come to an end.', { cause });
    const limits = { timeoutMs: handshakeTimeoutMs, maxLineBytes: maxRemoteLineBytes, failed };
    let refusal: TidemarkError | undefined;
    const refuse = async (error: unknown): Promise<TidemarkError> => {
      refusal = refusalOf(error);
      await sayRefusal(socket, refusal);
      return refusal;
    };
    try {
      await handshake(socket, limits, async (readLine) => this.#prove(socket, key, readLine, refuse));
    } catch (error) {
      // A client that was refused hangs up, and that may be noticed first.
      const { code, message } = refusal ?? TidemarkError.from(error);
      // The guard tells of those itself, and how many there were.
      if (code !== errorCodes.agentLockedOut) strangers(`A client at ${key} was refused: ${message}`);
      return;
    }
    this.#unproved.delete(key);
    socket.setKeepAlive(true, keepAliveMs);
    log.log('info', `A client connected from ${key}`);
    onClient(socket);
  }

  async #prove(
    socket: TLSSocket,
    key: string,
    readLine: () => Promise<string>,
    refuse: (error: unknown) => Promise<TidemarkError>,
  ): Promise<void> {
    const { credential, binding, gate, guard } = this.#options;
    const scram = new ScramServer(credential, binding);
    const address = socket.remoteAddress ?? '';
    try {
      guard.check(address);
      const greeting = await readLine();
      if (!greeting.startsWith(`${remoteGreeting} `)) {
        throw new TidemarkError(errorCodes.daemonVersionMismatch, 'The client speaks another protocol.');
      }
      socket.write(`${remoteAccepted}${scram.first(greeting.slice(remoteGreeting.length + 1))}\n`);
    } catch (error) {
      throw await refuse(error);
    }
    const proof = await readLine();
    try {
      // Asked again: the connection may be older than the lock-out.
      guard.check(address);
      const { message } = scram.final(proof);
      gate.pass(key);
      guard.succeeded(address);
      socket.write(`${remoteAccepted}${message}\n`);
    } catch (error) {
      if (TidemarkError.is(error, errorCodes.agentLockedOut)) throw await refuse(error);
      if (TidemarkError.is(error, errorCodes.agentAuthenticationFailed)) guard.failed(address);
      await gate.penalty(key);
      throw await refuse(error);
    }
  }
}

/** What of an authentication that failed the client may know, in this protocol's codes, and what the log says. */
const refusals: Partial<Record<ErrorCode, readonly [ErrorCode, string]>> = {
  [errorCodes.agentAuthenticationFailed]: [errorCodes.daemonAuthenticationFailed, 'The password is wrong.'],
  [errorCodes.agentCertificateMismatch]: [
    errorCodes.daemonCertificateMismatch,
    'The encrypted connection does not begin at the client: somebody is in between.',
  ],
  [errorCodes.daemonVersionMismatch]: [errorCodes.daemonVersionMismatch, 'It speaks another protocol.'],
  [errorCodes.agentLockedOut]: [errorCodes.agentLockedOut, 'Too many wrong passwords came from its address.'],
};

/** Why a client is not let in, for it and for the log. */
function refusalOf(error: unknown): TidemarkError {
  const known = refusals[TidemarkError.from(error).code];
  const [code, message] = known ?? [errorCodes.invalidInput, 'It does not keep to the protocol.'];
  return new TidemarkError(code, message, { cause: error });
}

/** Tells the client, and gives that time to leave. */
async function sayRefusal(socket: TLSSocket, { code }: TidemarkError): Promise<void> {
  const left = Promise.withResolvers<void>();
  const timer = setTimeout(left.resolve, farewellMs);
  socket.write(`${remoteRefused}${code}\n`, () => left.resolve());
  await left.promise;
  clearTimeout(timer);
}

function certificateOf(pem: string): Buffer {
  try {
    return new X509Certificate(pem).raw;
  } catch (error) {
    throw new TidemarkError(errorCodes.invalidFile, 'The TLS certificate cannot be read.', {
      hint: 'Give a file with a certificate in PEM form.',
      cause: error,
    });
  }
}

function makeServer({ cert, key }: RemoteAccess): Server {
  try {
    return createServer({ cert, key, minVersion: 'TLSv1.3', handshakeTimeout: 10_000, ALPNProtocols: [remoteAlpn] });
  } catch (error) {
    throw new TidemarkError(errorCodes.invalidFile, 'The TLS certificate and key do not fit together.', {
      hint: 'Give a PEM certificate and the PEM key it was made with, without a passphrase.',
      cause: error,
    });
  }
}

async function startListening(
  server: Server,
  address: { readonly host: string; readonly port: number },
): Promise<void> {
  const listening = Promise.withResolvers<void>();
  server.once('error', listening.reject);
  server.listen(address, listening.resolve);
  try {
    await listening.promise;
  } catch (error) {
    throw new TidemarkError(
      errorCodes.daemonStartFailed,
      `The daemon cannot listen on ${address.host}, port ${address.port} (${systemCode(error) ?? 'unknown error'}).`,
      { hint: 'Choose an address of this computer and a port that is free.', cause: error },
    );
  } finally {
    server.off('error', listening.reject);
  }
}
