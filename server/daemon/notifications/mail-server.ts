/** The mail server that the daemon is set up with. */
import { isIP } from 'node:net';

import type { SmtpServer } from '../../protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { PasswordSource } from '../password-source.ts';
import type { SecretStore } from '../secrets.ts';
import type { NotificationStore } from '../store/notification-store.ts';
import { isMailAddress } from './mail.ts';

/** The part of the secrets that it needs. */
export type MailSecrets = Pick<SecretStore, 'find' | 'read' | 'set' | 'delete' | 'keepOutOfLogs'>;

const secretName = 'smtp';

/** Setting, its password among the secrets. */
export class MailServer {
  readonly #store: Pick<NotificationStore, 'smtpServer' | 'setSmtpServer'>;
  readonly #secrets: MailSecrets;

  constructor(store: Pick<NotificationStore, 'smtpServer' | 'setSmtpServer'>, secrets: MailSecrets) {
    this.#store = store;
    this.#secrets = secrets;
  }

  get(): { readonly server?: SmtpServer; readonly hasPassword: boolean } {
    const server = this.#store.smtpServer();
    const hasPassword = this.#secrets.find('mail', secretName) !== undefined;
    return server === undefined ? { hasPassword } : { server, hasPassword };
  }

  /**
   * Sets or removes it. Without a password the one that is kept stays when host and user stay: it is never sent to another server
   * than the one it was given for. Throws `TM1001` when the parts do not fit together.
   */
  async set(server: SmtpServer | undefined, password: PasswordSource | undefined): Promise<void> {
    const before = this.#store.smtpServer();
    if (server !== undefined) refuseImpossible(server);
    const stays = server?.user !== undefined && before?.host === server.host && before.user === server.user;
    const kept = stays ? this.#secrets.find('mail', secretName) : undefined;
    const next = server?.user === undefined ? undefined : (password ?? kept);
    if (server?.user === undefined && password !== undefined) {
      throw invalid('A password without a user is of no use.', 'Give the user that the mail server knows.');
    }
    if (server?.user !== undefined && next === undefined) {
      throw invalid('A password is needed.', 'Give the password of the user at the mail server.');
    }
    // In this order no crash leaves a password that goes to a server it was not given for.
    if (kept === undefined) {
      this.#store.setSmtpServer(undefined);
      await this.#secrets.delete('mail', secretName);
    }
    if (next !== undefined) await this.#secrets.set('mail', secretName, next);
    this.#store.setSmtpServer(server);
  }

  /** The server and its password now. Throws `TM7006` when none is set up, `TM1003` and `TM5205` when the password cannot be had. */
  async open(signal: AbortSignal): Promise<{ readonly server: SmtpServer; readonly password: string | undefined }> {
    const server = this.#store.smtpServer();
    if (server === undefined) {
      throw new TidemarkError(errorCodes.notificationFailed, 'No mail server is set up.', {
        hint: 'Set one up with `tidemark daemon smtp set`.',
      });
    }
    if (server.user === undefined) return { server, password: undefined };
    return { server, password: await this.#secrets.read('mail', secretName, signal) };
  }
}

const hostPattern = /^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$/;

function refuseImpossible(server: SmtpServer): void {
  if (isIP(server.host) === 0 && !hostPattern.test(server.host)) {
    throw invalid(`"${server.host}" is not the name of a mail server.`, 'Give a name such as mail.example.com.');
  }
  if (!isMailAddress(server.from)) {
    throw invalid('The sender is not a mail address.', 'Give one plain address, such as backup@example.com.');
  }
  if (server.security === 'none' && server.user !== undefined && !isLoopback(server.host)) {
    throw invalid(
      'A password is not sent over a connection that is not encrypted.',
      'Choose tls or starttls, or leave the user out.',
    );
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function invalid(message: string, hint: string): TidemarkError {
  return new TidemarkError(errorCodes.invalidInput, message, { hint });
}
