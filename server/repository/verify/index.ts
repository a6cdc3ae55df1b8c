/** Verification: the structure of a repository, and with `readData` every byte of every file in it. */
import { errorCodes, throwIfAborted, TidemarkError } from '../../protocol/errors.ts';
import type { RestorePointId } from '../../protocol/ids.ts';
import type { VerifyOptions, VerifyResult } from '../api.ts';
import type { Bitmap } from '../gc/bitmap.ts';
import type { ChunkIndex } from '../chunk-index.ts';
import type { RepositoryCore, RescanResult } from '../core.ts';
import type { Lease } from '../leases.ts';
import type { StoredRestorePoint } from '../model.ts';
import { parsePackName } from '../pack-toc.ts';
import { BlobDamage } from './blob-damage.ts';
import { checkFiles, checkPoints } from './check-files.ts';
import { DataCheck } from './data-check.ts';
import { Findings } from './findings.ts';
import { namePoints } from './name-points.ts';
import { neededBlobs, packsOf } from './needed-blobs.ts';
import { PackFiles } from './pack-files.ts';
import { forgetRepairedDamage, recordDamage } from './record-damage.ts';
import { checkSomePoints, pointsAlreadyRead } from './some-points.ts';

/**
 * Checks a repository, or some of its restore points. What it finds is the result, not an error; it throws only when it cannot go
 * on: `TM4005` when somebody else holds the repository alone, `TM4011` for a restore point that is not there, `TM4014` when the
 * storage fails, and the cancellation.
 */
export async function verifyRepository(core: RepositoryCore, options: VerifyOptions): Promise<VerifyResult> {
  const lease = await takeLease(core, options.signal);
  try {
    const signal = lease === undefined ? options.signal : AbortSignal.any([options.signal, lease.lost]);
    return await new Verification(core, lease, { ...options, signal }).run();
  } finally {
    await lease?.release();
  }
}

/** A writer's lease keeps others from deleting what is being read. A storage that cannot be written has nobody who deletes. */
async function takeLease(core: RepositoryCore, signal: AbortSignal): Promise<Lease | undefined> {
  try {
    return await core.acquireLease('writer', 'verification', signal);
  } catch (error) {
    if (TidemarkError.is(error, errorCodes.repositoryReadOnly) || TidemarkError.is(error, errorCodes.repositoryFull)) {
      return undefined;
    }
    throw error;
  }
}

class Verification {
  readonly #core: RepositoryCore;
  readonly #lease: Lease | undefined;
  readonly #options: VerifyOptions;
  readonly #signal: AbortSignal;
  readonly #findings = new Findings();
  #readBytes = 0;

  constructor(core: RepositoryCore, lease: Lease | undefined, options: VerifyOptions) {
    this.#core = core;
    this.#lease = lease;
    this.#options = options;
    this.#signal = options.signal;
  }

  async run(): Promise<VerifyResult> {
    await this.#core.refreshIndex(this.#signal);
    const rescan = await this.#core.rescanPacks(this.#signal);
    const { restorePoints } = this.#options;
    return restorePoints === undefined ? this.#verifyAll(rescan) : this.#verifySome(rescan, restorePoints);
  }

