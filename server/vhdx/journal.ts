/** Brings changed table and bitmap sectors into a VHDX through its log, so that a crash leaves all of a batch or none. */
import { unsupported } from './errors.ts';
import { newGuid, zeroGuid } from './guid.ts';
import type { Guid } from './guid.ts';
import { MiB, updateHeader } from './header.ts';
import type { CurrentHeader, VhdxHeader } from './header.ts';
import { encodeEntry, firstSectorDescriptors } from './log-entry.ts';
import type { RandomFile } from './random-file.ts';
import type { SectorCache } from './sector-cache.ts';

/**
 * Sectors that one batch may change: one entry, and two entries fit into the smallest log side by side. So a new entry
 * never lies on the one before it, which a torn write of the new one leaves as the newest.
 */
export const maxBatchSectors = firstSectorDescriptors;

/** The header and the log of a VHDX that is being written. */
export class Journal {
  readonly #file: RandomFile;
  readonly #sectors: SectorCache;
  readonly #guid: Guid = newGuid();
  #header: CurrentHeader;
  #position = 0;
  #sequence = 1n;

  /** Throws `TM3004` for a file without room for a log. The log must have been replayed. */
  constructor(file: RandomFile, header: CurrentHeader, sectors: SectorCache) {
    if (header.logBytes < MiB) throw unsupported(file.path, 'it has no log');
    this.#file = file;
    this.#header = header;
    this.#sectors = sectors;
  }

  get header(): VhdxHeader {
    return this.#header;
  }

  /** Changes GUIDs of the header, durably. */
  async stamp(changes: Partial<Pick<VhdxHeader, 'fileWriteGuid' | 'dataWriteGuid'>>): Promise<void> {
    this.#header = await updateHeader(this.#file, this.#header, changes);
  }

  /** Makes durable what was written to blocks, then what refers to it. */
  async commit(): Promise<void> {
    const sectors = this.#sectors.dirty();
    if (sectors.length === 0) {
      await this.#file.sync();
      return;
    }
    const isNamed = this.#header.logGuid === this.#guid;
    // Payload must be durable before an entry that refers to it counts. The first entry counts only when the header names its log.
    if (isNamed) await this.#file.sync();
    const megabytes = (await this.#file.size()) / MiB;
    const header = {
      tail: this.#position,
      sequence: this.#sequence,
      logGuid: this.#guid,
      flushedFileBytes: Math.floor(megabytes) * MiB,
      lastFileBytes: Math.ceil(megabytes) * MiB,
    };
    await this.#append(encodeEntry(header, sectors));
    await this.#file.sync();
    if (!isNamed) this.#header = await updateHeader(this.#file, this.#header, { logGuid: this.#guid });
    // Not synced here: the next commit does it before it writes its entry, whose tail then leaves this one behind.
    for (const { offset, data } of sectors) await this.#file.write(data, offset);
    this.#sectors.settle();
  }

  async #append(entry: Buffer): Promise<void> {
    const { logOffset, logBytes } = this.#header;
    const before = Math.min(entry.length, logBytes - this.#position);
    await this.#file.write(entry.subarray(0, before), logOffset + this.#position);
    if (before < entry.length) await this.#file.write(entry.subarray(before), logOffset);
    this.#position = (this.#position + entry.length) % logBytes;
    this.#sequence += 1n;
  }

  /** Commits and marks the log as empty. */
  async finish(): Promise<void> {
    await this.commit();
    if (this.#header.logGuid === zeroGuid) return;
    await this.#file.sync();
    this.#header = await updateHeader(this.#file, this.#header, { logGuid: zeroGuid });
  }
}
