/** Self-signed certificates for tests, made of DER (X.690) and node:crypto alone, so that no other tool is needed. */
import { constants, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

/** How a test certificate is signed. */
export type CertificateKind =
  | 'rsa-sha1'
  | 'rsa-sha256'
  | 'rsa-sha384'
  | 'rsa-sha512'
  | 'rsa-pss-sha384'
  | 'ecdsa-sha256'
  | 'ecdsa-sha384'
  | 'ecdsa-sha512'
  | 'ed25519';

/** A certificate as files hold it, and its DER. */
export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
  readonly der: Buffer;
}

function der(tag: number, ...content: readonly Buffer[]): Buffer {
  const body = Buffer.concat(content);
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body]);
  const length = Buffer.from(body.length.toString(16).padStart(body.length > 0xff ? 4 : 2, '0'), 'hex');
  return Buffer.concat([Buffer.from([tag, 0x80 + length.length]), length, body]);
}

const sequence = (...content: readonly Buffer[]): Buffer => der(0x30, ...content);
const objectId = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'));
const nothing = der(0x05);
const integer = (value: number): Buffer => der(0x02, Buffer.from([value]));
const explicit = (number: number, content: Buffer): Buffer => der(0xa0 + number, content);

const sha384 = sequence(objectId('608648016503040202'), nothing);
const pssWithSha384 = sequence(
  objectId('2a864886f70d01010a'),
  sequence(
    explicit(0, sha384),
    explicit(1, sequence(objectId('2a864886f70d010108'), sha384)),
    explicit(2, integer(48)),
  ),
);

interface Recipe {
  readonly key: 'rsa' | 'ec' | 'ed25519';
  readonly hash: string | null;
  readonly algorithm: Buffer;
}

const recipes: Readonly<Record<CertificateKind, Recipe>> = {
  'rsa-sha1': { key: 'rsa', hash: 'sha1', algorithm: sequence(objectId('2a864886f70d010105'), nothing) },
  'rsa-sha256': { key: 'rsa', hash: 'sha256', algorithm: sequence(objectId('2a864886f70d01010b'), nothing) },
  'rsa-sha384': { key: 'rsa', hash: 'sha384', algorithm: sequence(objectId('2a864886f70d01010c'), nothing) },
  'rsa-sha512': { key: 'rsa', hash: 'sha512', algorithm: sequence(objectId('2a864886f70d01010d'), nothing) },
  'rsa-pss-sha384': { key: 'rsa', hash: 'sha384', algorithm: pssWithSha384 },
  'ecdsa-sha256': { key: 'ec', hash: 'sha256', algorithm: sequence(objectId('2a8648ce3d040302')) },
  'ecdsa-sha384': { key: 'ec', hash: 'sha384', algorithm: sequence(objectId('2a8648ce3d040303')) },
  'ecdsa-sha512': { key: 'ec', hash: 'sha512', algorithm: sequence(objectId('2a8648ce3d040304')) },
  ed25519: { key: 'ed25519', hash: null, algorithm: sequence(objectId('2b6570')) },
};

function keyPair(kind: Recipe['key']): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } {
  if (kind === 'rsa') return generateKeyPairSync('rsa', { modulusLength: 2048 });
  return kind === 'ec' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519');
}

function utcTime(date: Date): Buffer {
  const digits = date.toISOString().replaceAll(/[-:T]/g, '');
  return der(0x17, Buffer.from(`${digits.slice(2, 14)}Z`, 'ascii'));
}

function pem(label: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

/** Makes a certificate (RFC 5280) for a host, valid for a day. */
export function testCertificate(kind: CertificateKind = 'ecdsa-sha256', host = 'agent.test'): TestCertificate {
  const { key, hash, algorithm } = recipes[kind];
  const { publicKey, privateKey } = keyPair(key);
  const name = sequence(der(0x31, sequence(objectId('550403'), der(0x0c, Buffer.from(host)))));
  const validity = sequence(utcTime(new Date(Date.now() - 3_600_000)), utcTime(new Date(Date.now() + 86_400_000)));
  const serial = der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)]));
  const publicInfo = publicKey.export({ type: 'spki', format: 'der' });
  const signed = sequence(explicit(0, integer(2)), serial, algorithm, name, validity, name, publicInfo);
  const signer =
    kind === 'rsa-pss-sha384'
      ? { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 48 }
      : privateKey;
  const certificate = sequence(signed, algorithm, der(0x03, Buffer.from([0]), sign(hash, signed, signer)));
  return {
    cert: pem('CERTIFICATE', certificate),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    der: certificate,
  };
}
