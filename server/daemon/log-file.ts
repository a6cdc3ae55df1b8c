/** Where the daemon's log lies. */
import { join } from 'node:path';

import { RotatingFile } from '../base/rotating-file.ts';

/** The log file of a data directory. */
export function logFilePath(dataDirectory: string): string {
  return join(dataDirectory, 'logs', 'daemon.log');
}

/** Opens it, rotated by size. */
export function openLogFile(dataDirectory: string): RotatingFile {
  return new RotatingFile(logFilePath(dataDirectory));
}