  async #verifyAll(rescan: RescanResult): Promise<VerifyResult> {
    const { readData } = this.#options;
    const { index } = this.#core;
    const points = await checkPoints(this.#core, this.#findings, this.#signal);
    const damage = new BlobDamage(index);
    const data = new DataCheck(this.#core, { index, damage, findings: this.#findings });
    const present = await this.#checkFiles(index, damage);
    this.#reportMissing(index, damage, rescan);
    this.#reportForeign(rescan);
    if (readData) {
      await data.read(
        index.packs.filter((pack) => present.has(pack.first)),
        this.#options,
      );
    } else {
      await this.#repeatRecorded(index, damage, () => true);
    }
    await this.#nameRestorePoints(index, damage, points);
    this.#reportRepairs();
    await this.#publish(damage, data, readData);
    return {
      restorePoints: this.#findings.points.length,
      blobs: readData ? data.blobs : index.entryCount,
      readBytes: this.#readBytes + data.readBytes,
      problems: [...this.#findings.problems(), ...damage.problems()],
    };
  }

  async #verifySome(rescan: RescanResult, ids: readonly RestorePointId[]): Promise<VerifyResult> {
    const { readData, alreadyRead = [] } = this.#options;
    const { index } = this.#core;
    const points = await checkSomePoints(this.#core, ids, this.#findings, this.#signal);
    const known = await pointsAlreadyRead(this.#core, new Set(alreadyRead), this.#signal);
    const needed = await neededBlobs(this.#core, { index, points, alreadyRead: known, signal: this.#signal });
    const damage = new BlobDamage(index);
    const data = new DataCheck(this.#core, { index, damage, findings: this.#findings });
    const present = await this.#checkPackFiles(index, damage);
    this.#reportMissing(index, damage, rescan);
    const read = readData ? packsOf(index, needed).filter((pack) => present.has(pack.first)) : [];
    const earlier = damage.problems().length;
    await data.read(read, this.#options);
    const found = damage.problems().length > earlier;
    const readNames = new Set(read.map((pack) => pack.name));
    await this.#repeatRecorded(index, damage, (pack) => !readNames.has(pack));
    // What was found just now may hit others as well, who must then be named; what was known is told of these points only.
    const all = found ? await this.#core.listRestorePoints(this.#signal) : undefined;
    await this.#nameRestorePoints(index, damage, all === undefined ? points : union(points, all.points));
    await this.#publish(damage, data, false);
    const problems = damage.problems().filter(({ restorePoints }) => found || restorePoints.length > 0);
    if (problems.length > 0) this.#reportForeign(rescan);
    return {
      restorePoints: this.#findings.points.length,
      blobs: readData ? data.blobs : needed.count,
      readBytes: data.readBytes,
      problems: [...this.#findings.problems(), ...problems],
    };
  }

  /** Checks all small files and the sizes of the packs. Returns the packs that are there, by the ordinal of their first blob. */
  async #checkFiles(index: ChunkIndex, damage: BlobDamage): Promise<Bitmap> {
    const files = new PackFiles(index);
    this.#readBytes += await checkFiles(this.#core, this.#findings, (file) => files.add(file), this.#signal);
    return files.finish(damage);
  }

  /** As `#checkFiles`, of the packs only. */
  async #checkPackFiles(index: ChunkIndex, damage: BlobDamage): Promise<Bitmap> {
    const files = new PackFiles(index);
    for (const folder of ['d', 'm']) {
      for await (const file of this.#core.backend.list(folder, this.#signal)) files.add(file);
    }
    return files.finish(damage);
  }

  #reportMissing(index: ChunkIndex, damage: BlobDamage, rescan: RescanResult): void {
    for (const name of rescan.missing) {
      const pack = index.pack(parsePackName(name)?.packId ?? '');
      const error = new TidemarkError(
        errorCodes.repositoryFileMissing,
        `Pack ${name} is missing from the repository.`,
        {
          hint: 'Bring it back from a copy of the repository, or run full backups: they store again what the guests still have.',
        },
      );
      if (pack !== undefined) damage.addPack(pack, error.report());
    }
  }

  #reportForeign(rescan: RescanResult): void {
    for (const { file, error } of rescan.damaged) this.#findings.add(file, error, []);
  }

  /** Where data is not read (`unread`, by the name of the pack), damage that an earlier verification recorded is still damage. */
  async #repeatRecorded(index: ChunkIndex, damage: BlobDamage, unread: (pack: string) => boolean): Promise<void> {
    const error = new TidemarkError(errorCodes.blobCorrupt, 'An earlier verification found this damage.', {
      hint: 'The next full backup stores the data again where the guest still has it.',
    });
    for (const { record } of await this.#core.damage(this.#signal)) {
      for (const { pack, id } of record.blobs) {
        for (const ordinal of index.ordinals(Buffer.from(id, 'hex'))) {
          const entry = index.entry(ordinal);
          if (entry.pack.packId === pack && unread(entry.pack.name)) damage.add(ordinal, error.report());
        }
      }
      // Outside of blobs: it hits no restore point.
      if (this.#options.restorePoints !== undefined) continue;
      for (const packId of record.packs ?? []) {
        const name = index.pack(packId)?.name;
        if (name !== undefined) this.#findings.add(name, error, []);
      }
    }
  }

  async #nameRestorePoints(
    index: ChunkIndex,
    damage: BlobDamage,
    points: readonly StoredRestorePoint[],
  ): Promise<void> {
    const { readData, onProgress } = this.#options;
    const totalBytes = points.flatMap((point) => point.disks).reduce((sum, disk) => sum + disk.sizeBytes, 0);
    let walkedBytes = 0;
    await namePoints(this.#core, {
      index,
      damage,
      points,
      signal: this.#signal,
      onBadPoint: (point, error) => {
        this.#findings.add(`points/${point.vmId}/${point.id}.rp`, error, [point.id]);
      },
      onAdvance: (bytes) => {
        walkedBytes += bytes;
        if (!readData) onProgress?.(walkedBytes, totalBytes);
      },
    });
    throwIfAborted(this.#signal);
  }

  /** Records damage, so that the next backups store it again, and forgets damage that was repaired. */
  async #publish(damage: BlobDamage, { damagedPacks }: DataCheck, readEverything: boolean): Promise<void> {
    if (this.#lease === undefined) return;
    await this.#lease.confirm(this.#signal);
    try {
      if (readEverything) await forgetRepairedDamage(this.#core, damage, damagedPacks, this.#signal);
      await recordDamage(this.#core, damage, damagedPacks, this.#signal);
      await this.#core.flushIndex(this.#signal);
    } catch (error) {
      throwIfAborted(this.#signal);
      // A storage that is full must not turn damage that was found into a verification that somebody has to start again.
      if (damage.problems().length + this.#findings.problems().length === 0) throw error;
      this.#options.log?.(`The damage could not be recorded: ${TidemarkError.from(error).message}`);
    }
  }

  /** What was found wrong with the configuration when the repository was opened, and set right then. */
  #reportRepairs(): void {
    for (const text of this.#core.warnings) {
      if (!text.startsWith('config.json')) continue;
      const [file = text] = text.split(' ', 1);
      this.#findings.add(
        file,
        new TidemarkError(errorCodes.repositoryDamaged, text, { hint: 'Check the disk of the repository.' }),
        [],
      );
    }
  }
}

/** Restore points by id, those of `points` as they are there. */
function union(
  points: readonly StoredRestorePoint[],
  others: readonly StoredRestorePoint[],
): readonly StoredRestorePoint[] {
  const ids = new Set(points.map((point) => point.id));
  return [...points, ...others.filter((point) => !ids.has(point.id))];
}
