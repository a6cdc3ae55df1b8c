/** Sends a mail through the daemon's mail server. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';

import { createTransport } from 'nodemailer';

import { oneLine } from '../../base/one-line.ts';
import type { SmtpServer } from '../../protocol/daemon.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../../protocol/errors.ts';
import { abortable, withDeadline } from '../deadline.ts';
import { BoundedSocket } from './bounded-socket.ts';
import type { MailText } from './mail-text.ts';

/** What is sent, and how. */
export interface MailPost {
  readonly server: SmtpServer;
  /** Of the server's user. */
  readonly password: string | undefined;
  /** One address. */
  readonly to: string;
  readonly mail: MailText;
  /** The same at each attempt. */
  readonly id: string;
  /** The server must have taken it after so long, ms. */
  readonly timeoutMs: number;
  /** PEM texts of whom to trust. */
  readonly ca: readonly string[];
  readonly signal: AbortSignal;
}

/**
 * What a mail server may send in all. What it has to say is some kilobytes, with its certificates; nodemailer keeps empty lines, and works through
 * them for longer the more they are.
 */
const maxReceivedBytes = 64 * 1024;

const addressPattern = /^[^\s@<>",;:\\()[\]]+@[^\s@<>",;:\\()[\]]+$/;
// oxlint-disable-next-line no-control-regex -- what no address may hold
const controls = /[\u0000-\u001F\u007F-\u009F]/;

/** Whether the text is one plain address, without a name and without anything that a header could break at. */
export function isMailAddress(text: string): boolean {
  return text.length <= 254 && addressPattern.test(text) && !controls.test(text);
}

/** Throws `TM1001` for what `isMailAddress` is not. */
export function refuseMailAddress(text: string): void {
  if (isMailAddress(text)) return;
  throw new TidemarkError(errorCodes.invalidInput, 'That is not a mail address.', {
    hint: 'Give one plain address, such as ops@example.com.',
  });
}

/** Resolves when the server has taken the mail. Throws `TM7006` with what it said, `TM1001` for what is no address. */
export async function sendMail(post: MailPost): Promise<void> {
  const { server, timeoutMs, signal } = post;
  refuseMailAddress(post.to);
  refuseMailAddress(server.from);
  const place = `${server.host}:${server.port}`;
  const late = (): TidemarkError =>
    failed(`The mail server ${place} does not take the mail within ${timeoutMs / 1000} s.`);
  await withDeadline(signal, timeoutMs, late, async (inTime) => {
    const flood = new AbortController();
    const limited = AbortSignal.any([inTime, flood.signal]);
    const tooMuch = failed(`The mail server ${place} sends more than ${maxReceivedBytes / 1024} KiB.`);
    try {
      await abortable(
        deliver(post, limited, () => flood.abort(tooMuch)),
        limited,
      );
    } catch (error) {
      throwIfAborted(limited);
      throw failed(`The mail server ${place} did not take the mail: ${reasonOf(error, post.password)}.`);
    }
  });
}

async function deliver(
  { server, password, to, mail, id, ca }: MailPost,
  signal: AbortSignal,
  onFlood: () => void,
): Promise<void> {
  const { host, port, security, user } = server;
  const transport = createTransport({
    host,
    port,
    secure: security === 'tls',
    requireTLS: security === 'starttls',
    ignoreTLS: security === 'none',
    tls: { ca: [...ca], minVersion: 'TLSv1.2', rejectUnauthorized: true },
    ...(user === undefined ? {} : { auth: { user, pass: password ?? '' } }),
    disableFileAccess: true,
    disableUrlAccess: true,
    logger: false,
    // A socket of our own: it ends when the time is over, whatever the server does.
    getSocket: (_options, done) => {
      const socket = connect({ host, port, signal });
      const onError = (error: Error): void => done(error, undefined);
      socket.once('error', onError);
      socket.once('connect', () => {
        socket.off('error', onError).on('error', () => undefined);
        const bounded = new BoundedSocket(socket, maxReceivedBytes, onFlood);
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nodemailer calls nothing else of a socket
        done(null, { connection: bounded as unknown as Socket });
      });
    },
  });
  const domain = server.from.slice(server.from.lastIndexOf('@') + 1);
  try {
    await transport.sendMail({
      from: { name: 'Tidemark', address: server.from },
      to: { name: '', address: to },
      subject: mail.subject,
      text: mail.text,
      messageId: `<${id}@${domain}>`,
      // Nobody's out-of-office message answers it (RFC 3834).
      headers: { 'Auto-Submitted': 'auto-generated' },
    });
  } finally {
    transport.close();
  }
}

/** What the server said, in one line; a server that repeats the password is not quoted with it. */
function reasonOf(error: unknown, password: string | undefined): string {
  const text = oneLine(error instanceof Error ? error.message : String(error), 400).replace(/[.\s]+$/, '');
  return password === undefined || password === '' ? text : text.replaceAll(password, '<redacted>');
}

/** Without a cause: it would hold all that the server said. */
function failed(message: string): TidemarkError {
  return new TidemarkError(errorCodes.notificationFailed, message, {
    hint: 'Check the mail server with `tidemark daemon smtp test`.',
  });
}
