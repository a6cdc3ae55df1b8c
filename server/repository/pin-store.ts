/** Pins: `pins/<ulid>.pin`, sealed JSON, one for each restore point that is not to be deleted. Format: docs/repository-format.md. */
import { forEachLimited } from '../base/concurrency.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../protocol/errors.ts';
import { restorePointId } from '../protocol/ids.ts';
import type { RestorePointId } from '../protocol/ids.ts';
import { timestamp } from '../protocol/model.ts';
import { json, object, optional, string } from '../protocol/parse.ts';
import type { Parsed } from '../protocol/parse.ts';
import type { StorageBackend, StoredFile } from './backend.ts';
import { sealedKind } from './sealed-file.ts';
import type { FileSealer } from './sealed-file.ts';

const folder = 'pins';
const fileName = /^pins\/([0-7][0-9A-HJKMNP-TV-Z]{25})\.pin$/;
/** Files read at a time. */
const readsAtATime = 16;
/** A note is at most 1024 characters. */
const maxFileBytes = 64 * 1024;

const restorePointPin = object({
  by: string({ maxLength: 256 }),
  at: timestamp,
  note: optional(string({ maxLength: 1024 })),
});
/** Who keeps a restore point from being deleted, since when (UTC), and why. */
export type RestorePointPin = Parsed<typeof restorePointPin>;

interface KnownPin {
  readonly file: StoredFile;
  readonly pin: RestorePointPin;
}

/** Reads and writes pins. Those that were read are kept while their files stay the same. */
export class PinStore {
  readonly #backend: StorageBackend;
  readonly #sealer: FileSealer;
  readonly #warn: (text: string) => void;
  #known = new Map<RestorePointId, KnownPin>();

  constructor(backend: StorageBackend, sealer: FileSealer, warn: (text: string) => void) {
    this.#backend = backend;
    this.#sealer = sealer;
    this.#warn = warn;
  }

  /**
   * All pins by restore point, also of restore points that are gone. The name of a file alone pins: one that cannot be read is told to
   * `warn` and counts, since a damaged pin must never lead to a deletion.
   */
  async list(signal: AbortSignal): Promise<ReadonlyMap<RestorePointId, RestorePointPin>> {
    const known = new Map<RestorePointId, KnownPin>();
    const unread: { readonly id: RestorePointId; readonly file: StoredFile }[] = [];
    for await (const file of this.#backend.list(folder, signal)) {
      const id = pinnedBy(file.name);
      if (id === undefined) {
        this.#warn(`${file.name} is not the name of a pin and has no effect.`);
        continue;
      }
      const before = this.#known.get(id);
      const same = before?.file.bytes === file.bytes && before.file.modifiedMs === file.modifiedMs;
      if (before !== undefined && same) known.set(id, { file, pin: before.pin });
      else unread.push({ id, file });
    }
    await forEachLimited(unread, readsAtATime, async ({ id, file }) => {
      const pin = await this.#read(file, signal);
      if (pin !== undefined) known.set(id, { file, pin });
    });
    this.#known = known;
    return new Map([...known].map(([id, { pin }]) => [id, pin]));
  }

  async has(id: RestorePointId, signal: AbortSignal): Promise<boolean> {
    return (await this.#backend.stat(nameOf(id), signal)) !== undefined;
  }

  /** Durable when it resolves. Replaces an earlier pin. */
  async put(id: RestorePointId, pin: RestorePointPin, signal: AbortSignal): Promise<void> {
    const name = nameOf(id);
    const content = JSON.stringify(restorePointPin(pin, 'pin'));
    await this.#backend.put(name, [this.#sealer.seal(sealedKind.pin, name, Buffer.from(content))], { signal });
    this.#known.delete(id);
  }

  /** Does nothing when there is none. */
  async delete(id: RestorePointId, signal: AbortSignal): Promise<void> {
    await this.#backend.delete(nameOf(id), signal);
    this.#known.delete(id);
  }

  /** Undefined when the file is gone meanwhile. */
  async #read(file: StoredFile, signal: AbortSignal): Promise<RestorePointPin | undefined> {
    const { name, modifiedMs } = file;
    try {
      const bytes = await this.#backend.get(name, { maxBytes: maxFileBytes, signal });
      return openPin(this.#sealer, name, bytes);
    } catch (error) {
      throwIfAborted(signal);
      if (TidemarkError.is(error, errorCodes.repositoryFileMissing)) return undefined;
      this.#warn(`${name} cannot be read. Its restore point counts as pinned; unpin it, or pin it again.`);
      return { by: 'unknown', at: new Date(modifiedMs).toISOString(), note: 'The file of this pin cannot be read.' };
    }
  }
}

/** The content of a file of a pin. Throws `TM4008`, `TM4004` or `TM1001` when it is damaged. */
export function openPin(sealer: FileSealer, name: string, bytes: Uint8Array): RestorePointPin {
  const content = sealer.open(sealedKind.pin, name, bytes, name);
  return json(Buffer.from(content).toString('utf8'), restorePointPin, name);
}

/** The restore point that the file pins; undefined when it is none of a pin. */
export function pinnedBy(name: string): RestorePointId | undefined {
  const id = fileName.exec(name)?.[1];
  return id === undefined ? undefined : restorePointId(id, 'pin');
}

function nameOf(id: RestorePointId): string {
  return `${folder}/${id}.pin`;
}
