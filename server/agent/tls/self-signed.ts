/**
 * The certificate an agent makes for itself at installation (RFC 5280): ECDSA P-256 with SHA-256, self-signed. Nobody vouches for it: daemons
 * bind the password's proof to it (RFC 5929) and remember its SHA-256.
 */
import { createHash, generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';

import { ipv6Bytes } from '../../base/addresses.ts';
import { certificateSha256 } from '../../base/channel-binding.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import * as der from './der.ts';

/** A certificate and its key, as files hold them. */
export interface SelfSigned {
  /** PEM. */
  readonly cert: string;
  /** PEM, PKCS #8, without a passphrase. A secret. */
  readonly key: string;
  /** SHA-256 of the certificate, 64 lower-case hex digits. */
  readonly sha256: string;
}

/** Clocks of daemon and host may differ by this; no one checks, other tools warn. */
const clockSkewMs = 24 * 3_600_000;
/**
 * "No well-defined expiration date" (RFC 5280 section 4.1.2.5). A date would protect nobody, as daemons know the certificate itself; a
 * certificate that ran out one night would only stop backups.
 */
const noExpiry = new Date('9999-12-31T23:59:59Z');
/** Upper bound of a common name (RFC 5280 appendix A, ub-common-name). */
const maxCommonName = 64;
const maxNames = 64;

const ecdsaWithSha256 = der.sequence(der.objectId('1.2.840.10045.4.3.2'));

/** The names and addresses of a certificate, each once, in the order given. Throws `TM1002` for what is neither. */
export function checkedNames(names: readonly string[]): readonly string[] {
  const found = new Set(
    names.map((name) => name.trim()).map((name) => (isIP(name) > 0 && !name.includes('%') ? name : dnsName(name))),
  );
  if (found.size === 0 || found.size > maxNames) {
    throw new TidemarkError(errorCodes.invalidUsage, `A certificate has from 1 to ${maxNames} names.`);
  }
  return [...found];
}

function dnsName(name: string): string {
  // `domainToASCII` reads no further than the end of a URL's host.
  const ascii = /[\s/\\?#@:%,]/.test(name) ? '' : domainToASCII(name);
  // Windows allows underscores in names of computers.
  if (/^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*$/.test(ascii)) return ascii;
  throw new TidemarkError(errorCodes.invalidUsage, `"${name}" is neither the name nor the address of a computer.`, {
    hint: 'Give names such as hv01 or hv01.example.org, and addresses such as 192.0.2.7.',
  });
}

/** Makes a new key and its certificate for these names and addresses; the first one is its subject. Throws `TM1002` for names that are none. */
export function selfSignedCertificate(names: readonly string[], now: Date = new Date()): SelfSigned {
  const alternatives = checkedNames(names);
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const subject = der.sequence(
    der.set(der.sequence(der.objectId('2.5.4.3'), der.utf8String((alternatives[0] ?? '').slice(0, maxCommonName)))),
  );
  const publicInfo = publicKey.export({ type: 'spki', format: 'der' });
  const signed = der.sequence(
    der.explicit(0, der.unsignedInteger(Buffer.from([2]))),
    serialNumber(),
    ecdsaWithSha256,
    subject,
    der.sequence(der.time(new Date(now.getTime() - clockSkewMs)), der.time(noExpiry)),
    subject,
    publicInfo,
    der.explicit(3, extensions(alternatives, publicInfo)),
  );
  const signature = der.bitString(sign('sha256', signed, privateKey));
  const certificate = der.sequence(signed, ecdsaWithSha256, signature);
  // The reader that matters: what it cannot read, no daemon would.
  const { raw } = new X509Certificate(certificate);
  return {
    cert: der.pem('CERTIFICATE', raw),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    sha256: certificateSha256(raw),
  };
}

/** 127 random bits, positive (RFC 5280 section 4.1.2.2). */
function serialNumber(): Buffer {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return der.unsignedInteger(bytes);
}

function extensions(names: readonly string[], publicInfo: Uint8Array): Buffer {
  const extension = (id: string, critical: boolean, value: Uint8Array): Buffer =>
    der.sequence(der.objectId(id), ...(critical ? [der.boolean(true)] : []), der.octetString(value));
  const keyId = createHash('sha1').update(publicInfo).digest();
  return der.sequence(
    // basicConstraints: no authority. keyUsage: digitalSignature, the one bit that TLS 1.3 needs. extKeyUsage: serverAuth.
    extension('2.5.29.19', true, der.sequence()),
    extension('2.5.29.15', true, der.bitString(Buffer.from([0x80]), 7)),
    extension('2.5.29.37', false, der.sequence(der.objectId('1.3.6.1.5.5.7.3.1'))),
    extension('2.5.29.14', false, der.octetString(keyId)),
    extension('2.5.29.17', false, der.sequence(...names.map(alternativeName))),
  );
}

/** GeneralName (RFC 5280 section 4.2.1.6): dNSName `[2]`, iPAddress `[7]`. */
function alternativeName(name: string): Buffer {
  const version = isIP(name);
  if (version === 0) return der.implicit(2, Buffer.from(name, 'ascii'));
  return der.implicit(7, version === 4 ? Buffer.from(name.split('.').map(Number)) : ipv6Bytes(name));
}
