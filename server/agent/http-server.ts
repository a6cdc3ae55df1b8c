/** The agent's endpoint: an HTTP(S) server of which only two upgrades matter. */
import { X509Certificate } from 'node:crypto';
import { createServer as createHttpServer } from 'node:http';
import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { isIPv6, Socket } from 'node:net';
import type { Duplex } from 'node:stream';

import { certificateSha256, endPointBinding } from '../base/channel-binding.ts';
import { connectionKey } from '../base/connection-gate.ts';
import type { ChannelBinding } from '../base/scram.ts';
import { controlPath, controlUpgrade, dataPath, dataUpgrade } from '../protocol/agent.ts';
import { nonceHeader, proofHeader, sessionHeader } from '../protocol/data.ts';
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import { serveControl } from './control.ts';
import type { ControlServices } from './control.ts';
import { serveData } from './data-server.ts';
import type { ListenAddress } from './listen-address.ts';

/** PEM texts of the agent's certificate (its own one first) and key. */
export interface AgentTls {
  readonly cert: string;
  readonly key: string;
}

/** A listening endpoint. */
export interface Endpoint {
  readonly url: string;
  /** Stops listening, ends every connection and waits until what they had open is closed. */
  close(): Promise<void>;
}

const httpLimits: ServerOptions = { maxHeaderSize: 8192, headersTimeout: 10_000, requestTimeout: 10_000 };

/** The binding of connections to this certificate. Throws `TM1003` when the PEM holds none. */
export function bindingOf(tls: AgentTls | undefined): ChannelBinding {
  return tls === undefined ? { type: 'none' } : endPointBinding(certificateOf(tls));
}

/** SHA-256 of the certificate, as daemons show it. Throws `TM1003` when the PEM holds none. */
export function fingerprintOf(tls: AgentTls): string {
  return certificateSha256(certificateOf(tls));
}

function certificateOf({ cert }: AgentTls): Buffer {
  try {
    return new X509Certificate(cert).raw;
  } catch (error) {
    throw new TidemarkError(errorCodes.invalidFile, 'The TLS certificate cannot be read.', {
      hint: 'Give a file with a certificate in PEM form.',
      cause: error,
    });
  }
}

/** Listens. Throws `TM1003` for a bad certificate or key, `TM1002` when the address cannot be listened on. */
export async function listen(
  address: ListenAddress,
  tls: AgentTls | undefined,
  services: ControlServices,
): Promise<Endpoint> {
  const server = makeServer(tls);
  const running = new Set<Promise<void>>();
  const sockets = new Set<Duplex>();
  server.maxHeadersCount = 64;
  server.on('connection', (socket: Duplex) => {
    if (socket instanceof Socket) services.gate.admit(socket);
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    sockets.add(socket);
    // Its end is noticed by who serves it; strangers must not be able to have a line written for each connection.
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
    const serving = upgrade(request, socket, head, services).catch((error: unknown) => {
      services.log.log('error', 'serving a connection failed', error);
      socket.destroy();
    });
    running.add(serving);
    void serving.finally(() => running.delete(serving));
  });
  server.on('clientError', (_error: Error, socket: Duplex) => {
    if (socket.writable) hangUp(socket, '400 Bad Request');
    else socket.destroy();
  });
  // The handshake failed: nothing can be said to the other side.
  server.on('tlsClientError', (_error: Error, socket: Duplex) => socket.destroy());
  await startListening(server, address);
  // Without a listener a failed accept (no file descriptors left) would end the agent.
  server.on('error', (error) => services.log.log('error', 'the endpoint failed to take a connection', error));
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
  const host = isIPv6(address.host) ? `[${address.host}]` : address.host;
  return {
    url: `${address.tls ? 'https' : 'http'}://${host}:${port}`,
    close: async () => {
      services.gate.stop();
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      server.closeAllConnections();
      for (const socket of sockets) socket.destroy();
      await Promise.all(running);
      await closed;
    },
  };
}

