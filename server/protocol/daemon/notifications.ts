/** Who is told how runs of policies ended: the mail server, and what became of messages. */
import { request } from '../message.ts';
import * as model from '../model.ts';
import { boolean, integer, object, oneOf, optional, string } from '../parse.ts';
import type { Parsed } from '../parse.ts';
import { passwordFields } from './passwords.ts';

const nothing = object({});

export const smtpServer = object({
  host: string({ maxLength: 253 }),
  port: integer(1, 65_535),
  /** `tls`: from the first byte; `starttls`: before anything else is said, and required; `none`: not encrypted. */
  security: oneOf('tls', 'starttls', 'none'),
  /** Whom mails are from. */
  from: string({ maxLength: 254 }),
  user: optional(string({ maxLength: 256 })),
});
/** The mail server that notifications go through. Its password is a secret of the daemon. */
export type SmtpServer = Parsed<typeof smtpServer>;

export const notificationState = oneOf('waiting', 'delivered', 'failed');
export const notificationInfo = object({
  channel: oneOf('webhook', 'email'),
  /** The address; of a webhook only the server, since the rest may be a secret. */
  target: string({ maxLength: 2048 }),
  state: notificationState,
  attempts: integer(),
  /** When it is tried again; while it waits. */
  nextAttemptAt: optional(model.timestamp),
  deliveredAt: optional(model.timestamp),
  error: optional(model.errorReport),
});
/** What became of one message. */
export type NotificationInfo = Parsed<typeof notificationInfo>;

export const getSmtpServer = request(
  'tidemark/notification/getSmtp',
  nothing,
  object({ server: optional(smtpServer), hasPassword: boolean }),
);
/** Without a `server` mails are not sent any more. Without a password the one that is kept stays, when host and user stay. */
export const setSmtpServer = request(
  'tidemark/notification/setSmtp',
  object({ server: optional(smtpServer), ...passwordFields }),
  nothing,
);
/** Sends a message now, once. Throws `TM7006` with what the other side said. */
export const testNotification = request(
  'tidemark/notification/test',
  object({ channel: oneOf('webhook', 'email'), target: string({ maxLength: 2048 }) }),
  nothing,
);
