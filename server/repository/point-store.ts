/** Restore points: `points/<vmId>/<ulid>.rp`, sealed JSON. A restore point exists when its file does. */
import { forEachLimited } from '../base/concurrency.ts';
import { ulid, ulidTime } from '../base/ulid.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../protocol/errors.ts';
import { restorePointId } from '../protocol/ids.ts';
import type { RestorePointId, VmId } from '../protocol/ids.ts';
import { json } from '../protocol/parse.ts';
import type { RestorePointList } from './api.ts';
import type { StorageBackend, StoredFile } from './backend.ts';
import { storedRestorePoint } from './model.ts';
import type { NewRestorePoint, StoredMap, StoredRestorePoint } from './model.ts';
import { maxSealedBytes, sealedKind } from './sealed-file.ts';
import type { FileSealer } from './sealed-file.ts';

const folder = 'points';
const fileName = /^points\/([^/]+)\/([^/]+)\.rp$/;

interface KnownPoint {
  readonly file: StoredFile;
  readonly point: StoredRestorePoint;
}

/** Files read at a time. */
const readsAtATime = 16;

/** Reads and writes restore points. They never change, so those that were read are kept. */
export class PointStore {
  readonly #backend: StorageBackend;
  readonly #sealer: FileSealer;
  #known = new Map<string, KnownPoint>();
  /** The file of the restore point that a map is of. */
  readonly #fileOf = new WeakMap<StoredMap, string>();

  constructor(backend: StorageBackend, sealer: FileSealer) {
    this.#backend = backend;
    this.#sealer = sealer;
  }

  /** All restore points, oldest first; files that are none are among `damaged`. */
  async list(signal: AbortSignal): Promise<RestorePointList> {
    const points: StoredRestorePoint[] = [];
    const damaged: { file: string; error: unknown }[] = [];
    const known = new Map<string, KnownPoint>();
    const unknown: StoredFile[] = [];
    for await (const file of this.#backend.list(folder, signal)) {
      const before = this.#known.get(file.name);
      const same = before?.file.bytes === file.bytes && before.file.modifiedMs === file.modifiedMs;
      if (before === undefined || !same) unknown.push(file);
      else known.set(file.name, { file, point: before.point });
    }
    await forEachLimited(unknown, readsAtATime, async (file) => {
      try {
        const point = await this.readFile(file.name, signal);
        known.set(file.name, { file, point });
        this.#noteMaps(file.name, point);
      } catch (error) {
        throwIfAborted(signal);
        if (!TidemarkError.is(error, errorCodes.repositoryFileMissing)) damaged.push({ file: file.name, error });
      }
    });
    for (const { point } of known.values()) points.push(point);
    damaged.sort((a, b) => (a.file < b.file ? -1 : 1));
    this.#known = known;
    return { points: points.sort((a, b) => (a.id < b.id ? -1 : 1)), damaged };
  }

