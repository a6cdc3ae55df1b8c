/**
 * Change tracking of one disk: the three bitmaps and the rules of which one answers (`docs/simulated-host.md`).
 *
 * Whatever happens to the files, the answer holds every change, or there is no answer and the disk is read in full.
 */
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';

import { trackingId } from '../../../protocol/ids.ts';
import type { TrackingId } from '../../../protocol/ids.ts';
import { EpochSet, maxEpochs } from './epochs.ts';
import type { PagedBitmap } from './paged-bitmap.ts';
import { granularities } from './tracking-format.ts';
import { TrackingFile } from './tracking-file.ts';

/** Where a disk's three bitmaps lie. */
export interface TrackerPaths {
  readonly memory: string;
  readonly rct: string;
  readonly mrt: string;
}

/** What the tracker must know of the VM: whether its RAM lives, and if not, whether `.rct` was written back before it went. */
export type TrackerMoment = 'running' | 'off-clean' | 'off-failed';

/** What became of the tracking files of a disk: the size they were made for must be the disk's. */
export interface TrackerQuery {
  readonly paths: TrackerPaths;
  readonly moment: TrackerMoment;
  readonly sizeBytes: number;
}

/** The tracking of one disk, open under its VM's lock. */
export class DiskTracker {
  readonly #paths: TrackerPaths;
  readonly #moment: TrackerMoment;
  #memory: TrackingFile | undefined;
  #rct: TrackingFile;
  #mrt: TrackingFile;

  private constructor(query: TrackerQuery, rct: TrackingFile, mrt: TrackingFile) {
    this.#paths = query.paths;
    this.#moment = query.moment;
    this.#rct = rct;
    this.#mrt = mrt;
  }

  /** Opens the tracking of a disk; undefined when a file is missing, damaged, or does not belong to the others: then nothing is known. */
  static async open(query: TrackerQuery): Promise<DiskTracker | undefined> {
    const rct = await TrackingFile.load(query.paths.rct, 'rct');
    const mrt = await TrackingFile.load(query.paths.mrt, 'mrt');
    if (rct === undefined || mrt === undefined) return undefined;
    const { guid, sizeBytes } = mrt.epochs.identity;
    const rctIdentity = rct.epochs.identity;
    if (rctIdentity.guid !== guid || rctIdentity.sizeBytes !== sizeBytes || sizeBytes !== query.sizeBytes) {
      return undefined;
    }
    const tracker = new DiskTracker(query, rct, mrt);
    if (query.moment === 'running') await tracker.#loadMemory();
    return tracker;
  }

  /** RAM that is gone or not of this session is replaced by what the `.mrt` knows: more, never less. */
  async #loadMemory(): Promise<void> {
    const memory = await TrackingFile.load(this.#paths.memory, 'memory');
    const { identity, session } = this.#mrt.epochs;
    if (
      memory !== undefined &&
      memory.epochs.identity.guid === identity.guid &&
      memory.epochs.identity.sizeBytes === identity.sizeBytes &&
      memory.epochs.session === session
    ) {
      this.#memory = memory;
      return;
    }
    const coarse = this.#mrt.epochs.convert(granularities.memory);
    this.#memory = await TrackingFile.write(this.#paths.memory, 'memory', coarse);
  }

  /** Begins to track a disk, forgetting all that was known of it. */
  static async start(query: TrackerQuery): Promise<DiskTracker> {
    await DiskTracker.discard(query.paths);
    const identity = { guid: randomBytes(16).toString('hex'), sizeBytes: query.sizeBytes };
    const epochs = (kind: 'memory' | 'rct' | 'mrt', session: number): EpochSet =>
      new EpochSet(identity, granularities[kind], session, [0]);
    const rctSession = query.moment === 'off-clean' ? 1 : 0;
    const rct = await TrackingFile.write(query.paths.rct, 'rct', epochs('rct', rctSession));
    const mrt = await TrackingFile.write(query.paths.mrt, 'mrt', epochs('mrt', 1));
    const tracker = new DiskTracker(query, rct, mrt);
    if (query.moment === 'running') {
      tracker.#memory = await TrackingFile.write(query.paths.memory, 'memory', epochs('memory', 1));
    }
    return tracker;
  }

  /** Forgets a disk's tracking: from now on every id of it is unknown. */
  static async discard(paths: TrackerPaths): Promise<void> {
    // The .mrt first: without it no other file is believed.
    for (const path of [paths.mrt, paths.rct, paths.memory]) await rm(path, { force: true });
  }

