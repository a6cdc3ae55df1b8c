/** Reads and writes the sealed records of one kind: `<folder>/<prefix><ulid>`, JSON. */
import { ulid } from '../base/ulid.ts';
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import { json } from '../protocol/parse.ts';
import type { Parser } from '../protocol/parse.ts';
import type { StorageBackend } from './backend.ts';
import type { StoredRecord } from './records.ts';
import type { FileSealer, SealedKind } from './sealed-file.ts';

/** Where records of a kind lie. */
export interface RecordPlace<T> {
  readonly folder: string;
  readonly prefix: string;
  readonly kind: SealedKind;
  readonly parser: Parser<T>;
}

/** Records never change, so those that were read are kept. */
export class RecordStore<T extends { readonly createdMs: number }> {
  readonly #backend: StorageBackend;
  readonly #sealer: FileSealer;
  readonly #place: RecordPlace<T>;
  readonly #warn: (text: string) => void;
  #known = new Map<string, T>();

  constructor(backend: StorageBackend, sealer: FileSealer, place: RecordPlace<T>, warn: (text: string) => void) {
    this.#backend = backend;
    this.#sealer = sealer;
    this.#place = place;
    this.#warn = warn;
  }

  /** All records, oldest first. A damaged one is told to `warn` and left out. */
  async list(signal: AbortSignal): Promise<readonly StoredRecord<T>[]> {
    const { folder, prefix } = this.#place;
    const found = new Map<string, T>();
    for await (const { name } of this.#backend.list(folder, signal)) {
      if (!name.startsWith(`${folder}/${prefix}`)) continue;
      const record = this.#known.get(name) ?? (await this.#read(name, signal));
      if (record !== undefined) found.set(name, record);
    }
    this.#known = found;
    return [...found]
      .map(([file, record]) => ({ file, record }))
      .sort((a, b) => a.record.createdMs - b.record.createdMs);
  }

  /** Writes a record; gives its file's name. */
  async put(record: T, signal: AbortSignal): Promise<string> {
    const { folder, prefix, kind } = this.#place;
    const file = `${folder}/${prefix}${ulid()}`;
    const sealed = this.#sealer.seal(kind, file, Buffer.from(JSON.stringify(record)));
    await this.#backend.put(file, [sealed], { signal, ifAbsent: true });
    this.#known.set(file, record);
    return file;
  }

  async #read(file: string, signal: AbortSignal): Promise<T | undefined> {
    try {
      const bytes = await this.#backend.get(file, { signal });
      const content = this.#sealer.open(this.#place.kind, file, bytes, file);
      return json(Buffer.from(content).toString('utf8'), this.#place.parser, file);
    } catch (error) {
      if (TidemarkError.is(error, errorCodes.repositoryFileMissing)) return undefined;
      if (!meansDamage(error)) throw error;
      this.#warn(`${file} is damaged and has no effect.`);
      return undefined;
    }
  }
}

/** A version that is not known is damage too: a newer format would have said so in the configuration. */
function meansDamage(error: unknown): boolean {
  const codes = [errorCodes.repositoryCorrupt, errorCodes.invalidInput, errorCodes.repositoryTooNew];
  return codes.some((code) => TidemarkError.is(error, code));
}
