/** Both sides of a local connection prove that they know the same token (protocol/daemon-handshake.ts). */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Duplex } from 'node:stream';

import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import { handshake } from './handshake.ts';
import {
  clientProofLabel,
  handshakeGreeting,
  handshakeTimeoutMs,
  maxHandshakeLineBytes,
  proofBytes,
  serverProofLabel,
} from '../protocol/daemon-handshake.ts';

const hexText = /^[0-9a-f]{64}$/;

/**
 * The client's side: resolves when the other side proved itself and got our proof. On failure the stream is destroyed.
 * Throws `TM5002` when the other side does not know the token, does not answer in time or closes.
 */
export async function proveAsClient(stream: Duplex, token: Uint8Array, timeoutMs = handshakeTimeoutMs): Promise<void> {
  await handshake(stream, { timeoutMs, maxLineBytes: maxHandshakeLineBytes, failed }, async (readLine) => {
    const clientNonce = randomBytes(proofBytes).toString('hex');
    stream.write(`${handshakeGreeting} ${clientNonce}\n`);
    const [serverNonce = '', serverProof = '', ...more] = (await readLine()).split(' ');
    const expected = proof(token, serverProofLabel, clientNonce, serverNonce);
    if (more.length > 0 || !hexText.test(serverNonce) || !sameProof(serverProof, expected)) throw failed();
    stream.write(`${proof(token, clientProofLabel, clientNonce, serverNonce)}\n`);
  });
}

/** The daemon's side: resolves when the client proved itself; what it sent after that stays in the stream. Throws like `proveAsClient`. */
export async function proveAsServer(stream: Duplex, token: Uint8Array, timeoutMs = handshakeTimeoutMs): Promise<void> {
  await handshake(stream, { timeoutMs, maxLineBytes: maxHandshakeLineBytes, failed }, async (readLine) => {
    const greeting = await readLine();
    const clientNonce = greeting.slice(handshakeGreeting.length + 1);
    if (greeting !== `${handshakeGreeting} ${clientNonce}` || !hexText.test(clientNonce)) throw failed();
    const serverNonce = randomBytes(proofBytes).toString('hex');
    stream.write(`${serverNonce} ${proof(token, serverProofLabel, clientNonce, serverNonce)}\n`);
    if (!sameProof(await readLine(), proof(token, clientProofLabel, clientNonce, serverNonce))) throw failed();
  });
}

function proof(token: Uint8Array, label: string, clientNonce: string, serverNonce: string): string {
  return createHmac('sha256', token).update(`${label}\n${clientNonce}\n${serverNonce}`).digest('hex');
}

function sameProof(given: string, expected: string): boolean {
  return hexText.test(given) && timingSafeEqual(Buffer.from(given, 'latin1'), Buffer.from(expected, 'latin1'));
}

function failed(cause?: unknown): TidemarkError {
  return new TidemarkError(
    errorCodes.daemonAuthenticationFailed,
    'The other side of the local connection could not prove that it belongs to this data directory.',
    { hint: 'Another user or program may hold the address. Stop the daemon and start it again.', cause },
  );
}
