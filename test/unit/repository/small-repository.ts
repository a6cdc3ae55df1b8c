/** Small repositories for the tests of verification and garbage collection: backups without hosts, restores into memory. */
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { DiskId, OwnerId, RestorePointId, RunId, VmId } from '../../../server/protocol/ids.ts';
import * as id from '../../../server/protocol/ids.ts';
import type { ChangedChunks, Repository } from '../../../server/repository/api.ts';
import { BlobOpener } from '../../../server/repository/blob-opener.ts';
import { ChunkSealer } from '../../../server/repository/blob-sealer.ts';
import { newConfig } from '../../../server/repository/config.ts';
import type { RepositoryKeys } from '../../../server/repository/keys.ts';
import type { StoredDisk, StoredRestorePoint } from '../../../server/repository/model.ts';
import { OpenCore } from '../../../server/repository/open-core.ts';
import { OpenRepository } from '../../../server/repository/open-repository.ts';
import { createRepository } from '../../../server/repository/open.ts';
import { PackBuilder } from '../../../server/repository/pack-builder.ts';
import { TestStorage } from './test-storage.ts';

export const chunkBytes = 65_536;
export const password = 'correct horse';
const { signal } = new AbortController();
export { signal };

/** The chunks of a disk that are not zeros: a number for the content of each. */
export type DiskModel = ReadonlyMap<number, number>;

/** 64 KiB that depend on `seed` only; every third kind compresses well. */
export function chunkContent(seed: number): Buffer {
  const parts: Buffer[] = [];
  const repeat = seed % 3 === 0 ? 64 : 1;
  for (let block = 0; block < chunkBytes / 32 / repeat; block++) {
    const digest = createHash('sha256').update(`${seed} ${block}`).digest();
    for (let copy = 0; copy < repeat; copy++) parts.push(digest);
  }
  return Buffer.concat(parts);
}

export function vm(number: number): VmId {
  return id.vmId(`00000000-0000-4000-8000-${String(number).padStart(12, '0')}`, 'vm');
}

function disk(number: number): DiskId {
  return id.diskId(`11111111-0000-4000-8000-${String(number).padStart(12, '0')}`, 'disk');
}

const runId: RunId = id.runId('01ARZ3NDEKTSV4RRFFQ69G5FAV', 'run');
const owner: OwnerId = id.ownerId('0123456789abcdef0123456789abcdef', 'owner');

/** A repository in a temporary folder. Dispose it. */
export class SmallRepository implements Disposable {
  readonly location: string;
  readonly #keys: RepositoryKeys;
  readonly #id: Repository['id'];
  readonly recoveryKey: string;
  storage: TestStorage;
  repository: OpenRepository;
  core: OpenCore;