  /** Throws `TM4011`, `TM4012`. */
  async read(id: RestorePointId, signal: AbortSignal): Promise<StoredRestorePoint> {
    return this.readFile(await this.#find(id, signal), signal);
  }

  /** Makes sure that the restore point is there, whether it can be read or not. Throws `TM4011`. */
  async confirm(id: RestorePointId, signal: AbortSignal): Promise<void> {
    await this.#find(id, signal);
  }

  /** Whether a restore point exists now that has this very block map. When it is known whose it is, the others need not be listed. */
  async hasMap(map: StoredMap, signal: AbortSignal): Promise<boolean> {
    const file = this.#fileOf.get(map);
    if (file !== undefined && (await this.#backend.stat(file, signal)) !== undefined) return true;
    const wanted = rootKey(map);
    const { points } = await this.list(signal);
    return points.some((point) => point.disks.some((disk) => rootKey(disk.map) === wanted));
  }

  /** Removes the file. Throws `TM4011`. */
  async delete(id: RestorePointId, signal: AbortSignal): Promise<void> {
    await this.#backend.delete(await this.#find(id, signal), signal);
  }

  /** A new id: greater than those of all other points of the VM, also when a clock went back. */
  async newId(vm: VmId, signal: AbortSignal): Promise<RestorePointId> {
    let time = Date.now();
    for await (const { name } of this.#backend.list(`${folder}/${vm}`, signal)) {
      const id = fileName.exec(name)?.[2];
      if (id !== undefined && isId(id)) time = Math.max(time, ulidTime(id) + 1);
    }
    return restorePointId(ulid(time), 'id');
  }

  /** Writes the restore point. When this resolves, it exists. */
  async put(id: RestorePointId, point: NewRestorePoint, signal: AbortSignal): Promise<StoredRestorePoint> {
    const value = { ...point, id, finishedAt: new Date().toISOString() };
    const stored = storedRestorePoint(JSON.parse(JSON.stringify(value)), 'restore point');
    const file = `${folder}/${stored.vmId}/${id}.rp`;
    const sealed = this.#sealer.seal(sealedKind.restorePoint, file, Buffer.from(JSON.stringify(stored)));
    await this.#backend.put(file, [sealed], { signal, ifAbsent: true });
    this.#noteMaps(file, stored);
    await this.#remember(file, stored);
    return stored;
  }

  /** What was just written need not be read. It exists: that it cannot be looked at now must not say otherwise. */
  async #remember(name: string, point: StoredRestorePoint): Promise<void> {
    const file = await this.#backend.stat(name).catch(() => undefined);
    if (file !== undefined) this.#known.set(name, { file, point });
  }

  #noteMaps(file: string, { disks }: StoredRestorePoint): void {
    for (const { map } of disks) this.#fileOf.set(map, file);
  }

  async #find(id: RestorePointId, signal: AbortSignal): Promise<string> {
    for (const [name, { point }] of this.#known) {
      if (point.id === id && (await this.#backend.stat(name, signal)) !== undefined) return name;
    }
    for await (const { name } of this.#backend.list(folder, signal)) {
      if (fileName.exec(name)?.[2] === id) return name;
    }
    throw unknownPoint(id);
  }

  /** The restore point in this file, read anew. Throws `TM4012`, and `TM4017` when the file is gone. */
  async readFile(file: string, signal: AbortSignal): Promise<StoredRestorePoint> {
    const bytes = await this.#backend.get(file, { maxBytes: maxSealedBytes, signal });
    try {
      const content = this.#sealer.open(sealedKind.restorePoint, file, bytes, file);
      const point = json(Buffer.from(content).toString('utf8'), storedRestorePoint, file);
      const [, vm, id] = fileName.exec(file) ?? [];
      if (point.vmId === vm && point.id === id) return point;
      throw new TidemarkError(errorCodes.repositoryCorrupt, `${file} holds another restore point.`);
    } catch (error) {
      if (TidemarkError.is(error, errorCodes.repositoryTooNew)) throw error;
      throw new TidemarkError(errorCodes.restorePointCorrupt, `Restore point file ${file} is damaged.`, {
        hint: 'Other restore points do not depend on it. Delete it when no copy of the file exists.',
        cause: error,
      });
    }
  }
}

/** The restore point that a file name names; undefined for other files. */
export function restorePointFile(name: string): RestorePointId | undefined {
  const id = fileName.exec(name)?.[2];
  return id !== undefined && isId(id) ? restorePointId(id, 'restore point') : undefined;
}

/** `TM4011` for an id that a repository does not have. */
export function unknownPoint(id: RestorePointId): TidemarkError {
  return new TidemarkError(errorCodes.restorePointNotFound, `There is no restore point ${id} in this repository.`, {
    hint: '`tidemark restore-point list` shows all restore points.',
  });
}

function rootKey({ root }: StoredMap): string {
  return root.type === 'inline' ? root.pages : root.id;
}

function isId(text: string): boolean {
  return /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(text);
}
