/** Opening what an agent writes about itself. */
import { describeError } from '../base/log.ts';
import type { Logger } from '../base/log.ts';
import { RotatingFile } from '../base/rotating-file.ts';
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import { AuditFile } from './audit.ts';

/** Opens the log file of an agent; `onFailure` gets a line when it cannot be written later. Throws `TM1003`. */
export function openLogFile(path: string, onFailure: (line: string) => void): RotatingFile {
  const tell = (error: unknown): void => onFailure(`The log file cannot be written: ${describeError(error)}`);
  return opened(path, 'log file', () => new RotatingFile(path, { onFailure: tell }));
}

/** Opens the audit log; `log` is told when it cannot be written later. Throws `TM1003`. */
export function openAuditFile(path: string, log: Logger): AuditFile {
  return opened(path, 'audit log', () => new AuditFile(path, log));
}

function opened<T>(path: string, what: string, open: () => T): T {
  try {
    return open();
  } catch (error) {
    throw new TidemarkError(errorCodes.invalidFile, `The ${what} ${path} cannot be opened.`, {
      hint: 'The account that the agent runs under must be able to write there.',
      cause: error,
    });
  }
}
