/**
 * The changes of one disk, by epoch. An epoch begins when a checkpoint seals a tracking id and ends when the next one
 * does; the last epoch is the one the guest writes in. What changed between two ids is the union of the epochs between.
 */
import { PagedBitmap } from './paged-bitmap.ts';

/** Epochs one tracking file can hold: what fits in its header page. */
export const maxEpochs = 960;

/** What identifies a disk's tracking: another GUID is another tracking, whose ids say nothing about this one. */
export interface TrackingIdentity {
  /** 32 lower-case hex digits. */
  readonly guid: string;
  readonly sizeBytes: number;
}

/** The epochs of a disk at one granularity. */
export class EpochSet {
  readonly identity: TrackingIdentity;
  readonly granularity: number;
  /** Counts the times the VM was switched on: tells a stale `.rct` from a current one. */
  session: number;
  /** The number of each epoch's tracking id, ascending, with the epoch's bitmap. Never empty. */
  readonly #epochs: Map<number, PagedBitmap>;

  constructor(identity: TrackingIdentity, granularity: number, session: number, ordinals: readonly number[]) {
    this.identity = identity;
    this.granularity = granularity;
    this.session = session;
    this.#epochs = new Map(ordinals.map((ordinal) => [ordinal, new PagedBitmap(granularity)]));
  }

  get ordinals(): readonly number[] {
    return [...this.#epochs.keys()];
  }

  /** The ordinal of the epoch the guest writes in. */
  get live(): number {
    let last = 0;
    for (const ordinal of this.#epochs.keys()) last = ordinal;
    return last;
  }

  epoch(ordinal: number): PagedBitmap | undefined {
    return this.#epochs.get(ordinal);
  }

  /** Records a guest write; returns the changed pages of the live epoch's bitmap. */
  mark(offset: number, length: number): readonly number[] {
    return this.#epochs.get(this.live)?.mark(offset, length) ?? [];
  }

  /** Begins a new epoch under `ordinal`, which must be greater than all before. */
  seal(ordinal: number): void {
    this.#epochs.set(ordinal, new PagedBitmap(this.granularity));
  }

  /** Forgets ids nobody needs: their changes go to the id before them, or nowhere when there is none. The live epoch stays. */
  retain(needed: ReadonlySet<number>): void {
    const live = this.live;
    let previous: PagedBitmap | undefined;
    for (const [ordinal, bitmap] of this.#epochs) {
      if (ordinal === live || needed.has(ordinal)) {
        previous = bitmap;
        continue;
      }
      previous?.add(bitmap);
      this.#epochs.delete(ordinal);
    }
  }

  /** Everything that changed from the moment of `since` to the moment of `until`; undefined when either is not known. */
  changes(since: number, until: number): PagedBitmap | undefined {
    if (!this.#epochs.has(since) || !this.#epochs.has(until) || since > until) return undefined;
    const union = new PagedBitmap(this.granularity);
    for (const [ordinal, bitmap] of this.#epochs) {
      if (ordinal >= since && ordinal < until) union.add(bitmap);
    }
    return union;
  }

  /** The same changes at another granularity. */
  convert(granularity: number): EpochSet {
    const copy = new EpochSet(this.identity, granularity, this.session, this.ordinals);
    for (const [ordinal, bitmap] of this.#epochs) copy.epoch(ordinal)?.add(bitmap);
    return copy;
  }
}
