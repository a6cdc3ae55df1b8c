/** A storage in memory for tests of the repository: quick, with a clock of its own, and able to die at any call. */
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import type {
  GetOptions,
  PutOptions,
  StorageBackend,
  StoredFile,
  StoredPiece,
} from '../../../server/repository/backend.ts';

/** What every call throws once the storage died. */
export class Died extends Error {}

interface File {
  readonly bytes: Buffer;
  readonly modifiedMs: number;
}

/** Files in memory. */
export class TestStorage implements StorageBackend {
  /** How far this storage's clock is ahead of the machine's, ms. */
  aheadMs = 0;
  /** Calls that change something so far. */
  changes = 0;
  /** The change that does not happen any more, nor anything after it. */
  dieAt = Infinity;
  /** Whether the last change still happens and only its caller does not hear of it. */
  dieAfterwards = false;
  /** Bytes that can still be stored, as far as `freeBytes` tells. */
  free = 2 ** 40;
  /** Called before each change: a place for others to act at that moment. */
  onChange: ((what: string) => Promise<void>) | undefined;
  readonly #files: Map<string, File>;
  /** The names in each folder, so that listing one does not look at all. */
  readonly #folders = new Map<string, Set<string>>();
  /** The folders in each top folder, itself among them. */
  readonly #below = new Map<string, Set<string>>();

  /** With the files of another storage. */
  constructor(from?: TestStorage) {
    this.#files = new Map();
    for (const [name, file] of from === undefined ? [] : from.#files) this.#put(name, file);
    this.aheadMs = from?.aheadMs ?? 0;
  }

  /** Flips one bit. The file's time stays as it was: bits that rot do not touch it. */
  flip(name: string, position: number, bit: number): void {
    const file = this.#get(name);
    const bytes = Buffer.from(file.bytes);
    bytes[position] = (bytes[position] ?? 0) ^ (1 << bit);
    this.#put(name, { ...file, bytes });
  }

  /** Puts a file there (or cuts it) behind the back of everybody; undefined removes it. */
  set(name: string, bytes: Buffer | undefined): void {
    if (bytes === undefined) this.#remove(name);
    else this.#put(name, { bytes, modifiedMs: this.#now() });
  }

  bytes(name: string): Buffer {
    return Buffer.from(this.#get(name).bytes);
  }

  /** Names and sizes of all files. */
  files(): ReadonlyMap<string, number> {
    return new Map(
      [...this.#files].map(([name, { bytes }]) => [name, bytes.length] as const).sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  }

  async put(name: string, parts: readonly Uint8Array[], options: PutOptions = {}): Promise<void> {
    await this.#change(`put ${name}`, () => {
      if (options.ifAbsent === true && this.#files.has(name)) {
        throw new TidemarkError(errorCodes.repositoryExists, `${name} exists.`);
      }
      this.#put(name, { bytes: Buffer.concat(parts), modifiedMs: this.#now() });
    });
  }

  async delete(name: string): Promise<void> {
    await this.#change(`delete ${name}`, () => this.#remove(name));
  }

  async get(name: string, options: GetOptions = {}): Promise<Uint8Array> {
    this.#live();
    const { bytes } = this.#get(name);
    const { offset, length } = options.range ?? { offset: 0, length: bytes.length };
    if (offset + length > bytes.length || bytes.length > (options.maxBytes ?? Infinity)) {
      throw new TidemarkError(errorCodes.repositoryCorrupt, `${name} is cut off.`);
    }
    return Buffer.from(bytes.subarray(offset, offset + length));
  }

  async *list(prefix: string): AsyncGenerator<StoredFile> {
    yield* this.#list(prefix, (name) => !name.endsWith('.tmp'));
  }

  async *listUnfinished(prefix: string): AsyncGenerator<StoredFile> {
    yield* this.#list(prefix, (name) => name.endsWith('.tmp'));
  }

  async listPieces(folder: string): Promise<readonly StoredPiece[]> {
    this.#live();
    return [...this.#files.keys()].flatMap((name) => {
      const [, inside, writer] = /^(.*)\/unfinished\.([^./]+)\.[0-9a-f]+\.tmp$/.exec(name) ?? [];
      return inside !== folder || writer === undefined ? [] : [{ name, writer }];
    });
  }

  async stat(name: string): Promise<StoredFile | undefined> {
    this.#live();
    const file = this.#files.get(name);
    return file === undefined ? undefined : { name, bytes: file.bytes.length, modifiedMs: file.modifiedMs };
  }

  async freeBytes(): Promise<number> {
    this.#live();
    return this.free;
  }

  async now(): Promise<number> {
    this.#live();
    return this.#now();
  }

  *#list(prefix: string, wanted: (name: string) => boolean): Generator<StoredFile> {
    this.#live();
    const inside = [...this.#foldersIn(prefix)].flatMap((folder) => [...(this.#folders.get(folder) ?? [])]);
    for (const name of inside.sort()) {
      const file = this.#files.get(name);
      if (file === undefined || !wanted(name)) continue;
      yield { name, bytes: file.bytes.length, modifiedMs: file.modifiedMs };
    }
  }

  async #change(what: string, act: () => unknown): Promise<void> {
    this.#live();
    this.changes += 1;
    if (this.changes < this.dieAt) {
      await this.onChange?.(what);
      act();
      return;
    }
    if (this.changes === this.dieAt && this.dieAfterwards) act();
    throw new Died(what);
  }

  #foldersIn(prefix: string): Iterable<string> {
    if (prefix === '') return this.#folders.keys();
    const near = [...(this.#below.get(topOf(prefix)) ?? [])];
    return near.filter((folder) => folder === prefix || folder.startsWith(`${prefix}/`));
  }

  #put(name: string, file: File): void {
    this.#files.set(name, file);
    const folder = folderOf(name);
    added(this.#folders, folder).add(name);
    added(this.#below, topOf(folder)).add(folder);
  }

  #remove(name: string): void {
    this.#files.delete(name);
    this.#folders.get(folderOf(name))?.delete(name);
  }

  #live(): void {
    if (this.changes >= this.dieAt) throw new Died();
  }

  #now(): number {
    // As the times of files are: not whole.
    return Date.now() + this.aheadMs + 0.25;
  }

  #get(name: string): File {
    const file = this.#files.get(name);
    if (file !== undefined) return file;
    throw new TidemarkError(errorCodes.repositoryFileMissing, `${name} is missing.`);
  }
}

function folderOf(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf('/')));
}

function topOf(name: string): string {
  return name.split('/', 1)[0] ?? '';
}

function added(sets: Map<string, Set<string>>, key: string): Set<string> {
  const known = sets.get(key);
  if (known !== undefined) return known;
  const made = new Set<string>();
  sets.set(key, made);
  return made;
}