function makeServer(tls: AgentTls | undefined): Server {
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const found = request.method === 'GET' && request.url === '/';
    response.writeHead(found ? 200 : 404, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' });
    response.end(found ? 'Tidemark agent\n' : 'Not found\n');
  };
  if (tls === undefined) return createHttpServer(httpLimits, answer);
  try {
    return createHttpsServer(
      { ...httpLimits, cert: tls.cert, key: tls.key, minVersion: 'TLSv1.3', handshakeTimeout: 10_000 },
      answer,
    );
  } catch (error) {
    throw new TidemarkError(errorCodes.invalidFile, 'The TLS certificate and key do not fit together.', {
      hint: 'Give a PEM certificate and the PEM key it was made with, without a passphrase.',
      cause: error,
    });
  }
}

async function startListening(server: Server, { host, port }: ListenAddress): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const onError = (error: Error): void =>
      reject(
        new TidemarkError(
          errorCodes.invalidUsage,
          `The agent cannot listen on ${host}, port ${port}: ${error.message}.`,
          {
            hint: 'Choose an address of this computer and a port that is free.',
            cause: error,
          },
        ),
      );
    server.once('error', onError);
    server.listen({ host, port }, () => {
      server.off('error', onError);
      resolve();
    });
  });
}

/** Answers and ends, without waiting for the other side to end too. */
function hangUp(socket: Duplex, status: string, header = ''): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n${header}Content-Length: 0\r\n\r\n`, () => socket.destroy());
}

function switchProtocols(socket: Duplex, head: Buffer, protocol: string, extra = ''): void {
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n${extra}\r\n`);
  if (head.length > 0) socket.unshift(head);
}

async function upgrade(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  services: ControlServices,
): Promise<void> {
  if (!(socket instanceof Socket)) throw new TypeError('not a socket');
  const key = connectionKey(socket);
  const protocol = request.headers.upgrade?.toLowerCase();
  const address = socket.remoteAddress;
  if (key === undefined || address === undefined) {
    socket.destroy();
  } else if (request.method !== 'GET') {
    hangUp(socket, '404 Not Found');
  } else if (request.url === controlPath && protocol === controlUpgrade) {
    await upgradeControl(socket, head, { key, address }, services);
  } else if (request.url === dataPath && protocol === dataUpgrade) {
    await upgradeData(request, socket, head, key, services);
  } else {
    hangUp(socket, '404 Not Found');
  }
}

async function upgradeControl(
  socket: Socket,
  head: Buffer,
  peer: { readonly key: string; readonly address: string },
  services: ControlServices,
): Promise<void> {
  try {
    services.guard.check(peer.address);
  } catch (error) {
    if (!TidemarkError.is(error, errorCodes.agentLockedOut)) throw error;
    const seconds = Math.ceil(services.guard.lockedMs(peer.address) / 1000);
    hangUp(socket, '429 Too Many Requests', `Retry-After: ${seconds}\r\n`);
    return;
  }
  switchProtocols(socket, head, controlUpgrade);
  await serveControl(socket, peer, services);
}

async function upgradeData(
  { headers }: IncomingMessage,
  socket: Socket,
  head: Buffer,
  key: string,
  services: ControlServices,
): Promise<void> {
  const text = (name: string): string => {
    const value = headers[name];
    return typeof value === 'string' ? value : '';
  };
  const session = services.sessions.get(text(sessionHeader));
  const proof = session?.admit(text(nonceHeader), text(proofHeader));
  if (session === undefined || proof === undefined) {
    services.strangers(`a data connection from ${key} was refused`);
    hangUp(socket, '401 Unauthorized');
    return;
  }
  let open = 0;
  for (const { connections } of services.sessions.values()) open += connections.size;
  if (open >= services.maxDataConnections) {
    hangUp(socket, '503 Service Unavailable');
    return;
  }
  services.gate.pass(key);
  switchProtocols(socket, head, dataUpgrade, `${proofHeader}: ${proof}\r\n`);
  await serveData(socket, session, services);
}
