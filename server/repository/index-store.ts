/** The index of a repository: segments in `index/`, loaded into one `ChunkIndex`, written, merged and rebuilt from packs. */
import { hash } from 'node:crypto';

import { Mutex } from '../base/concurrency.ts';
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import type { StorageBackend } from './backend.ts';
import { ChunkIndex } from './chunk-index.ts';
import type { NewPack, RescanResult, SegmentState } from './core.ts';
import { decodeSegment, encodeSegment } from './index-segment.ts';
import type { Segment, SegmentPack } from './index-segment.ts';
import { indexPacks, segmentGroups } from './index-export.ts';
import { IndexMarks } from './index-marks.ts';
import { checkToc, packName } from './pack-toc.ts';
import { scanPacks } from './pack-scan.ts';
import { maxSealedBytes, sealedKind } from './sealed-file.ts';
import type { FileSealer } from './sealed-file.ts';
import { fileMissing } from './storage-errors.ts';

const folder = 'index';
const logicalName = 'index';
const segmentName = /^index\/[0-9a-f]{64}$/;
/** More segments than this are merged when the next one is written: opening reads each. */
const maxSegments = 48;
/** Times a refresh begins anew because segments vanished under it. */
const maxAttempts = 5;

/** Loads and writes index segments. */
export class IndexStore {
  readonly #backend: StorageBackend;
  readonly #sealer: FileSealer;
  readonly #warn: (text: string) => void;
  readonly #mutex = new Mutex();
  /** Durable packs that no segment names yet. */
  readonly #pending = new Map<string, SegmentPack>();
  #index = new ChunkIndex();
  #marks = new IndexMarks();
  /** By file; superseded ones are not among them. */
  #segments = new Map<string, SegmentState>();
  #superseded = new Set<string>();
  /** Damaged segments whose packs were found by a scan: they may be superseded. */
  #rebuilt = new Set<string>();

  constructor(backend: StorageBackend, sealer: FileSealer, warn: (text: string) => void) {
    this.#backend = backend;
    this.#sealer = sealer;
    this.#warn = warn;
  }

  get index(): ChunkIndex {
    return this.#index;
  }

  get segments(): readonly SegmentState[] {
    return [...this.#segments.values()];
  }

  /** Whether segments are so many that they should be merged. */
  get needsMerge(): boolean {
    return this.#segments.size > maxSegments;
  }

  /** Takes in segments that others wrote. Damaged ones are told to `warn` and rebuilt from the packs. */
  async refresh(signal: AbortSignal): Promise<void> {
    await this.#mutex.run(async () => {
      await this.#forgetVanished(signal);
      for (let attempt = 1; !(await this.#load(signal)); attempt++) {
        if (attempt === maxAttempts) {
          throw new TidemarkError(
            errorCodes.repositoryUnavailable,
            'The index of the repository changes all the time.',
            {
              hint: 'Try again in a moment.',
            },
          );
        }
      }
      const damaged = [...this.#segments.values()].filter(
        ({ error, file }) => error !== undefined && !this.#rebuilt.has(file),
      );
      if (damaged.length === 0) return;
      await this.#scan(signal);
      for (const { file } of damaged) this.#rebuilt.add(file);
    });
  }

  /** See `RepositoryCore.rescanPacks`. */
  async rescan(signal: AbortSignal): Promise<RescanResult> {
    return this.#mutex.run(async () => this.#scan(signal));
  }

