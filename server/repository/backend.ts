/** Where a repository's files lie, as little as every storage can do: a directory today, an object store tomorrow. */

/** A file of the storage. */
export interface StoredFile {
  /** Relative name, parts separated by `/`. */
  readonly name: string;
  readonly bytes: number;
  /** When it was written, ms since 1970 by the clock of the storage. */
  readonly modifiedMs: number;
}

/** Options of `put`. */
export interface PutOptions {
  readonly signal?: AbortSignal | undefined;
  /** Refuse, without touching it, when a file of that name exists: `TM4002`. */
  readonly ifAbsent?: boolean | undefined;
}

/** Options of `get`. */
export interface GetOptions {
  /** Only these bytes; a file that ends earlier is `TM4008`. */
  readonly range?: { readonly offset: number; readonly length: number } | undefined;
  /** Refuse a whole file larger than this: `TM4008`. Default 256 MiB. */
  readonly maxBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A file on its way into a storage, of which only the end tells the name. Ended by `finish` or `discard`. */
export interface UnfinishedFile {
  /** Appends; `parts` may be reused afterwards. */
  append(parts: readonly Uint8Array[]): void;
  /** The file is complete and durable under `name` when this resolves, otherwise it is gone. Nothing may be appended any more. */
  finish(name: string): Promise<void>;
  /** Removes the file. Does nothing after `finish`. */
  discard(): Promise<void>;
}

/** A storage that takes files piece by piece. Errors as for `StorageBackend`. */
export interface PieceWriter {
  /** Begins a file; until it is finished it lies in `folder`, as one of those that `listPieces` gives with this `writer` (a ULID). */
  create(folder: string, writer: string, signal?: AbortSignal): Promise<UnfinishedFile>;
}

/** A file that a `PieceWriter` has begun. */
export interface StoredPiece {
  /** Can be given to `delete`, and to nothing else. */
  readonly name: string;
  /** Who began it: the ULID that `create` was given. */
  readonly writer: string;
}

/**
 * A storage. Names consist of parts of letters, digits, `.`, `_` and `-`, separated by `/`; nothing outside the storage can be named.
 * Errors of all methods: `TM4006` full, `TM4007` not writable, `TM4014` not reachable or failing, `TM4017` no such file,
 * and the cancellation error.
 */
export interface StorageBackend {
  /** Writes a file: complete and durable when this resolves, otherwise not there at all (or the old one of that name). */
  put(name: string, parts: readonly Uint8Array[], options?: PutOptions): Promise<void>;
  get(name: string, options?: GetOptions): Promise<Uint8Array>;
  /** All files below `prefix` (a folder such as `points`, or empty for everything), unfinished ones left out. A folder that is not there has none. */
  list(prefix: string, signal?: AbortSignal): AsyncIterable<StoredFile>;
  /** The file's size and time; undefined when there is none. */
  stat(name: string, signal?: AbortSignal): Promise<StoredFile | undefined>;
  /** Removes a file; one that is gone is fine. */
  delete(name: string, signal?: AbortSignal): Promise<void>;
  /**
   * Leftovers of interrupted writes below `prefix`. Their names can be given to `delete`, and to nothing else; whoever
   * deletes one must know that its writer is gone (an hour old by `now()` is enough).
   */
  listUnfinished(prefix: string, signal?: AbortSignal): AsyncIterable<StoredFile>;
  /** What was begun with `PieceWriter.create` in this very folder and is neither finished nor removed. A folder that is not there has none. */
  listPieces(folder: string, signal?: AbortSignal): Promise<readonly StoredPiece[]>;
  /** Bytes that can still be stored; null when the storage does not say. */
  freeBytes(): Promise<number | null>;
  /** The storage's clock, ms since 1970: what `modifiedMs` compares with. */
  now(): Promise<number>;
}
