/** Takes a `write` with its `data` frames and `end`: one disk of a restore. */
import { violation } from '../base/frames.ts';
import { frameEncoding } from '../protocol/data.ts';
import type { FrameHeader } from '../protocol/data.ts';
import { throwIfAborted } from '../protocol/errors.ts';
import type { DiskWriter } from './provider.ts';
import type { Scope } from './session.ts';

/** A disk being written. After a failure it drops what is still on its way. */
export class RestoreWriter {
  readonly request: number;
  readonly #scope: Scope | undefined;
  readonly #leave: (() => void) | undefined;
  #disk: DiskWriter | undefined;

  private constructor(request: number, open?: { scope: Scope; leave: () => void; disk: DiskWriter }) {
    this.request = request;
    this.#scope = open?.scope;
    this.#leave = open?.leave;
    this.#disk = open?.disk;
  }

  /** A writer of an open disk; `leave` is called once when it is closed. */
  static open(request: number, scope: Scope, leave: () => void, disk: DiskWriter): RestoreWriter {
    return new RestoreWriter(request, { scope, leave, disk });
  }

  /** A writer whose disk could not be opened: it drops everything up to the `end`. */
  static broken(request: number): RestoreWriter {
    return new RestoreWriter(request);
  }

  /** Whether it still writes; false after a failure. */
  get healthy(): boolean {
    return this.#disk !== undefined;
  }

  /** Writes the payload of a data frame. Throws the reason when the restore was aborted. */
  async write(header: FrameHeader, payload: Buffer): Promise<void> {
    if (this.#disk === undefined) return;
    throwIfAborted(this.#scope?.signal);
    if (header.encoding !== frameEncoding.raw || header.rawBytes !== payload.length || payload.length === 0) {
      throw violation('a chunk to write that is not raw');
    }
    await this.#disk.write(payload, header.offset);
    if (this.#scope !== undefined) this.#scope.bytes += payload.length;
  }

  /** Makes all of it durable and closes the disk. */
  async finish(): Promise<void> {
    if (this.#disk === undefined) return;
    throwIfAborted(this.#scope?.signal);
    await this.#disk.flush();
    await this.close();
  }

  /** Closes the disk; whatever comes later is dropped. Closing twice does nothing. */
  async close(): Promise<void> {
    const disk = this.#disk;
    if (disk === undefined) return;
    this.#disk = undefined;
    try {
      await disk.close();
    } finally {
      this.#leave?.();
    }
  }
}
