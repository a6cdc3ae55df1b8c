/** Whom TLS connections of messages trust: the certificates that Node brings, those of the machine, and `NODE_EXTRA_CA_CERTS`. */
import { getCACertificates } from 'node:tls';

let known: readonly string[] | undefined;

/** PEM texts; read once. */
export function trustedCertificates(): readonly string[] {
  known ??= [...new Set([...getCACertificates('default'), ...getCACertificates('system')])];
  return known;
}
