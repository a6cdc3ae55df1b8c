/**
 * Opens a socket to an agent and upgrades it. By hand rather than with `node:http`, because a data connection reads
 * straight into its buffers (`onread`), which node's HTTP client cannot do.
 */
import { connect as connectTcp } from 'node:net';
import type { OnReadOpts, Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { TLSSocket } from 'node:tls';

import { certificateSha256 } from '../../base/channel-binding.ts';
import { systemCode } from '../../base/files.ts';
import { cancelledError, errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { ResponseHead } from './response-head.ts';

/** Where an agent listens. */
export interface AgentAddress {
  /** As the user gave it. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

/** Receives bytes after the upgrade; see `FrameReceiver`. */
export interface ByteSink {
  target(): Buffer;
  filled(count: number): void;
  push(bytes: Buffer): void;
}

/** What to ask for. */
export interface DialOptions {
  readonly path: string;
  readonly upgrade: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  /** SHA-256 (hex) that the certificate must have. */
  readonly certificateSha256?: string | undefined;
  /** What a `401` means; without it, that this is no agent. */
  readonly refused?: () => TidemarkError;
  /** Where the bytes after the upgrade go. Without one, they stay in the socket, which is paused. */
  readonly sink?: ByteSink;
  /** Called when the sink throws: the peer broke the protocol. */
  readonly onSinkError?: (error: unknown) => void;
}

/** An upgraded socket. */
export interface Dialled {
  readonly socket: Socket;
  /** The agent's certificate (DER); present over https. */
  readonly certificate: Buffer | undefined;
  /** Headers of the `101` answer, names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
}

/** Reads an agent's URL. Throws `TM1001` when it is not `http(s)://host[:port]`. The default port is 8440. */
export function parseAgentUrl(url: string): AgentAddress {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const tls = parsed?.protocol === 'https:';
  if (
    parsed === undefined ||
    (!tls && parsed.protocol !== 'http:') ||
    parsed.username !== '' ||
    parsed.password !== '' ||
    parsed.pathname !== '/' ||
    parsed.search !== '' ||
    parsed.hash !== ''
  ) {
    throw new TidemarkError(errorCodes.invalidInput, `"${url}" is not the URL of an agent.`, {
      hint: 'Give it as https://host:8440 or http://host:8440, without a path.',
    });
  }
  // `URL` drops a port that is the scheme's own; an explicit ":443" or ":80" must not turn into 8440.
  const explicit = /^https?:\/\/(?:\[[^\]]*\]|[^:/?#[\]]*):(\d+)/i.exec(url.trim())?.[1];
  const port = explicit === undefined ? 8440 : Number(explicit);
  return { url, host: parsed.hostname.replace(/^\[|\]$/g, ''), port, tls };
}

/** The error of an agent that cannot be reached. */
export function unreachable(url: string, why: string, cause?: unknown): TidemarkError {
  return new TidemarkError(errorCodes.hostUnreachable, `The agent at ${url} cannot be reached: ${why}.`, {
    hint: 'Check the URL, that the agent runs on the host, and that no firewall is in the way.',
    cause,
  });
}

/** The error of something that answers but is no agent. */
export function notAnAgent(url: string, what: string, cause?: unknown): TidemarkError {
  return new TidemarkError(
    errorCodes.agentProtocolViolation,
    `${url} does not answer like a Tidemark agent: ${what}.`,
    {
      hint: 'Check the port and whether the URL must begin with https or http.',
      cause,
    },
  );
}

/** The error of a connection that was there and is gone. */
export function connectionLost(url: string, why: string, cause?: unknown): TidemarkError {
  return new TidemarkError(errorCodes.agentConnectionLost, `The connection to the agent at ${url} was lost: ${why}.`, {
    hint: 'Check the network and whether the agent still runs on the host.',
    cause,
  });
}

function wrongCertificate(url: string): TidemarkError {
  return new TidemarkError(
    errorCodes.agentCertificateMismatch,
    `The certificate of the agent at ${url} is not the one it had.`,
    {
      hint: 'If it was renewed on purpose, remove the host and add it again; if not, somebody may be in between.',
    },
  );
}

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens on that port',
  ENOTFOUND: 'the host name is unknown',
  EAI_AGAIN: 'the host name cannot be resolved now',
  EHOSTUNREACH: 'there is no route to the host',
  ENETUNREACH: 'there is no route to the network',
  ETIMEDOUT: 'it does not answer',
};

/** Connects and upgrades. Throws `TM2001` (unreachable, too slow), `refused()` (a `401`), `TM2003` (not the pinned certificate), `TM2004` (not an agent). */
export async function dial(address: AgentAddress, options: DialOptions): Promise<Dialled> {
  const { signal, timeoutMs } = options;
  const head = new ResponseHead(options.upgrade);
  const { promise, resolve, reject } = Promise.withResolvers<Dialled>();
  let connected = false;
  let certificate: Buffer | undefined;

  const consume = (bytes: Buffer): void => {
    try {
      const rest = head.push(bytes);
      if (rest === undefined) return;
      finish(rest);
    } catch (error) {
      fail(head.status === 401 && options.refused !== undefined ? options.refused() : withUrl(address.url, error));
    }
  };
  const socket = openSocket(address, options, head, consume);
  const timer = setTimeout(() => fail(unreachable(address.url, 'it does not answer in time')), timeoutMs);
  const onAbort = (): void => fail(TidemarkError.is(signal.reason) ? signal.reason : cancelledError(signal.reason));
  const onError = (error: Error): void => fail(socketError(address, error, connected));
  const onClose = (): void => fail(closedEarly(address, connected));
  const settle = (): void => {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    socket.off('close', onClose).off('data', consume);
  };
  const fail = (error: TidemarkError): void => {
    settle();
    socket.destroy();
    reject(error);
  };
  const finish = (rest: Buffer): void => {
    settle();
    // Later errors belong to whoever has the socket; this listener stays so that none is thrown in between.
    socket.off('error', onError).on('error', () => undefined);
    if (options.sink === undefined) {
      socket.pause();
      if (rest.length > 0) socket.unshift(rest);
    } else {
      pushRest(options.sink, rest, options.onSinkError);
    }
    resolve({ socket, certificate, headers: head.headers });
  };

  socket.on('error', onError).on('close', onClose);
  socket.once(address.tls ? 'secureConnect' : 'connect', () => {
    connected = true;
    certificate = certificateOf(socket);
    if (address.tls && !isTrusted(certificate, options.certificateSha256)) fail(wrongCertificate(address.url));
    else socket.write(requestText(address, options));
  });
  if (options.sink === undefined) socket.on('data', consume);
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  return promise;
}

function pushRest(sink: ByteSink, rest: Buffer, onError: ((error: unknown) => void) | undefined): void {
  if (rest.length === 0) return;
  try {
    sink.push(rest);
  } catch (error) {
    onError?.(error);
  }
}

/** A socket; with a sink it reads into the sink's own memory once the answer's head is complete. */
function openSocket(
  address: AgentAddress,
  options: DialOptions,
  head: ResponseHead,
  consume: (bytes: Buffer) => void,
): Socket {
  const { host, port } = address;
  const { sink } = options;
  const reading = sink === undefined ? {} : { onread: readInto(sink, head, consume, options.onSinkError) };
  if (!address.tls) return connectTcp({ host, port, noDelay: true, ...reading });
  // Self-signed certificates are normal; the SCRAM exchange is bound to the certificate instead (docs/security.md).
  const servername = /^[\d.]+$|:/.test(host) ? {} : { servername: host };
  return connectTls({ host, port, rejectUnauthorized: false, minVersion: 'TLSv1.3', ...servername, ...reading });
}

function readInto(
  sink: ByteSink,
  head: ResponseHead,
  consume: (bytes: Buffer) => void,
  onSinkError: ((error: unknown) => void) | undefined,
): OnReadOpts {
  const staging = Buffer.alloc(4096);
  return {
    buffer: () => (head.complete ? sink.target() : staging),
    callback: (count, buffer) => {
      if (!head.complete) {
        consume(Buffer.from(buffer.subarray(0, count)));
        return true;
      }
      try {
        sink.filled(count);
      } catch (error) {
        onSinkError?.(error);
      }
      return true;
    },
  };
}

function requestText(address: AgentAddress, options: DialOptions): string {
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  const lines = [
    `GET ${options.path} HTTP/1.1`,
    `Host: ${host}:${address.port}`,
    'Connection: Upgrade',
    `Upgrade: ${options.upgrade}`,
    ...Object.entries(options.headers ?? {}).map(([name, value]) => `${name}: ${value}`),
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

function isTlsSocket(socket: Socket): socket is TLSSocket {
  return 'getPeerX509Certificate' in socket;
}

/** The certificate the other side showed. To be called once: Node (seen with 24.21) gives it only to the first call. */
function certificateOf(socket: Socket): Buffer | undefined {
  return isTlsSocket(socket) ? socket.getPeerX509Certificate()?.raw : undefined;
}

function isTrusted(certificate: Buffer | undefined, pin: string | undefined): boolean {
  if (certificate === undefined) return false;
  return pin === undefined || certificateSha256(certificate) === pin.toLowerCase();
}

function socketError(address: AgentAddress, error: Error, connected: boolean): TidemarkError {
  const code = systemCode(error) ?? '';
  if (address.tls && !connected && (code.startsWith('ERR_SSL') || code === 'EPROTO')) {
    return notAnAgent(address.url, 'it does not speak TLS', error);
  }
  if (connected) return closedEarly(address, true, error);
  return unreachable(
    address.url,
    reasons[code] ?? (code === '' ? 'the connection failed' : `the connection failed with ${code}`),
    error,
  );
}

function closedEarly(address: AgentAddress, connected: boolean, cause?: unknown): TidemarkError {
  if (!connected) return unreachable(address.url, 'it closed the connection at once', cause);
  const other = address.tls ? 'http' : 'https';
  return unreachable(address.url, `it closed the connection without an answer (does it use ${other}?)`, cause);
}

/** Errors of the answer's head name no URL; this adds it. */
function withUrl(url: string, error: unknown): TidemarkError {
  const found = TidemarkError.from(error);
  return found.code === errorCodes.agentProtocolViolation ? notAnAgent(url, found.message, error) : found;
}
