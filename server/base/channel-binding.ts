/**
 * The `tls-server-end-point` channel binding (RFC 5929 section 4.1): the server's certificate, hashed with the hash of
 * its own signature algorithm, SHA-256 instead of MD5 and SHA-1. Node does not tell the algorithm, so the
 * few bytes that name it are read from the DER (X.690) here.
 */
import { createHash } from 'node:crypto';

import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import type { ChannelBinding } from './scram.ts';

const sequenceTag = 0x30;
const objectIdTag = 0x06;
const explicitZeroTag = 0xa0;
/** Far above any real certificate. */
const maxCertificateBytes = 256 * 1024;

/** Hash names by the hex of the signature algorithm's object id. What is not listed (Ed25519, unknown ones) uses SHA-256: RFC 5929 leaves it open, both ends are Tidemark. */
const hashOfAlgorithm: Readonly<Record<string, string>> = {
  '2a864886f70d01010c': 'sha384', // sha384WithRSAEncryption, RFC 4055
  '2a864886f70d01010d': 'sha512', // sha512WithRSAEncryption
  '2a864886f70d01010e': 'sha224', // sha224WithRSAEncryption
  '2a8648ce3d040301': 'sha224', // ecdsa-with-SHA224, RFC 5758
  '2a8648ce3d040303': 'sha384', // ecdsa-with-SHA384
  '2a8648ce3d040304': 'sha512', // ecdsa-with-SHA512
};
/** RSASSA-PSS names its hash in its parameters. */
const pssAlgorithm = '2a864886f70d01010a';
const hashOfId: Readonly<Record<string, string>> = {
  '608648016503040202': 'sha384', // RFC 4055 section 2.1
  '608648016503040203': 'sha512',
  '608648016503040204': 'sha224',
};

interface Element {
  readonly tag: number;
  readonly start: number;
  readonly end: number;
}

function damaged(): TidemarkError {
  return new TidemarkError(errorCodes.agentCertificateMismatch, 'The certificate of the agent cannot be read.', {
    hint: 'Give the agent an ordinary X.509 certificate.',
  });
}

/** The DER element at `offset`, which must end at or before `limit`. */
function element(der: Uint8Array, offset: number, limit: number): Element {
  const tag = der[offset];
  const first = der[offset + 1];
  if (tag === undefined || first === undefined) throw damaged();
  let start = offset + 2;
  let length = first;
  if (first >= 0x80) {
    const count = first - 0x80;
    if (count < 1 || count > 3) throw damaged();
    length = 0;
    for (const byte of der.subarray(start, start + count)) length = length * 256 + byte;
    start += count;
  }
  const end = start + length;
  if (end > limit) throw damaged();
  return { tag, start, end };
}

function expectTag(found: Element, tag: number): Element {
  if (found.tag !== tag) throw damaged();
  return found;
}

const hex = (der: Uint8Array, { start, end }: Element): string => Buffer.from(der.subarray(start, end)).toString('hex');

/** The hash of RSASSA-PSS-params (RFC 4055 section 3.1): `[0] { AlgorithmIdentifier }`, SHA-1 when absent. */
function pssHash(der: Uint8Array, start: number, limit: number): string {
  const parameters = expectTag(element(der, start, limit), sequenceTag);
  if (parameters.start === parameters.end) return 'sha256';
  const wrapper = element(der, parameters.start, parameters.end);
  if (wrapper.tag !== explicitZeroTag) return 'sha256';
  const identifier = expectTag(element(der, wrapper.start, wrapper.end), sequenceTag);
  const id = expectTag(element(der, identifier.start, identifier.end), objectIdTag);
  return hashOfId[hex(der, id)] ?? 'sha256';
}

/** The hash that binds a certificate (RFC 5929 section 4.1). Throws `TM2003` when the DER is damaged. */
export function certificateHashName(der: Uint8Array): string {
  if (der.length > maxCertificateBytes) throw damaged();
  const certificate = expectTag(element(der, 0, der.length), sequenceTag);
  const signed = expectTag(element(der, certificate.start, certificate.end), sequenceTag);
  const algorithm = expectTag(element(der, signed.end, certificate.end), sequenceTag);
  const id = expectTag(element(der, algorithm.start, algorithm.end), objectIdTag);
  const name = hex(der, id);
  if (name === pssAlgorithm) return id.end < algorithm.end ? pssHash(der, id.end, algorithm.end) : 'sha256';
  return hashOfAlgorithm[name] ?? 'sha256';
}

/** The binding to a certificate given as DER. */
export function endPointBinding(der: Uint8Array): ChannelBinding {
  return { type: 'tls-server-end-point', data: createHash(certificateHashName(der)).update(der).digest() };
}

/** SHA-256 of a certificate (DER), 64 lower-case hex digits: what users pin. */
export function certificateSha256(der: Uint8Array): string {
  return createHash('sha256').update(der).digest('hex');
}
