/**
 * The audit log: who logged in, and what was done to which VM, one JSON object a line. docs/user-guide.md lists the events. Writing it never stops a backup: what cannot be
 * written is told in the agent's log.
 */
import { RotatingFile } from '../base/rotating-file.ts';
import type { RotatingFileOptions } from '../base/rotating-file.ts';
import type { Logger } from '../base/log.ts';

/** What the audit log tells of. */
export type AuditAction =
  | 'agent-started'
  | 'agent-stopped'
  | 'login'
  | 'session-opened'
  | 'session-closed'
  | 'checkpoint-created'
  | 'checkpoint-removed'
  | 'checkpoint-converted'
  | 'reference-point-removed'
  | 'export-opened'
  | 'export-closed'
  | 'restore-begun'
  | 'restore-committed'
  | 'restore-aborted';

/** What else a line says. */
export type AuditDetails = Readonly<Record<string, string | number | undefined>>;

/** One line: the action, how it ended (`ok`, an error code, or why a login failed), and what it was about. */
export interface AuditEvent {
  readonly action: AuditAction;
  readonly result: string;
  readonly [detail: string]: string | number | undefined;
}

/** Where audit events go. */
export interface AuditLog {
  note(event: AuditEvent): void;
}

/** An audit log that keeps nothing. */
export const noAudit: AuditLog = { note: () => undefined };

/** Older files kept: with the current one at most 80 MiB, some 300,000 lines. */
const keep = 9;
const maxTextLength = 256;

// What JSON may hold unescaped, and what viewers take for an end of line, a command to the terminal or a turn of direction all the same.
const notPlain = /[\u007F-\u009F\u2028\u2029\u200E\u200F\u202A-\u202E\u2066-\u2069\uFEFF]/g;

/** One event as its line of the log, without the end of the line: ASCII controls, line ends and directions of Unicode are escaped, long texts cut. */
export function auditLine(event: AuditEvent, time: Date): string {
  const plain = Object.entries(event).map(([name, value]) => [
    name,
    typeof value === 'string' && value.length > maxTextLength ? `${value.slice(0, maxTextLength)}…` : value,
  ]);
  const text = JSON.stringify({ time: time.toISOString(), ...Object.fromEntries(plain) });
  return text.replaceAll(notPlain, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** An audit log in a file that is rotated by size. Throws the system's error when the file cannot be opened at all. */
export class AuditFile implements AuditLog, Disposable {
  readonly #file: RotatingFile;
  readonly #now: () => Date;

  constructor(
    path: string,
    log: Logger,
    options: Omit<RotatingFileOptions, 'onFailure'> & { readonly now?: () => Date } = {},
  ) {
    const { now, ...sizes } = options;
    this.#now = now ?? (() => new Date());
    this.#file = new RotatingFile(path, {
      keep,
      ...sizes,
      onFailure: (error) =>
        log.log('error', `the audit log ${path} cannot be written; backups go on without it`, error),
    });
  }

  note(event: AuditEvent): void {
    this.#file.write(auditLine(event, this.#now()));
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}
