/** Certificates, as people compare them. */

/** `AB:CD:…`, the way browsers and openssl print a fingerprint. */
export function fingerprintText(sha256: string): string {
  return (sha256.toUpperCase().match(/.{1,2}/g) ?? []).join(':');
}
