/** Logging: levelled lines for the log file. Secrets never get here; `redact` is the second line of defence. */

export type LogLevel = 'debug' | 'info' | 'warning' | 'error';

/** Where log lines go. `error` is written with its whole chain of causes. */
export interface Logger {
  log(level: LogLevel, message: string, error?: unknown): void;
}

/** A logger that forgets. */
export const silentLogger: Logger = { log: () => undefined };

/** A logger that writes one line per entry with `write`. */
export function lineLogger(write: (line: string) => void): Logger {
  return {
    log(level, message, error) {
      const detail = error === undefined ? '' : `\n${describeError(error)}`;
      write(redact(`${new Date().toISOString()} ${level} ${message}${detail}`));
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

/** Blanks values that follow the names of secrets, and credentials in URLs. */
export function redact(text: string): string {
  return text
    .replace(
      /(["']?(?:password|passphrase|secret|token|proof|authorization|recoveryKey)["']?\s*[:=]\s*)("[^"]*"|'[^']*'|[^\s,}]+)/gi,
      '$1<redacted>',
    )
    .replace(/(\w+:\/\/)[^\s/@]+@/g, '$1<redacted>@');
}
