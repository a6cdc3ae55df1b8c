/** Connects to a daemon on another machine. It is never started or replaced from here. */
import { connectRemoteDaemon } from '../../server/connect/index.ts';
import { errorCodes, TidemarkError } from '../../server/protocol/errors.ts';
import type { ConnectAttempt, Connected, Connector } from './connector.ts';
import { compareVersions } from './versions.ts';

/** What is known of the remote daemon, and how the user is asked for the rest. */
export interface RemoteOptions {
  /** `https://host:8441`. */
  readonly url: string;
  readonly version: string;
  /** The stored password, or the one that the user gives when `mayAsk`; `TM1999` when the user gives up. */
  readonly password: (mayAsk: boolean) => Promise<string>;
  /** The daemon accepted the password: worth keeping. */
  readonly passwordWorked: (password: string) => Promise<void>;
  /** The daemon refused it: ask next time. */
  readonly passwordRefused: () => Promise<void>;
  /** SHA-256 of the certificate that the user confirmed earlier, hex. */
  readonly certificate: () => string | undefined;
  /** Asks whether to believe a certificate that no authority vouches for, and keeps the answer when it is yes. */
  readonly confirmCertificate: (sha256: string) => Promise<boolean>;
}

export class RemoteConnector implements Connector {
  readonly canStart = false;
  readonly #options: RemoteOptions;

  constructor(options: RemoteOptions) {
    this.#options = options;
  }

  async connect({ signal, mayAsk }: ConnectAttempt): Promise<Connected> {
    const { url, version, certificate, confirmCertificate } = this.#options;
    const password = await this.#options.password(mayAsk);
    try {
      const { client } = await connectRemoteDaemon({
        url,
        password,
        client: `tidemark-vscode ${version}`,
        certificateSha256: certificate(),
        confirmCertificate: async ({ sha256 }) => mayAsk && confirmCertificate(sha256),
        signal,
      });
      await this.#options.passwordWorked(password);
      const { daemonVersion } = client;
      const order = compareVersions(daemonVersion, version);
      if (order > 0) return { client, note: { kind: 'newer-daemon', daemonVersion } };
      if (order < 0) return { client, note: { kind: 'older-daemon', daemonVersion, activeRuns: 0 } };
      return { client };
    } catch (error) {
      if (TidemarkError.is(error, errorCodes.daemonAuthenticationFailed)) await this.#options.passwordRefused();
      throw error;
    }
  }

  /** Whether the other machine's daemon has let go of its folder is its own business. */
  async gone(): Promise<void> {
    await Promise.resolve();
  }
}