  /** The files whose bits count now; the first answers queries. */
  #current(): readonly [TrackingFile, ...TrackingFile[]] {
    if (this.#memory !== undefined) return [this.#memory, this.#mrt];
    if (this.#moment === 'off-clean' && this.#rct.epochs.session === this.#mrt.epochs.session) {
      return [this.#rct, this.#mrt];
    }
    return [this.#mrt];
  }

  /** Bytes per bit of the bitmap that answers now. */
  get granularity(): number {
    return this.#current()[0].epochs.granularity;
  }

  /** Records guest writes; when it resolves, they are marked in RAM and, written through, in the `.mrt`. The VM must run. */
  async mark(writes: Iterable<{ readonly offset: number; readonly length: number }>): Promise<void> {
    const files = this.#current();
    for (const { offset, length } of writes) {
      for (const file of files) file.mark(offset, length);
    }
    for (const file of files.toReversed()) await file.flush();
  }

  /** Ends the epoch and gives the id of this moment; ids not in `needed` are forgotten. Undefined when there are too many ids to keep. */
  async seal(needed: Iterable<TrackingId>): Promise<TrackingId | undefined> {
    const files = this.#current();
    const keep = this.#ordinals(needed);
    const ordinal = Math.max(...files.map((file) => file.epochs.live)) + 1;
    for (const file of files) {
      file.epochs.seal(ordinal);
      file.epochs.retain(keep);
      if (file.epochs.ordinals.length > maxEpochs) return undefined;
    }
    await this.#replace(files);
    return this.#id(ordinal);
  }

  /** Forgets the ids that are not in `needed`. */
  async retain(needed: Iterable<TrackingId>): Promise<void> {
    const files = this.#current();
    const keep = this.#ordinals(needed);
    const before = files.map((file) => file.epochs.ordinals.length);
    for (const file of files) file.epochs.retain(keep);
    if (files.some((file, at) => file.epochs.ordinals.length !== before[at])) await this.#replace(files);
  }

  /** What changed between the moments of two ids; undefined when either is not known. */
  changes(since: TrackingId, until: TrackingId): PagedBitmap | undefined {
    const from = this.#ordinal(since);
    const to = this.#ordinal(until);
    if (from === undefined || to === undefined) return undefined;
    return this.#current()[0].epochs.changes(from, to);
  }

  /** The VM is being switched on: RAM is loaded from the file that knows most. The caller writes the VM's state afterwards. */
  async powerOn(): Promise<void> {
    const [best] = this.#current();
    const session = this.#mrt.epochs.session + 1;
    const memory = best.epochs.convert(granularities.memory);
    memory.session = session;
    this.#memory = await TrackingFile.write(this.#paths.memory, 'memory', memory);
    // From here the .rct is stale: its session is not the .mrt's any more.
    this.#mrt.epochs.session = session;
    this.#mrt = await TrackingFile.write(this.#paths.mrt, 'mrt', this.#mrt.epochs);
  }

  /** The VM is being switched off in order: RAM is written back. The caller writes the VM's state, then calls `forgetMemory`. */
  async powerOff(): Promise<void> {
    const [memory] = this.#current();
    this.#rct = await TrackingFile.write(this.#paths.rct, 'rct', memory.epochs.convert(granularities.rct));
  }

  async #replace(files: readonly TrackingFile[]): Promise<void> {
    for (const file of files) {
      const written = await TrackingFile.write(file.path, file.kind, file.epochs);
      if (file.kind === 'memory') this.#memory = written;
      else if (file.kind === 'rct') this.#rct = written;
      else this.#mrt = written;
    }
  }

  #id(ordinal: number): TrackingId {
    const { guid } = this.#mrt.epochs.identity;
    const parts = [guid.slice(0, 8), guid.slice(8, 12), guid.slice(12, 16), guid.slice(16, 20), guid.slice(20)];
    return trackingId(`rctX:${parts.join(':')}:${ordinal.toString(16).padStart(8, '0')}`, 'trackingId');
  }

  #ordinal(id: TrackingId): number | undefined {
    const match = /:([0-9a-f]{8})$/.exec(id);
    const ordinal = match === null ? Number.NaN : Number.parseInt(match[1] ?? '', 16);
    return ordinal >= 1 && this.#id(ordinal) === id ? ordinal : undefined;
  }

  #ordinals(ids: Iterable<TrackingId>): ReadonlySet<number> {
    const found = new Set<number>();
    for (const id of ids) {
      const ordinal = this.#ordinal(id);
      if (ordinal !== undefined) found.add(ordinal);
    }
    return found;
  }
}
