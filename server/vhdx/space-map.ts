/** Which parts of a file are taken, in MiB: finds structures that overlap. */
import { corrupt, truncated, unsupported } from './errors.ts';
import { MiB } from './header.ts';
import type { Region } from './region-table.ts';

/** No VHDX of 64 TiB needs more; it bounds the map to 10 MiB. */
const maxFileBytes = 80 * 1024 ** 4;

/** A map of a file's space. */
export class SpaceMap {
  readonly #path: string;
  readonly #fileBytes: number;
  readonly #taken: Uint8Array;
  #end = 0;

  /** Throws `TM3004` for a file larger than any VHDX. */
  constructor(path: string, fileBytes: number) {
    if (fileBytes > maxFileBytes) throw unsupported(path, `it is ${fileBytes} bytes large`);
    this.#path = path;
    this.#fileBytes = fileBytes;
    this.#taken = new Uint8Array(Math.ceil(fileBytes / MiB / 8) + 1);
  }

  /** Where the last thing that was placed ends. */
  get end(): number {
    return this.#end;
  }

  /** Takes a place; its last `unused` bytes may be missing from the file. Throws `TM3002` when it is taken or out of place, `TM3003` when it lies past the end. */
  claim({ offset, length }: Region, what: string, unused = 0): void {
    if (offset % MiB !== 0 || offset < MiB) throw corrupt(this.#path, `${what} lies at byte ${offset}`);
    if (offset + length - unused > this.#fileBytes) throw truncated(this.#path, `${what} lies past its end`);
    const first = offset / MiB;
    const last = Math.min(Math.ceil((offset + length) / MiB), this.#taken.length * 8);
    for (let at = first; at < last; at++) {
      const bit = 1 << (at & 7);
      const byte = this.#taken[at >>> 3] ?? 0;
      if ((byte & bit) !== 0) throw corrupt(this.#path, `${what} overlaps something else at byte ${at * MiB}`);
      this.#taken[at >>> 3] = byte | bit;
    }
    this.#end = Math.max(this.#end, offset + length);
  }

  /** Keeps in mind that something that takes no space refers to the file up to `end`. */
  note(end: number): void {
    if (end <= this.#fileBytes) this.#end = Math.max(this.#end, end);
  }
}
