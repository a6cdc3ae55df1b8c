/** Verification: the structure of a repository, and with `readData` every byte of every file in it. */
import { errorCodes, throwIfAborted, TidemarkError } from '../../protocol/errors.ts';
import type { VerifyOptions, VerifyResult } from '../api.ts';
import { Bitmap } from '../gc/bitmap.ts';
import type { ChunkIndex, IndexedPack } from '../chunk-index.ts';
import type { RepositoryCore, RescanResult } from '../core.ts';
import type { Lease } from '../leases.ts';
import type { StoredRestorePoint } from '../model.ts';
import { parsePackName } from '../pack-toc.ts';
import { BlobDamage } from './blob-damage.ts';
import { checkFiles, checkPoints } from './check-files.ts';
import { checkPacks, expectedEntries } from './check-packs.ts';
import { Findings } from './findings.ts';
import { namePoints } from './name-points.ts';
import { forgetRepairedDamage, recordDamage } from './record-damage.ts';
import type { BadBlob, CheckedPack, PackTask } from './verify-messages.ts';

/**
 * Checks a repository. What it finds is the result, not an error; it throws only when it cannot go on: `TM4005` when somebody
 * else holds the repository alone, `TM4014` when the storage fails, and the cancellation.
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
  /** Packs whose file as a whole is damaged while all of their blobs are fine, hex ids. */
  readonly #damagedPacks: string[] = [];
  #readBytes = 0;
  #blobs = 0;
  #doneBytes = 0;

  constructor(core: RepositoryCore, lease: Lease | undefined, options: VerifyOptions) {
    this.#core = core;
    this.#lease = lease;
    this.#options = options;
    this.#signal = options.signal;
  }

  async run(): Promise<VerifyResult> {
    const { readData } = this.#options;
    await this.#core.refreshIndex(this.#signal);
    const rescan = await this.#core.rescanPacks(this.#signal);
    const { index } = this.#core;
    const points = await checkPoints(this.#core, this.#findings, this.#signal);
    const damage = new BlobDamage(index);
    const present = await this.#checkFiles(index, damage);
    this.#reportRescan(index, damage, rescan);
    if (readData) await this.#checkData(index, damage, present);
    else await this.#repeatRecorded(index, damage);
    await this.#nameRestorePoints(index, damage, points);
    await this.#publish(damage);
    return {
      restorePoints: this.#findings.points.length,
      blobs: readData ? this.#blobs : index.entryCount,
      readBytes: this.#readBytes,
      problems: [...this.#findings.problems(), ...damage.problems()],
    };
  }

  /** Checks all small files and the sizes of the packs. Returns the packs that are there, by the ordinal of their first blob. */
  async #checkFiles(index: ChunkIndex, damage: BlobDamage): Promise<Bitmap> {
    const present = new Bitmap(index.entryCount);
    const wrongSizes: { readonly pack: IndexedPack; readonly bytes: number }[] = [];
    this.#readBytes += await checkFiles(
      this.#core,
      this.#findings,
      (file) => {
        const pack = index.pack(parsePackName(file.name)?.packId ?? '');
        if (pack?.name !== file.name) return;
        present.add(pack.first);
        if (pack.fileBytes !== file.bytes) wrongSizes.push({ pack, bytes: file.bytes });
      },
      this.#signal,
    );
    for (const { pack, bytes } of wrongSizes) {
      const error = damagedPack(`Pack ${pack.name} has ${bytes} bytes instead of ${pack.fileBytes}.`).report();
      damage.addPack(pack, error, bytes);
    }
    return present;
  }

  #reportRescan(index: ChunkIndex, damage: BlobDamage, rescan: RescanResult): void {
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
    for (const { file, error } of rescan.damaged) this.#findings.add(file, error, []);
  }

  /** Without reading data, damage that an earlier verification recorded is still damage. */
  async #repeatRecorded(index: ChunkIndex, damage: BlobDamage): Promise<void> {
    const error = new TidemarkError(errorCodes.blobCorrupt, 'An earlier verification found this damage.', {
      hint: 'The next full backup stores the data again where the guest still has it.',
    });
    for (const { record } of await this.#core.damage(this.#signal)) {
      for (const { pack, id } of record.blobs) {
        for (const ordinal of index.ordinals(Buffer.from(id, 'hex'))) {
          if (index.entry(ordinal).pack.packId === pack) damage.add(ordinal, error.report());
        }
      }
      for (const packId of record.packs ?? []) {
        const name = index.pack(packId)?.name;
        if (name !== undefined) this.#findings.add(name, error, []);
      }
    }
  }

  async #checkData(index: ChunkIndex, damage: BlobDamage, present: Bitmap): Promise<void> {
    const packs = index.packs.filter((pack) => present.has(pack.first));
    const totalBytes = packs.reduce((sum, pack) => sum + pack.fileBytes, 0);
    this.#options.log?.(`Reading ${packs.length} packs.`);
    this.#options.onProgress?.(0, totalBytes);
    await checkPacks(this.#core, {
      totalBytes,
      tasks: packTasks(index, packs),
      signal: this.#signal,
      onChecked: (checked) => {
        this.#readBytes += checked.bytes;
        this.#blobs += checked.blobs;
        this.#doneBytes += checked.bytes;
        this.#options.onProgress?.(Math.min(this.#doneBytes, totalBytes), totalBytes);
        this.#noteChecked(index, damage, checked);
      },
      log: (text) => this.#options.log?.(text),
    });
  }

  #noteChecked(index: ChunkIndex, damage: BlobDamage, checked: CheckedPack): void {
    const pack = index.pack(parsePackName(checked.name)?.packId ?? '');
    if (pack === undefined) return;
    if (checked.bytes === 0 && checked.fileError !== undefined) {
      damage.addPack(pack, checked.fileError);
      return;
    }
    const byOffset = new Map<number, BadBlob>(checked.bad.map((bad) => [bad.offset, bad]));
    for (let ordinal = pack.first; byOffset.size > 0 && ordinal < pack.first + pack.count; ordinal++) {
      const bad = byOffset.get(index.location(ordinal).offset);
      if (bad !== undefined) damage.add(ordinal, bad.error);
    }
    // A damaged blob is why the hash of its pack is wrong; only damage outside of blobs is a problem of its own.
    if (checked.fileError === undefined || checked.bad.length > 0) return;
    this.#damagedPacks.push(pack.packId);
    if (!damage.hasPack(pack)) this.#findings.addReport(checked.name, checked.fileError, []);
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
  async #publish(damage: BlobDamage): Promise<void> {
    this.#reportRepairs();
    if (this.#lease === undefined) return;
    await this.#lease.confirm(this.#signal);
    if (this.#options.readData) await forgetRepairedDamage(this.#core, damage, this.#damagedPacks, this.#signal);
    await recordDamage(this.#core, damage, this.#damagedPacks, this.#signal);
    await this.#core.flushIndex(this.#signal);
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

function* packTasks(index: ChunkIndex, packs: readonly IndexedPack[]): Generator<PackTask> {
  for (const pack of packs) yield { name: pack.name, expected: expectedEntries(index, pack) };
}

function damagedPack(message: string): TidemarkError {
  return new TidemarkError(errorCodes.repositoryCorrupt, message, { hint: 'Check the disk of the repository.' });
}
