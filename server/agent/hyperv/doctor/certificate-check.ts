/** The agent's certificate: how long it is good for, which names it has, whether its key belongs to it. */
import { createPrivateKey, X509Certificate } from 'node:crypto';

import { check } from './finding.ts';
import type { Finding } from './finding.ts';

/** Days before the end at which people should hear of it. */
const soonDays = 30;
const dayMs = 24 * 3_600_000;

/** Findings about a certificate and its key, both PEM. `now` in milliseconds since 1970. */
export function certificateFindings(cert: string, key: string, now: number): readonly Finding[] {
  const one = check('agent', 'agent-certificate');
  const again =
    'Put the certificate and the key that belong together in their place, or remove both and run `tidemark agent set-up` again: daemons must then be told the new fingerprint.';
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(cert);
    if (!certificate.checkPrivateKey(createPrivateKey(key))) {
      return [one.problem('The key of the agent does not belong to its certificate.', again)];
    }
  } catch {
    return [one.problem('The certificate of the agent, or its key, cannot be read.', again)];
  }
  const names = (certificate.subjectAltName ?? '').replaceAll(/DNS:|IP Address:/g, '');
  const shown = names === '' ? 'It names no host.' : `It is for ${names}.`;
  const days = Math.floor((Date.parse(certificate.validTo) - now) / dayMs);
  const renew =
    'Remove certificate and key and run `tidemark agent set-up` again. Daemons that go by the fingerprint must be told the new one.';
  if (Date.parse(certificate.validFrom) > now) {
    return [
      one.problem(
        `The certificate of the agent is not valid before ${certificate.validFrom}. ${shown}`,
        'Look at the clock of this host.',
      ),
    ];
  }
  if (days < 0) return [one.problem(`The certificate of the agent ended ${-days} days ago. ${shown}`, renew)];
  if (days < soonDays) return [one.warning(`The certificate of the agent ends in ${days} days. ${shown}`, renew)];
  if (certificate.validTo.includes(' 9999 ')) return [one.ok(`The certificate of the agent does not end. ${shown}`)];
  return [one.ok(`The certificate of the agent is good for ${days} more days. ${shown}`)];
}