  /** Takes in a durable pack. Throws `TM4008`. */
  addPack({ packId, kind, toc, fileBytes }: NewPack): void {
    checkToc(toc, kind, fileBytes, packName(kind, packId));
    if (this.#index.pack(packId) !== undefined) return;
    this.#take(this.#index, { packId, kind, toc, fileBytes });
    this.#pending.set(packId, { packId, kind, toc, fileBytes });
  }

  /** Marks what `marks` says and nothing else, also of packs that are taken in from now on. */
  mark(marks: IndexMarks): void {
    this.#marks = marks;
    this.#index.clearMarks();
    marks.applyAll(this.#index);
  }

  /** Adds to the marks. */
  addMarks(add: (marks: IndexMarks) => void): void {
    add(this.#marks);
    this.#marks.applyAll(this.#index);
  }

  #take(index: ChunkIndex, { packId, kind, fileBytes, toc }: SegmentPack): void {
    index.addPack(packId, kind, fileBytes, toc);
    this.#marks.apply(index, packId);
  }

  /** Writes segments of all packs that have none. Throws `TM4017` when one of them is gone: a segment that named it would have others rely on it. */
  async flush(signal: AbortSignal): Promise<void> {
    await this.#mutex.run(async () => {
      const [gone] = await this.#vanished(signal);
      if (gone !== undefined) throw fileMissing(packName(gone.kind, gone.packId));
      const packs = [...this.#pending.values()];
      const replaced = [...this.#rebuilt];
      if (packs.length === 0 && replaced.length === 0) return;
      await this.#write(packs, replaced, signal);
    });
  }

  /** See `RepositoryCore.rewriteIndex`. */
  async rewrite(dropped: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
    await this.#mutex.run(async () => {
      const replaced = [...this.#segments.values()]
        .filter(({ error, file }) => error === undefined || this.#rebuilt.has(file))
        .map(({ file }) => file);
      replaced.push(...(await this.#leftovers(signal)));
      for (const packId of dropped) this.#pending.delete(packId);
      await this.#write(indexPacks(this.#index, dropped), replaced, signal);
      if (dropped.size === 0) return;
      const next = new ChunkIndex();
      for (const pack of indexPacks(this.#index, dropped)) this.#take(next, pack);
      this.#index = next;
    });
  }

  /** Superseded segments that are still there. Who supersedes the segment that names them must name them too, or they would count again. */
  async #leftovers(signal: AbortSignal): Promise<readonly string[]> {
    const found: string[] = [];
    for await (const { name } of this.#backend.list(folder, signal)) if (this.#superseded.has(name)) found.push(name);
    return found;
  }

  /** The last segment written names those it replaces: until it is there, all of them count. */
  async #write(packs: Iterable<SegmentPack>, replaced: readonly string[], signal: AbortSignal): Promise<void> {
    const supersedes = replaced.map((file) => file.slice(folder.length + 1));
    const groups = segmentGroups(packs);
    let group = groups.next();
    do {
      const content = group.done === true ? [] : group.value;
      group = groups.next();
      await this.#writeSegment({ supersedes: group.done === true ? supersedes : [], packs: content }, signal);
    } while (group.done !== true);
    for (const file of replaced) {
      this.#superseded.add(file);
      this.#segments.delete(file);
      this.#rebuilt.delete(file);
      await this.#backend.delete(file, signal);
    }
  }

  async #writeSegment(segment: Segment, signal: AbortSignal): Promise<void> {
    const bytes = this.#sealer.seal(sealedKind.segment, logicalName, encodeSegment(segment));
    const file = `${folder}/${hash('sha256', bytes, 'hex')}`;
    await this.#backend.put(file, [bytes], { signal });
    this.#segments.set(file, { file, error: undefined });
    for (const { packId } of segment.packs) this.#pending.delete(packId);
  }

  /** Returns false when it has to begin anew: a segment vanished, or an older one turned out to be superseded. */
  async #load(signal: AbortSignal): Promise<boolean> {
    const files: { readonly name: string; readonly modifiedMs: number }[] = [];
    for await (const file of this.#backend.list(folder, signal)) {
      if (segmentName.test(file.name)) files.push(file);
    }
    const present = new Set(files.map((file) => file.name));
    if ([...this.#segments.keys()].some((file) => !present.has(file))) this.#reset();
    // Newest first: what they supersede need not be read.
    for (const { name } of files.sort((a, b) => b.modifiedMs - a.modifiedMs)) {
      if (this.#segments.has(name) || this.#superseded.has(name)) continue;
      if (!(await this.#loadSegment(name, signal))) return false;
    }
    return true;
  }

  async #loadSegment(file: string, signal: AbortSignal): Promise<boolean> {
    let segment: Segment;
    try {
      segment = await this.#readSegment(file, signal);
    } catch (error) {
      if (TidemarkError.is(error, errorCodes.repositoryFileMissing)) return false;
      if (!TidemarkError.is(error, errorCodes.repositoryCorrupt)) throw error;
      this.#segments.set(file, { file, error });
      this.#warn(`Index segment ${file} is damaged; what it said was read from the packs again. Nothing is lost.`);
      return true;
    }
    let known = true;
    for (const id of segment.supersedes) {
      const replaced = `${folder}/${id}`;
      this.#superseded.add(replaced);
      // It was loaded before, by its packs that may be gone: only a new index can forget them.
      if (this.#segments.has(replaced)) known = false;
    }
    if (!known) {
      this.#reset();
      return false;
    }
    for (const pack of segment.packs) {
      this.#take(this.#index, pack);
      this.#pending.delete(pack.packId);
    }
    this.#segments.set(file, { file, error: undefined });
    return true;
  }

  async #readSegment(file: string, signal: AbortSignal): Promise<Segment> {
    const bytes = await this.#backend.get(file, { maxBytes: maxSealedBytes + 1024 * 1024, signal });
    if (hash('sha256', bytes, 'hex') !== file.slice(folder.length + 1)) {
      throw new TidemarkError(
        errorCodes.repositoryCorrupt,
        `Index segment ${file} does not have the content of its name.`,
      );
    }
    return decodeSegment(this.#sealer.open(sealedKind.segment, logicalName, bytes, file), file);
  }

  /** Packs that no segment names and that are not there any more: who collected garbage took the program that made them for dead. */
  async #vanished(signal: AbortSignal): Promise<readonly SegmentPack[]> {
    const gone: SegmentPack[] = [];
    for (const pack of this.#pending.values()) {
      if ((await this.#backend.stat(packName(pack.kind, pack.packId), signal)) === undefined) gone.push(pack);
    }
    return gone;
  }

  async #forgetVanished(signal: AbortSignal): Promise<void> {
    const gone = await this.#vanished(signal);
    if (gone.length === 0) return;
    for (const { packId } of gone) this.#pending.delete(packId);
    this.#reset();
  }

  /** Forgets everything but what was superseded and the packs that have no segment. */
  #reset(): void {
    this.#index = new ChunkIndex();
    this.#segments = new Map();
    for (const pack of this.#pending.values()) this.#take(this.#index, pack);
  }

  async #scan(signal: AbortSignal): Promise<RescanResult> {
    const { unknown, damaged, missing } = await scanPacks(this.#backend, this.#index, signal);
    for (const pack of unknown) this.addPack(pack);
    return { adopted: unknown.map((pack) => pack.packId), damaged, missing };
  }
}
