/** Where a monitoring system reads the metrics: `GET /metrics` by plain HTTP, on this machine only unless another address is named. */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { isIP, isIPv6 } from 'node:net';
import { hostname } from 'node:os';

import { systemCode } from '../../base/files.ts';
import type { Logger } from '../../base/log.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { expositionType } from './exposition.ts';

/** Where to listen. */
export interface MetricsAddress {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

/** A listener that is open. */
export interface MetricsListener {
  /** With the real port, as `http://127.0.0.1:9464/metrics`. */
  readonly url: string;
  close(): void;
}

/** Readers at a time; there are one or two. */
const maxConnections = 16;
/** For a whole request, ms. */
const requestTimeoutMs = 5000;
const path = '/metrics';

/** `127.0.0.1:9464`, `[::1]:9464`, `:9464` or `9464`: without an address it is 127.0.0.1. Throws `TM1002`. */
export function parseMetricsAddress(text: string): MetricsAddress {
  const [, bracketed, plain, port] = /^(?:(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_.-]+))?:)?(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? '127.0.0.1';
  const usable = bracketed === undefined || isIPv6(bracketed);
  if (port === undefined || Number(port) > 65_535 || !usable) {
    throw new TidemarkError(errorCodes.invalidUsage, `"${text}" is not an address for metrics.`, {
      hint: 'Give it as 127.0.0.1:9464.',
    });
  }
  return { host, port: Number(port) };
}

/** Begins to listen; `text` makes the document. Throws `TM5004` when the address cannot be listened on. */
export async function listenForMetrics(
  address: MetricsAddress,
  text: () => string,
  log: Logger,
): Promise<MetricsListener> {
  const isOurs = isLoopback(address.host) ? isLoopback : isThisMachine;
  const server = createServer(
    { maxHeaderSize: 8192, headersTimeout: requestTimeoutMs, requestTimeout: requestTimeoutMs },
    (request, response) => answer(request, response, isOurs, text, log),
  );
  server.maxConnections = maxConnections;
  server.maxRequestsPerSocket = 1000;
  server.on('clientError', (_error, socket) => socket.destroy());
  await begin(server, address);
  server.on('error', (error) => log.log('error', 'A connection for metrics could not be taken', error));
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
  const url = `http://${isIPv6(address.host) ? `[${address.host}]` : address.host}:${port}${path}`;
  log.log('info', `Metrics are at ${url}`);
  return {
    url,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function begin(server: Server, { host, port }: MetricsAddress): Promise<void> {
  const listening = Promise.withResolvers<void>();
  server.once('error', listening.reject).once('listening', listening.resolve);
  server.listen({ host, port });
  try {
    await listening.promise;
  } catch (error) {
    throw new TidemarkError(
      errorCodes.daemonStartFailed,
      `Metrics cannot be offered at ${host}:${port}: ${reasonOf(error)}.`,
      { hint: 'Choose another port, or stop the program that uses it.', cause: error },
    );
  } finally {
    server.removeAllListeners('error').removeAllListeners('listening');
  }
}

function reasonOf(error: unknown): string {
  const code = systemCode(error);
  return code === 'EADDRINUSE' ? 'another program listens there' : (code ?? 'the system refuses');
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  isOurs: (host: string) => boolean,
  text: () => string,
  log: Logger,
): void {
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('Cache-Control', 'no-store');
  const refuse = (status: number, why: string): void => {
    response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', Connection: 'close' }).end(`${why}\n`);
  };
  // A page in a browser can give this machine a name of its own and read what is answered (DNS rebinding).
  if (!isOurs(hostOf(request.headers.host))) refuse(403, 'This is not the name of this machine.');
  else if (request.url?.split('?', 1)[0] !== path) refuse(404, `Metrics are at ${path}.`);
  else if (request.method !== 'GET') refuse(405, 'Only GET is answered.');
  else {
    try {
      const document = text();
      response.writeHead(200, { 'Content-Type': expositionType }).end(document);
    } catch (error) {
      log.log('error', 'The metrics could not be made', error);
      refuse(500, 'The metrics could not be made; the log of the daemon says why.');
    }
  }
}

/** The name in a `Host` header, without its port. */
function hostOf(header: string | undefined): string {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::\d+)?$/.exec(header ?? '') ?? [];
  return (bracketed ?? plain ?? '').toLowerCase();
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** An address is no name that somebody else can give; the machine's own name may have a domain behind it. */
function isThisMachine(host: string): boolean {
  const own = hostname().toLowerCase();
  return isLoopback(host) || isIP(host) !== 0 || host === own || host.startsWith(`${own}.`);
}
