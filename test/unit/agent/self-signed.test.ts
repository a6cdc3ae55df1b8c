import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { element, objectId, unsignedInteger } from '../../../server/agent/tls/der.ts';
import { selfSignedCertificate } from '../../../server/agent/tls/self-signed.ts';
import { certificateHashName } from '../../../server/base/channel-binding.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';

const names = ['HV01', 'hv01.example.org', 'hv_01', '192.0.2.7', '2001:db8::7', '::ffff:192.0.2.9', '::1'];

test('a certificate has its names and addresses, its key, and no date on which backups would stop', () => {
  const { cert, key, sha256 } = selfSignedCertificate(names);
  const read = new X509Certificate(cert);
  assert.ok(read.checkPrivateKey(createPrivateKey(key)));
  assert.ok(read.verify(read.publicKey));
  assert.equal(read.ca, false);
  assert.equal(read.subject, 'CN=hv01');
  assert.equal(read.validTo, 'Dec 31 23:59:59 9999 GMT');
  assert.ok(read.validFromDate.getTime() < Date.now());
  assert.equal(read.fingerprint256.replaceAll(':', '').toLowerCase(), sha256);
  assert.deepEqual(read.publicKey.asymmetricKeyDetails, { namedCurve: 'prime256v1' });
  for (const name of ['hv01', 'hv01.example.org']) assert.equal(read.checkHost(name), name);
  for (const address of ['192.0.2.7', '2001:db8::7', '::1']) assert.equal(read.checkIP(address), address);
  assert.equal(read.checkIP('192.0.2.8'), undefined);
  assert.equal(certificateHashName(read.raw), 'sha256');
});

test('each certificate has another key and serial number', () => {
  const made = Array.from({ length: 20 }, () => new X509Certificate(selfSignedCertificate(['hv01']).cert));
  assert.equal(new Set(made.map(({ serialNumber }) => serialNumber)).size, 20);
  assert.equal(new Set(made.map(({ publicKey }) => publicKey.export({ type: 'spki', format: 'pem' }))).size, 20);
});

test('names that are none are TM1002', () => {
  for (const name of [
    '',
    ' ',
    'a b',
    'a/b',
    'a..b',
    'a,DNS:b',
    'a\0b',
    '-a',
    '1.2.3.4.5/8',
    'fe80::1%eth0',
    `${'a'.repeat(64)}.b`,
  ]) {
    assert.throws(
      () => selfSignedCertificate([name]),
      (error) => TidemarkError.is(error, errorCodes.invalidUsage),
      name,
    );
  }
  assert.throws(
    () => selfSignedCertificate([]),
    (error) => TidemarkError.is(error, errorCodes.invalidUsage),
  );
});

const noOpenssl = spawnSync('openssl', ['version']).status === 0 ? false : 'openssl is not installed';

test('OpenSSL reads, verifies and believes a certificate for each of its names', { skip: noOpenssl }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'tidemark-cert-'));
  try {
    const { cert, key, sha256 } = selfSignedCertificate(names);
    const [certFile, keyFile] = [join(directory, 'cert.pem'), join(directory, 'key.pem')];
    writeFileSync(certFile, cert);
    writeFileSync(keyFile, key, { mode: 0o600 });
    const openssl = (...args: readonly string[]): string =>
      execFileSync('openssl', args, { encoding: 'utf8', stdio: 'pipe' });
    const text = openssl('x509', '-in', certFile, '-noout', '-text');
    assert.match(text, /Version: 3/);
    assert.match(text, /ecdsa-with-SHA256/);
    assert.match(text, /Basic Constraints: critical\s+CA:FALSE/);
    assert.match(text, /Key Usage: critical\s+Digital Signature\n/);
    assert.match(text, /TLS Web Server Authentication/);
    assert.match(
      text,
      /DNS:hv01, DNS:hv01\.example\.org, DNS:hv_01, IP Address:192\.0\.2\.7, IP Address:2001:DB8:0:0:0:0:0:7/,
    );
    const checks = [
      [],
      ['-x509_strict'],
      ['-purpose', 'sslserver'],
      ['-verify_hostname', 'hv01.example.org'],
      ['-verify_ip', '2001:db8::7'],
    ];
    for (const check of checks) {
      assert.match(openssl('verify', '-check_ss_sig', '-CAfile', certFile, ...check, certFile), /: OK\n$/);
    }
    assert.throws(() => openssl('verify', '-CAfile', certFile, '-verify_hostname', 'other', certFile));
    const shown = openssl('x509', '-in', certFile, '-noout', '-fingerprint', '-sha256');
    assert.equal(shown.trim().split('=')[1]?.replaceAll(':', '').toLowerCase(), sha256);
    const publicOf = openssl('pkey', '-in', keyFile, '-pubout');
    assert.equal(openssl('x509', '-in', certFile, '-noout', '-pubkey'), publicOf);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('DER is written in its shortest form', () => {
  assert.equal(element(0x04, Buffer.alloc(127)).subarray(0, 2).toString('hex'), '047f');
  assert.equal(element(0x04, Buffer.alloc(128)).subarray(0, 3).toString('hex'), '048180');
  assert.equal(element(0x04, Buffer.alloc(65_536)).subarray(0, 5).toString('hex'), '0483010000');
  assert.equal(unsignedInteger(Buffer.from('000080', 'hex')).toString('hex'), '02020080');
  assert.equal(unsignedInteger(Buffer.from([0, 0])).toString('hex'), '020100');
  assert.equal(objectId('1.2.840.10045.4.3.2').toString('hex'), '06082a8648ce3d040302');
});
