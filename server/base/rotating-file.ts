/** A file of lines, rotated by size: logs. Lines are written at once: after a crash the last one is there. */
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

import { systemCode } from './files.ts';

/** Sizes, and whom to tell. */
export interface RotatingFileOptions {
  /** Bytes after which a new file begins; default 8 MiB. */
  readonly maxBytes?: number;
  /** Older files kept, default 4: `FILE.1` is the newest of them. */
  readonly keep?: number;
  /** Called with the first of a row of failures (a full disk), not with each. */
  readonly onFailure?: (error: unknown) => void;
}

/** An open file. */
export class RotatingFile implements Disposable {
  readonly path: string;
  readonly #maxBytes: number;
  readonly #keep: number;
  readonly #onFailure: (error: unknown) => void;
  #descriptor: number | undefined;
  #bytes = 0;
  #failing = false;
  #disposed = false;

  get #aside(): string {
    return `${this.path}.rotating`;
  }

  /** Opens `path` (mode 0600), and makes its folder (mode 0700) when it is missing. Throws the system's error. */
  constructor(path: string, options: RotatingFileOptions = {}) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    this.path = path;
    this.#maxBytes = options.maxBytes ?? 8 * 1024 * 1024;
    this.#keep = options.keep ?? 4;
    this.#onFailure = options.onFailure ?? (() => undefined);
    // Left by a crash in the middle of a rotation.
    if (existsSync(this.#aside)) this.#shift();
    this.#open();
  }

  /** Appends one entry. A full disk must not stop a backup that goes elsewhere: what cannot be written is dropped, and what comes after the end. */
  write(line: string): void {
    if (this.#disposed) return;
    const data = Buffer.from(`${line}\n`);
    try {
      if (this.#bytes > 0 && this.#bytes + data.length > this.#maxBytes) this.#rotate();
      const descriptor = this.#descriptor ?? this.#open();
      let written = 0;
      while (written < data.length) written += writeSync(descriptor, data, written);
      this.#bytes += data.length;
      this.#failing = false;
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      if (this.#failing) return;
      this.#failing = true;
      this.#onFailure(error);
    }
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#close();
  }

  #close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #open(): number {
    const descriptor = openSync(this.path, 'a', 0o600);
    this.#descriptor = descriptor;
    this.#bytes = fstatSync(descriptor).size;
    return descriptor;
  }

  /** First out of the way, and only then the older ones move: a file that somebody holds open (on Windows) must not cost them. */
  #rotate(): void {
    this.#close();
    try {
      renameSync(this.path, this.#aside);
      this.#shift();
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
    }
    this.#open();
    // When it could not be moved, it is tried again after as many bytes.
    this.#bytes = 0;
  }

  #shift(): void {
    rmSync(`${this.path}.${this.#keep}`, { force: true });
    for (let number = this.#keep - 1; number >= 1; number--)
      moveIfThere(`${this.path}.${number}`, `${this.path}.${number + 1}`);
    renameSync(this.#aside, `${this.path}.1`);
  }
}

function moveIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
}
