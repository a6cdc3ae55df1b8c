import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { test } from 'node:test';

import * as fc from 'fast-check';

import { certificateHashName, certificateSha256, endPointBinding } from '../../../server/base/channel-binding.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { testCertificate } from '../../support/certificate.ts';
import type { CertificateKind } from '../../support/certificate.ts';

/** RFC 5929 section 4.1. */
const expected: Readonly<Record<CertificateKind, string>> = {
  'rsa-sha1': 'sha256',
  'rsa-sha256': 'sha256',
  'rsa-sha384': 'sha384',
  'rsa-sha512': 'sha512',
  'rsa-pss-sha384': 'sha384',
  'ecdsa-sha256': 'sha256',
  'ecdsa-sha384': 'sha384',
  'ecdsa-sha512': 'sha512',
  ed25519: 'sha256',
};
const kinds: readonly CertificateKind[] = [
  'rsa-sha1',
  'rsa-sha256',
  'rsa-sha384',
  'rsa-sha512',
  'rsa-pss-sha384',
  'ecdsa-sha256',
  'ecdsa-sha384',
  'ecdsa-sha512',
  'ed25519',
];

for (const kind of kinds) {
  test(`a certificate signed with ${kind} is bound by its ${expected[kind]}`, () => {
    const { der, cert } = testCertificate(kind);
    const parsed = new X509Certificate(cert);
    assert.ok(parsed.verify(parsed.publicKey), 'the test certificate itself must be valid');
    assert.equal(certificateHashName(der), expected[kind]);
    const binding = endPointBinding(der);
    assert.equal(binding.type, 'tls-server-end-point');
    assert.deepEqual(
      binding.type === 'tls-server-end-point' && Buffer.from(binding.data),
      createHash(expected[kind]).update(der).digest(),
    );
  });
}

test('the pin of a certificate is the SHA-256 that other tools show', () => {
  const { der, cert } = testCertificate();
  const shown = new X509Certificate(cert).fingerprint256.replaceAll(':', '').toLowerCase();
  assert.equal(certificateSha256(der), shown);
});

test('a certificate cut anywhere is refused with TM2003 or still names a hash', () => {
  const { der } = testCertificate('rsa-pss-sha384');
  for (let length = 0; length < der.length; length++) {
    assert.throws(
      () => certificateHashName(der.subarray(0, length)),
      (error) => TidemarkError.is(error, errorCodes.agentCertificateMismatch),
    );
  }
});

test('a damaged certificate never does anything but be refused', () => {
  const { der } = testCertificate('rsa-pss-sha384');
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat({ max: der.length - 1 }), fc.nat({ max: 255 })), { minLength: 1, maxLength: 6 }),
      (changes) => {
        const damaged = Buffer.from(der);
        for (const [at, value] of changes) damaged[at] = value;
        try {
          assert.match(certificateHashName(damaged), /^sha(224|256|384|512)$/);
        } catch (error) {
          assert.ok(TidemarkError.is(error, errorCodes.agentCertificateMismatch), String(error));
        }
      },
    ),
  );
});
