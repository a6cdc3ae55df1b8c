/** What the daemon remembers of messages: an outbox that survives its end. Everything is durable when a method returns. */
import type { NotificationInfo, SmtpServer } from '../../protocol/daemon.ts';
import type { ErrorReport } from '../../protocol/errors.ts';
import type { RunId } from '../../protocol/ids.ts';

export type NotificationChannel = NotificationInfo['channel'];

/** A message before it is in the outbox. */
export interface NewNotification {
  /** The same at every attempt, so that receivers can tell a message that comes twice. */
  readonly id: string;
  readonly channel: NotificationChannel;
  /** The whole address, which may hold a secret: never shown, never in a log. */
  readonly target: string;
  /** What is sent. */
  readonly body: string;
}

/** A message that waits. */
export interface WaitingNotification extends NewNotification {
  readonly run: RunId;
  readonly attempts: number;
  /** Ms since 1970. */
  readonly nextAttemptMs: number;
  /** Since when it waits, ms since 1970. */
  readonly addedMs: number;
}

/** What became of a message of a run. */
export interface StoredNotification extends Omit<NotificationInfo, 'target'> {
  /** The whole address. */
  readonly target: string;
}

/** What `due` leaves out. */
export interface PassedOver {
  readonly ids: readonly string[];
  /** Addresses of webhooks. */
  readonly webhooks: readonly string[];
  readonly mails: boolean;
}

/** The outbox, and the mail server. Times are ms since 1970. */
export interface NotificationStore {
  /** Takes in what is to be said of the end of a run, all or nothing, and marks the run; a run that is marked already is left alone. */
  add(run: RunId, messages: readonly NewNotification[], nowMs: number): void;
  /** Ended runs of policies whose end nobody has looked at yet: the daemon ended before it could. */
  untold(): readonly RunId[];
  /** The one longest due at `nowMs`, also one due after `latestMs`, which a clock that was wrong has put there; undefined when there is none. */
  due(nowMs: number, latestMs: number, without: PassedOver): WaitingNotification | undefined;
  /** How many wait. */
  waiting(): number;
  /** When the next one that is not due at `nowMs` will be; undefined when there is none. */
  nextDueMs(nowMs: number): number | undefined;
  delivered(id: string, attempts: number, atMs: number): void;
  /** Without `nextAttemptMs` it is given up. One that is given up already stays so. */
  failed(id: string, attempts: number, error: ErrorReport, nextAttemptMs: number | undefined): void;
  /** Of the messages that wait for one address the newest `keep` stay; the others are given up with this error. Returns how many. */
  giveUpOldest(address: Pick<NewNotification, 'channel' | 'target'>, keep: number, error: ErrorReport): number;
  /** In the order they were added. */
  ofRun(run: RunId, limit: number): readonly StoredNotification[];
  /** Forgets what runs that are not in the history any more had to say; what waits stays. */
  trim(): void;

  smtpServer(): SmtpServer | undefined;
  setSmtpServer(server: SmtpServer | undefined): void;
}
