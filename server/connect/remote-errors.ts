/** What can be wrong with a daemon on another machine. What it says of itself before it has proved itself is used only for its code. */
import { remoteRefused } from '../protocol/daemon-handshake.ts';
import { errorCodes, TidemarkError } from '../protocol/errors.ts';

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens on that port',
  ECONNRESET: 'it closed the connection',
  ENOTFOUND: 'the host name is unknown',
  EAI_AGAIN: 'the host name cannot be resolved now',
  EHOSTUNREACH: 'there is no route to the host',
  ENETUNREACH: 'there is no route to the network',
  ETIMEDOUT: 'it does not answer in time',
};

/** `TM5001`: nothing answers. `code` is the system's error code. */
export function remoteUnreachable(url: string, code: string | undefined, cause?: unknown): TidemarkError {
  const tls = code?.startsWith('ERR_SSL') === true || code === 'EPROTO';
  const why = tls
    ? 'it does not speak TLS 1.3 as a daemon does'
    : (reasons[code ?? ''] ?? `the connection failed (${code ?? 'unknown'})`);
  return new TidemarkError(errorCodes.daemonNotRunning, `The daemon at ${url} cannot be reached: ${why}.`, {
    hint: 'Check the address, that the daemon runs there with --listen, and that no firewall is in the way.',
    cause,
  });
}

/** `TM5002`: something answers that is no daemon, or not the one that knows the password. */
export function notADaemon(url: string, what: string, cause?: unknown): TidemarkError {
  return new TidemarkError(
    errorCodes.daemonAuthenticationFailed,
    `${url} does not answer like a Tidemark daemon: ${what}.`,
    { hint: 'Check the address and the port; something else may be answering there.', cause },
  );
}

/** `TM5006`: not the certificate that was expected. */
export function wrongDaemonCertificate(url: string, sha256: string): TidemarkError {
  return new TidemarkError(
    errorCodes.daemonCertificateMismatch,
    `The certificate of the daemon at ${url} is not the expected one. It is ${sha256} (SHA-256).`,
    { hint: 'If it was renewed on purpose, accept the new one; if not, somebody may be in between.' },
  );
}

/** `TM5006`: nobody vouches for the certificate. */
export function certificateUnknown(url: string, sha256: string): TidemarkError {
  return new TidemarkError(
    errorCodes.daemonCertificateMismatch,
    `No authority vouches for the certificate of the daemon at ${url}. It is ${sha256} (SHA-256).`,
    { hint: 'Compare it with what the daemon logs when it starts, and accept it when they are the same.' },
  );
}

/** The error of a line that does not go on with the exchange. */
export function refusal(url: string, line: string): TidemarkError {
  const code = line.startsWith(remoteRefused) ? line.slice(remoteRefused.length) : '';
  if (code === errorCodes.daemonAuthenticationFailed) {
    return new TidemarkError(errorCodes.daemonAuthenticationFailed, `The daemon at ${url} refused the password.`, {
      hint: 'Give the password that the daemon was started with (--password-file).',
    });
  }
  if (code === errorCodes.agentLockedOut) {
    return new TidemarkError(
      errorCodes.daemonAuthenticationFailed,
      `The daemon at ${url} refuses this computer for a while: too many logins with a wrong password came from it.`,
      {
        hint: 'Correct the password, and try again later: after a minute, or an hour when it went on for long. A restart of the daemon ends it.',
      },
    );
  }
  if (code === errorCodes.daemonCertificateMismatch) {
    return new TidemarkError(
      errorCodes.daemonCertificateMismatch,
      `The encrypted connection to ${url} does not end at the daemon: somebody is in between.`,
      { hint: 'Look for a proxy or anything else that opens TLS between this computer and the daemon.' },
    );
  }
  if (code === errorCodes.daemonVersionMismatch) {
    return new TidemarkError(code, `The daemon at ${url} and this program do not understand each other.`, {
      hint: 'Update the older one of the two.',
    });
  }
  return notADaemon(url, 'it refused the authentication');
}
