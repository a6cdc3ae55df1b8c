/** Logging: levelled lines for the log file. Secrets never get here; `redact` is the second line of defence. */

export type LogLevel = 'debug' | 'info' | 'warning' | 'error';

/** Where log lines go. `error` is written with its whole chain of causes. */
export interface Logger {
  log(level: LogLevel, message: string, error?: unknown): void;
}

/** A logger that forgets. */
export const silentLogger: Logger = { log: () => undefined };

// What moves a cursor, rings a bell or turns the direction of writing; line ends are looked at apart.
// oxlint-disable-next-line no-control-regex -- it is about those
const notText = /[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u202A-\u202E\u2066-\u2069]+/g;
const lineEnd = /\r\n|[\n\r\u0085\u2028\u2029]/g;

/** A logger that writes an entry with `write`: one line, and what tells more of an error indented below it. Names of VMs are texts of others, and must not look like entries. */
export function lineLogger(write: (line: string) => void): Logger {
  const plain = (text: string, end: string): string => redact(text).replaceAll(lineEnd, end).replaceAll(notText, ' ');
  return {
    log(level, message, error) {
      const detail = error === undefined ? '' : `\n  ${plain(describeError(error), '\n  ')}`;
      write(`${new Date().toISOString()} ${level} ${plain(message, ' ')}${detail}`);
    },
  };
}

/** An error with its causes and stacks, for the log only. */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  let current: unknown = error;
  for (let depth = 0; current !== undefined && depth < 8; depth++) {
    if (current instanceof Error) {
      parts.push(current.stack ?? String(current));
      current = current.cause;
    } else {
      parts.push(typeof current === 'string' ? current : JSON.stringify(current));
      current = undefined;
    }
  }
  return parts.join('\ncaused by: ');
}

/** Blanks values that follow the names of secrets, and credentials in URLs. Takes time in proportion to the text, whatever it is. */
export function redact(text: string): string {
  return text
    .replace(
      /(["']?(?:password|passphrase|secret|token|proof|authorization|recoveryKey)["']?\s*[:=]\s*)("[^"]*"|'[^']*'|[^\s,}]+)/gi,
      '$1<redacted>',
    )
    .replace(/(\w{1,32}:\/\/)[^\s/@]+@/g, '$1<redacted>@');
}