  private constructor(location: string, repositoryId: Repository['id'], keys: RepositoryKeys, recoveryKey: string) {
    this.location = location;
    this.#id = repositoryId;
    this.#keys = keys;
    this.recoveryKey = recoveryKey;
    this.storage = new TestStorage(location);
    ({ core: this.core, repository: this.repository } = this.#open());
  }

  static async create(): Promise<SmallRepository> {
    const location = mkdtempSync(join(tmpdir(), 'tidemark-repository-'));
    const { repository, recoveryKey } = await createRepository(location, { password, signal });
    const made = new SmallRepository(location, repository.id, repository.exportKeys(), recoveryKey);
    await made.core.refreshIndex(signal);
    return made;
  }

  /** Another folder with the same files, opened anew. Its storage's clock stands as this one's. */
  async copy(): Promise<SmallRepository> {
    const location = mkdtempSync(join(tmpdir(), 'tidemark-repository-'));
    cpSync(this.location, location, { recursive: true, preserveTimestamps: true });
    const made = new SmallRepository(location, this.#id, this.#keys, this.recoveryKey);
    made.storage.aheadMs = this.storage.aheadMs;
    await made.core.refreshIndex(signal);
    return made;
  }

  /** Forgets everything in memory and opens the files anew, as another process would. The password is not needed: the keys are known. */
  async reopen(): Promise<void> {
    const { aheadMs } = this.storage;
    this.storage = new TestStorage(this.location);
    this.storage.aheadMs = aheadMs;
    ({ core: this.core, repository: this.repository } = this.#open());
    await this.core.refreshIndex(signal);
  }

  /** A second program that has the repository open. */
  async second(): Promise<{ readonly core: OpenCore; readonly repository: OpenRepository }> {
    const opened = this.#open();
    await opened.core.refreshIndex(signal);
    return opened;
  }

  [Symbol.dispose](): void {
    rmSync(this.location, { recursive: true, force: true });
  }

  #open(): { readonly core: OpenCore; readonly repository: OpenRepository } {
    const core = new OpenCore({
      id: this.#id,
      location: this.location,
      backend: this.storage,
      keys: this.#keys,
      warnings: [],
    });
    return { core, repository: new OpenRepository(core, newConfig(this.#id, new Date().toISOString())) };
  }
}

/** What a backup of tests stores. */
export interface BackupOptions {
  readonly vm: number;
  readonly disks: readonly DiskModel[];
  readonly diskChunks?: number;
  /** Build on this restore point: only what differs from it is stored. */
  readonly base?: { readonly point: StoredRestorePoint; readonly disks: readonly DiskModel[] };
  /** Chunks of a pack; the default puts all into one. */
  readonly packChunks?: number;
  /** Called after all packs are durable, before the commit. */
  readonly beforeCommit?: () => Promise<void>;
}

/** Backs up disks as the daemon does: claim, pack, map, commit. */
export async function backup(
  small: Pick<SmallRepository, 'core' | 'repository'>,
  options: BackupOptions,
): Promise<StoredRestorePoint> {
  const { core, repository } = small;
  const { diskChunks = 32, packChunks = 1000, base } = options;
  await using session = await repository.beginWrite({ signal, note: 'test backup' });
  const sealer = new ChunkSealer(repository.exportKeys(), repository.id);
  const disks: StoredDisk[] = [];
  for (const [number, model] of options.disks.entries()) {
    const baseDisk = base?.point.disks[number];
    const changes = sealedChanges(sealer, changedChunks(model, base?.disks[number]));
    let pack = new PackBuilder();
    let count = 0;
    const store = async (): Promise<void> => {
      if (count === 0) return;
      const { name, parts, packId, toc, fileBytes } = pack.finish();
      await core.backend.put(name, parts);
      session.addPack({ packId, toc, fileBytes });
      pack = new PackBuilder();
      count = 0;
    };
    for (const { id: blob, plain } of changes) {
      if (plain === undefined || session.claim(blob)[0] === 0) continue;
      pack.add(sealer.seal(blob, plain));
      if (++count === packChunks) await store();
    }
    await store();
    const geometry = { sizeBytes: diskChunks * chunkBytes, chunkBytes };
    const baseMap = baseDisk === undefined ? undefined : repository.openMap(baseDisk);
    const map = await session.saveMap(baseMap, geometry, asChanges(changes), signal);
    disks.push({
      id: disk(number),
      name: `disk${number}`,
      sizeBytes: geometry.sizeBytes,
      logicalSectorBytes: 512,
      physicalSectorBytes: 4096,
      chunkBytes,
      kind: base === undefined ? { type: 'full', reason: 'requested' } : { type: 'incremental' },
      stats: { readBytes: 0, newBytes: 0, storedBytes: 0, dataBytes: map.dataBytes },
      map,
    });
  }
  const text = Buffer.from(JSON.stringify({ vm: options.vm, at: options.disks.map((model) => [...model]) }));
  const configuration = await session.putMetadata('vm-config', text, signal);
  await session.flush(signal);
  await options.beforeCommit?.();
  return await session.commit(
    {
      vmId: vm(options.vm),
      vmName: `vm${options.vm}`,
      host: 'hv01',
      createdAt: new Date().toISOString(),
      type: base === undefined ? 'full' : 'incremental',
      consistency: 'application',
      disks,
      warnings: [],
      configuration,
      runId,
      owner,
      version: '0.1.0',
    },
    signal,
  );
}

interface SealedChange {
  readonly chunk: number;
  readonly id: Uint8Array;
  readonly plain: Buffer | undefined;
}

function changedChunks(model: DiskModel, before: DiskModel = new Map()): [number, number | undefined][] {
  const changed = [...model]
    .filter(([chunk, seed]) => before.get(chunk) !== seed)
    .map(([chunk, seed]) => [chunk, seed]);
  const gone = [...before.keys()].filter((chunk) => !model.has(chunk)).map((chunk) => [chunk, undefined]);
  return ([...changed, ...gone] as [number, number | undefined][]).sort(([a], [b]) => a - b);
}

function sealedChanges(sealer: ChunkSealer, changed: readonly [number, number | undefined][]): SealedChange[] {
  return changed.map(([chunk, seed]) => {
    const blob = new Uint8Array(32);
    const plain = seed === undefined ? undefined : chunkContent(seed);
    if (plain !== undefined) sealer.id(plain, blob, 0);
    return { chunk, id: blob, plain };
  });
}

async function* asChanges(changes: readonly SealedChange[]): AsyncGenerator<ChangedChunks> {
  yield {
    chunks: Uint32Array.from(changes, ({ chunk }) => chunk),
    ids: Buffer.concat(changes.map((change) => change.id)),
  };
}

/** Reads a disk of a restore point back: the SHA-256 of each chunk that is not zeros. */
export async function restored(
  { core, repository }: Pick<SmallRepository, 'core' | 'repository'>,
  point: StoredRestorePoint,
  number = 0,
): Promise<ReadonlyMap<number, string>> {
  const stored = point.disks[number];
  if (stored === undefined) throw new Error(`no disk ${number}`);
  const opener = new BlobOpener(repository.exportKeys(), repository.id);
  const chunks = new Map<number, string>();
  for await (const batch of repository.openMap(stored).locatedChunks(signal)) {
    for (const { chunk, id: blob, location } of batch) {
      const range = { offset: location.offset, length: location.recordBytes };
      const plain = opener.open(await core.backend.get(location.pack, { range }), blob, { checkId: true });
      chunks.set(chunk, createHash('sha256').update(plain).digest('hex'));
    }
  }
  return new Map([...chunks].sort(([a], [b]) => a - b));
}

/** What `restored` must give for a disk. */
export function expected(model: DiskModel): ReadonlyMap<number, string> {
  return new Map(
    [...model]
      .sort(([a], [b]) => a - b)
      .map(([chunk, seed]) => [chunk, createHash('sha256').update(chunkContent(seed)).digest('hex')]),
  );
}

/** A disk with these contents, chunk by chunk from `first`. */
export function diskOf(seeds: readonly number[], first = 0): DiskModel {
  return new Map(seeds.map((seed, index) => [first + index, seed]));
}

/** Every file of the repository with its size. */
export async function allFiles(small: Pick<SmallRepository, 'storage'>): Promise<ReadonlyMap<string, number>> {
  const files = new Map<string, number>();
  for await (const file of small.storage.list('', signal)) files.set(file.name, file.bytes);
  return files;
}

/** Ids of restore points, for comparing. */
export function idsOf(points: readonly { readonly id: RestorePointId }[]): readonly RestorePointId[] {
  return points.map((point) => point.id).sort();
}
