/** An open repository as the daemon uses it. */
import { Mutex } from '../base/concurrency.ts';
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import type { RepositoryId, RestorePointId } from '../protocol/ids.ts';
import type {
  BlockMap,
  GcOptions,
  GcResult,
  Repository,
  RepositoryFigures,
  RestorePointList,
  VerifyOptions,
  VerifyResult,
  WriteSession,
} from './api.ts';
import { refuseUnknownFeatures } from './config.ts';
import type { RepositoryConfig } from './config.ts';
import { collectGarbage } from './gc/index.ts';
import type { RepositoryKeys } from './keys.ts';
import type { BlobId, StoredDisk, StoredRestorePoint } from './model.ts';
import type { OpenCore } from './open-core.ts';
import type { RestorePointPin } from './pin-store.ts';
import { removeLeftPieces } from './left-pieces.ts';
import { repositoryStatus } from './status.ts';
import { verifyRepository } from './verify/index.ts';
import { LeasedWriteSession } from './write-session.ts';

/** Delegates to the parts of the library. */
export class OpenRepository implements Repository {
  readonly #core: OpenCore;
  readonly #config: RepositoryConfig;
  /** Held while pins or restore points go or come: what is pinned is not being deleted. */
  readonly #pinning = new Mutex();

  constructor(core: OpenCore, config: RepositoryConfig) {
    this.#core = core;
    this.#config = config;
  }

  get id(): RepositoryId {
    return this.#core.id;
  }

  get location(): string {
    return this.#core.location;
  }

  get warnings(): readonly string[] {
    return this.#core.warnings;
  }

  get hasKnownDamage(): boolean {
    return this.#core.index.hasDamage;
  }

  exportKeys(): RepositoryKeys {
    return this.#core.keys;
  }

  async refresh(signal: AbortSignal): Promise<void> {
    await this.#core.refreshIndex(signal);
  }

  async listRestorePoints(signal: AbortSignal): Promise<RestorePointList> {
    return this.#core.listRestorePoints(signal);
  }

  async readRestorePoint(id: RestorePointId, signal: AbortSignal): Promise<StoredRestorePoint> {
    await this.#core.confirmPresent(signal);
    return this.#core.points.read(id, signal);
  }

  async deleteRestorePoint(id: RestorePointId, signal: AbortSignal): Promise<void> {
    const { points, pins } = this.#core;
    await this.#core.confirmPresent(signal);
    await this.#pinning.run(async () => {
      if (await pins.has(id, signal)) {
        throw new TidemarkError(errorCodes.restorePointProtected, `Restore point ${id} is pinned.`, {
          hint: 'Unpin it first, then delete it.',
        });
      }
      await points.delete(id, signal);
      // Another program may have pinned it in that moment.
      await pins.delete(id, signal);
    });
  }

  async pins(signal: AbortSignal): Promise<ReadonlyMap<RestorePointId, RestorePointPin>> {
    await this.#core.confirmPresent(signal);
    return this.#core.pins.list(signal);
  }

  async setPin(id: RestorePointId, pin: RestorePointPin | undefined, signal: AbortSignal): Promise<void> {
    const { points, pins } = this.#core;
    await this.#core.confirmPresent(signal);
    await this.#pinning.run(async () => {
      if (pin === undefined) return pins.delete(id, signal);
      await points.confirm(id, signal);
      await pins.put(id, pin, signal);
      try {
        // Another program may have deleted it in that moment: who is told that it is pinned relies on it.
        await points.confirm(id, signal);
      } catch (error) {
        if (TidemarkError.is(error, errorCodes.restorePointNotFound)) await pins.delete(id, signal);
        throw error;
      }
    });
  }

  async beginWrite(options: { readonly signal: AbortSignal; readonly note: string }): Promise<WriteSession> {
    refuseUnknownFeatures(this.#config.features.write);
    const core = this.#core;
    await core.confirmPresent(options.signal);
    const lease = await core.acquireLease('writer', options.note, options.signal);
    try {
      await core.refreshIndex(options.signal);
      await removeLeftPieces(core, options.signal);
    } catch (error) {
      await lease.release();
      throw error;
    }
    const mergeIndex = async (signal: AbortSignal): Promise<void> => {
      if (core.needsMerge) await core.rewriteIndex(new Set(), signal);
    };
    return new LeasedWriteSession({ core, points: core.points, lease, mergeIndex }, options.signal);
  }

  openMap(disk: Pick<StoredDisk, 'sizeBytes' | 'chunkBytes' | 'map'>): BlockMap {
    return this.#core.openMap(disk);
  }

  async readBlob(id: BlobId, signal: AbortSignal): Promise<Uint8Array> {
    return this.#core.readBlob(id, signal);
  }

  async verify(options: VerifyOptions): Promise<VerifyResult> {
    return verifyRepository(this.#core, options);
  }

  async collectGarbage(options: GcOptions): Promise<GcResult> {
    refuseUnknownFeatures(this.#config.features.gc);
    return collectGarbage(this.#core, options);
  }

  async status(signal: AbortSignal): Promise<RepositoryFigures> {
    return repositoryStatus(this.#core, signal);
  }

  /** Nothing stays open between calls: sessions give back their own leases. */
  async close(): Promise<void> {}
}
