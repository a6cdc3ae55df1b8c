/** The daemon's log file, rotated by size. Lines are written at once: after a crash the last one is there. */
import { closeSync, fstatSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

import { systemCode } from '../base/files.ts';

/** Sizes of the log. */
export interface LogFileOptions {
  /** Bytes after which a new file begins. */
  readonly maxBytes?: number;
  /** Older files kept: `daemon.log.1` is the newest of them. */
  readonly keep?: number;
}

/** Where the log of a data directory lies. */
export function logFilePath(dataDirectory: string): string {
  return join(dataDirectory, 'logs', 'daemon.log');
}

/** An open log file. */
export class LogFile implements Disposable {
  readonly path: string;
  readonly #maxBytes: number;
  readonly #keep: number;
  #descriptor: number;
  #bytes: number;

  constructor(dataDirectory: string, options: LogFileOptions = {}) {
    mkdirSync(join(dataDirectory, 'logs'), { recursive: true, mode: 0o700 });
    this.path = logFilePath(dataDirectory);
    this.#maxBytes = options.maxBytes ?? 8 * 1024 * 1024;
    this.#keep = options.keep ?? 4;
    this.#descriptor = openSync(this.path, 'a', 0o600);
    this.#bytes = fstatSync(this.#descriptor).size;
  }

  /** Appends one entry. A full disk must not stop a backup that goes elsewhere: what cannot be written is dropped. */
  write(line: string): void {
    const data = Buffer.from(`${line}\n`);
    try {
      if (this.#bytes > 0 && this.#bytes + data.length > this.#maxBytes) this.#rotate();
      writeSync(this.#descriptor, data);
      this.#bytes += data.length;
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }

  #rotate(): void {
    closeSync(this.#descriptor);
    rmSync(`${this.path}.${this.#keep}`, { force: true });
    for (let number = this.#keep - 1; number >= 0; number--) {
      const from = number === 0 ? this.path : `${this.path}.${number}`;
      try {
        renameSync(from, `${this.path}.${number + 1}`);
      } catch (error) {
        if (systemCode(error) !== 'ENOENT') break;
      }
    }
    this.#descriptor = openSync(this.path, 'a', 0o600);
    this.#bytes = fstatSync(this.#descriptor).size;
  }
}
