/**
 * How a client finds a daemon and how both prove themselves before the first JSON-RPC byte. The proofs are made in
 * `server/base/mutual-proof.ts`.
 *
 * The rendezvous file `DATA/run/daemon.json` says where the daemon listens; the token (32 random bytes, hex) lies beside it in
 * `DATA/run/token`. Both are readable by their owner only and new at each start of the daemon.
 *
 * Then, on the socket, one line each (ASCII, ended by `\n`, at most `maxHandshakeLineBytes`), the client first; nonces and proofs are
 * 32 bytes in lower-case hex and every proof is HMAC-SHA-256 under the token:
 *
 * 1. client: `tidemark-daemon 1 <client nonce>`
 * 2. daemon: `<server nonce> <HMAC("tidemark-daemon server\n" + client nonce + "\n" + server nonce)>`
 * 3. client: `<HMAC("tidemark-daemon client\n" + client nonce + "\n" + server nonce)>`
 *
 * Whoever sees a wrong line closes. The whole takes at most `handshakeTimeoutMs`.
 *
 * A daemon on another machine is reached over TLS 1.3, and both sides prove that they know the daemon's password, by SCRAM-SHA-256-PLUS
 * (RFC 5802, RFC 7677) with the channel binding `tls-server-end-point`, again one line each:
 *
 * 1. client: `tidemark-daemon-remote 1 <client-first>`
 * 2. daemon: `ok <server-first>`
 * 3. client: `<client-final>`
 * 4. daemon: `ok <server-final>`
 *
 * Instead of 2 and 4 the daemon may send `no <code>` with a stable error code, and closes. `no TM2007`: too many wrong passwords came from the client's address.
 */
import { integer, literal, object, string } from './parse.ts';
import { timestamp } from './model.ts';
import type { Parsed } from './parse.ts';

export const handshakeGreeting = 'tidemark-daemon 1';
export const serverProofLabel = 'tidemark-daemon server';
export const clientProofLabel = 'tidemark-daemon client';
/** Bytes of a nonce, a proof and the token. */
export const proofBytes = 32;
/** Longest handshake line, with its line end. */
export const maxHandshakeLineBytes = 256;
export const handshakeTimeoutMs = 5000;

export const remoteGreeting = 'tidemark-daemon-remote 1';
/** Before the text that goes on with the exchange, and before the code of a refusal. */
export const remoteAccepted = 'ok ';
export const remoteRefused = 'no ';
/** Protocol name in the TLS handshake (ALPN, RFC 7301): an agent or a web server at the address is told apart before anything is said. */
export const remoteAlpn = 'tidemark-daemon';
/** Where a daemon listens for other machines unless told otherwise. */
export const defaultDaemonPort = 8441;
/** Longest line of the exchange over TLS, with its end. */
export const maxRemoteLineBytes = 4096;

/** Largest JSON-RPC message between client and daemon, bytes: a list of 100,000 restore points fits. */
export const maxDaemonMessageBytes = 256 * 1024 * 1024;
/** Largest JSON-RPC message a daemon takes from a client, bytes. */
export const maxClientMessageBytes = 4 * 1024 * 1024;

/** Content of `DATA/run/daemon.json`. */
export const rendezvous = object({
  format: literal(1),
  /** Random id of the daemon process. */
  instance: string({ maxLength: 64 }),
  pid: integer(1),
  startedAt: timestamp,
  /** Path of a Unix socket, or of a named pipe on Windows. */
  address: string({ maxLength: 1024 }),
  protocol: object({ min: integer(1), max: integer(1) }),
  version: string({ maxLength: 64 }),
  logFile: string({ maxLength: 4096 }),
});
export type Rendezvous = Parsed<typeof rendezvous>;
