/** Connects to a daemon on another machine: TLS, then both sides prove that they know the daemon's password. */
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

import { certificateSha256, endPointBinding } from '../base/channel-binding.ts';
import { systemCode } from '../base/files.ts';
import { handshake } from '../base/handshake.ts';
import { parseHttpsUrl } from '../base/https-url.ts';
import { ScramClient } from '../base/scram.ts';
import {
  defaultDaemonPort,
  maxRemoteLineBytes,
  remoteAccepted,
  remoteAlpn,
  remoteGreeting,
} from '../protocol/daemon-handshake.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../protocol/errors.ts';
import { openDaemonClient } from './client.ts';
import type { DaemonClient, HelloOptions } from './client.ts';
import { certificateUnknown, notADaemon, refusal, remoteUnreachable, wrongDaemonCertificate } from './remote-errors.ts';

/** The certificate a daemon showed. */
export interface DaemonCertificate {
  /** Of the DER, 64 lower-case hex digits. */
  readonly sha256: string;
  /** Whether an authority this computer trusts vouches for it and for the host name. */
  readonly vouchedFor: boolean;
}

/** Which daemon to connect to, and whom to believe. */
export interface RemoteConnectOptions extends HelloOptions {
  /** `https://host[:port]`; the default port is 8441. */
  readonly url: string;
  readonly password: string;
  /** SHA-256 (hex) that the certificate must have; then nobody need vouch for it. */
  readonly certificateSha256?: string | undefined;
  /**
   * Without `certificateSha256`: whether to believe a certificate that no authority vouches for. Asked before the password is used. Without
   * it such a certificate is refused.
   */
  readonly confirmCertificate?: ((certificate: DaemonCertificate) => Promise<boolean>) | undefined;
  /** For connecting and authenticating, without the time that `confirmCertificate` takes, ms; default 15,000. */
  readonly timeoutMs?: number | undefined;
}

/** A connected client, and the certificate to keep for the next time. */
export interface RemoteDaemon {
  readonly client: DaemonClient;
  readonly certificate: DaemonCertificate;
}

const defaultTimeoutMs = 15_000;
const keepAliveMs = 15_000;

/**
 * Connects. Throws `TM1001` for a bad URL, `TM5001` when nothing answers, `TM5002` for a wrong password or what is no daemon (or does not know the
 * password itself), `TM5003` when no protocol version is common, `TM5006` for a certificate that is not the expected one, nobody
 * vouches for, or does not belong to the end of the connection.
 */
export async function connectRemoteDaemon(options: RemoteConnectOptions): Promise<RemoteDaemon> {
  const { url, signal, password } = options;
  const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
  throwIfAborted(signal);
  const { socket, der, vouchedFor } = await openTls(url, timeoutMs, signal);
  const onAbort = (): void => void socket.destroy();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const certificate = { sha256: certificateSha256(der), vouchedFor };
    await believe(certificate, options);
    await authenticate(socket, der, { url, password, timeoutMs });
    socket.setKeepAlive(true, keepAliveMs);
    return { client: await openDaemonClient(socket, options), certificate };
  } catch (error) {
    socket.destroy();
    throwIfAborted(signal);
    throw error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

async function believe(certificate: DaemonCertificate, options: RemoteConnectOptions): Promise<void> {
  const { url, certificateSha256: expected, confirmCertificate } = options;
  if (expected !== undefined) {
    if (certificate.sha256 === expected.toLowerCase()) return;
    throw wrongDaemonCertificate(url, certificate.sha256);
  }
  if (certificate.vouchedFor || (await confirmCertificate?.(certificate)) === true) return;
  throw certificateUnknown(url, certificate.sha256);
}

/** SCRAM bound to the certificate: somebody in between, who shows another one, is found out even with the right password. */
async function authenticate(
  socket: Socket,
  der: Buffer,
  { url, password, timeoutMs }: { readonly url: string; readonly password: string; readonly timeoutMs: number },
): Promise<void> {
  const scram = new ScramClient(password, endPointBinding(der));
  const failed = (cause?: unknown): TidemarkError => notADaemon(url, 'it does not finish the authentication', cause);
  await handshake(socket, { timeoutMs, maxLineBytes: maxRemoteLineBytes, failed }, async (readLine) => {
    const answer = async (): Promise<string> => {
      const line = await readLine();
      if (line.startsWith(remoteAccepted)) return line.slice(remoteAccepted.length);
      throw refusal(url, line);
    };
    try {
      socket.write(`${remoteGreeting} ${scram.first()}\n`);
      socket.write(`${await scram.final(await answer())}\n`);
      scram.verify(await answer());
    } catch (error) {
      if (TidemarkError.is(error, errorCodes.agentAuthenticationFailed))
        throw notADaemon(url, 'it does not know the password', error);
      if (TidemarkError.is(error, errorCodes.agentProtocolViolation)) throw failed(error);
      throw error;
    }
  });
}

interface OpenedTls {
  readonly socket: Socket;
  readonly der: Buffer;
  readonly vouchedFor: boolean;
}

async function openTls(url: string, timeoutMs: number, signal: AbortSignal | undefined): Promise<OpenedTls> {
  const address = parseHttpsUrl(url, defaultDaemonPort);
  if (address === undefined) {
    throw new TidemarkError(errorCodes.invalidInput, `"${url}" is not the URL of a daemon.`, {
      hint: `Give it as https://host:${defaultDaemonPort}, without a path.`,
    });
  }
  const { host, port } = address;
  // Whom to believe is decided in `believe`, which needs the certificate.
  const servername = /^[\d.]+$|:/.test(host) ? {} : { servername: host };
  const socket = connectTls({
    host,
    port,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.3',
    ALPNProtocols: [remoteAlpn],
    ...servername,
  });
  const opened = Promise.withResolvers<OpenedTls>();
  const timer = setTimeout(() => opened.reject(remoteUnreachable(url, 'ETIMEDOUT')), timeoutMs);
  const onAbort = (): void => opened.reject(TidemarkError.from(signal?.reason));
  signal?.addEventListener('abort', onAbort, { once: true });
  socket.on('error', (error) => opened.reject(remoteUnreachable(url, systemCode(error), error)));
  socket.once('close', () => opened.reject(remoteUnreachable(url, 'ECONNRESET')));
  socket.once('secureConnect', () => {
    const der = socket.getPeerX509Certificate()?.raw;
    if (socket.alpnProtocol !== remoteAlpn) opened.reject(notADaemon(url, 'something else listens there'));
    else if (der === undefined) opened.reject(notADaemon(url, 'it showed no certificate'));
    else opened.resolve({ socket, der, vouchedFor: socket.authorized });
  });
  try {
    return await opened.promise;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}
