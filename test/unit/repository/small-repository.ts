/** Small repositories for the tests of verification and garbage collection: backups without hosts, restores into memory. */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import type { DiskId, OwnerId, RestorePointId, RunId, VmId } from '../../../server/protocol/ids.ts';
import * as ids from '../../../server/protocol/ids.ts';
import type { ChangedChunks, Repository } from '../../../server/repository/api.ts';
import type { StorageBackend } from '../../../server/repository/backend.ts';
import { BlobOpener } from '../../../server/repository/blob-opener.ts';
import { ChunkSealer } from '../../../server/repository/blob-sealer.ts';
import { newConfig } from '../../../server/repository/config.ts';
import type { RepositoryKeys } from '../../../server/repository/keys.ts';
import { openLocalBackend } from '../../../server/repository/local-backend.ts';
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

const contents = new Map<number, Buffer>();

/** 64 KiB that depend on `seed` only; every third kind compresses well. */
export function chunkContent(seed: number): Buffer {
  const known = contents.get(seed);
  if (known !== undefined) return known;
  const noise = createHash('shake256', { outputLength: seed % 3 === 0 ? 1024 : chunkBytes })
    .update(`chunk ${seed}`)
    .digest();
  const content = Buffer.alloc(chunkBytes, noise);
  contents.set(seed, content);
  return content;
}

export function vm(number: number): VmId {
  return ids.vmId(`00000000-0000-4000-8000-${String(number).padStart(12, '0')}`, 'vm');
}

function disk(number: number): DiskId {
  return ids.diskId(`11111111-0000-4000-8000-${String(number).padStart(12, '0')}`, 'disk');
}

const runId: RunId = ids.runId('01ARZ3NDEKTSV4RRFFQ69G5FAV', 'run');
const owner: OwnerId = ids.ownerId('0123456789abcdef0123456789abcdef', 'owner');

/** An open repository with its inside. */
export interface Opened {
  readonly core: OpenCore;
  readonly repository: OpenRepository;
}

let template: Promise<SmallRepository> | undefined;

/** A repository in memory. */
export class SmallRepository implements Opened {
  readonly recoveryKey: string;
  readonly #keys: RepositoryKeys;
  readonly #id: Repository['id'];
  storage: TestStorage;
  core: OpenCore;
  repository: OpenRepository;

  private constructor(storage: TestStorage, id: Repository['id'], keys: RepositoryKeys, recoveryKey: string) {
    this.storage = storage;
    this.#id = id;
    this.#keys = keys;
    this.recoveryKey = recoveryKey;
    ({ core: this.core, repository: this.repository } = this.#open(storage));
  }

  /** A new one, empty. Deriving keys from passwords takes long, so all of a process are copies of one. */
  static async create(): Promise<SmallRepository> {
    template ??= SmallRepository.#make();
    return (await template).copy();
  }

  static async #make(): Promise<SmallRepository> {
    const location = mkdtempSync(join(tmpdir(), 'tidemark-repository-'));
    try {
      const storage = new TestStorage();
      const { repository, recoveryKey } = await createRepository(location, { password, signal, backend: storage });
      const made = new SmallRepository(storage, repository.id, repository.exportKeys(), recoveryKey);
      await made.core.refreshIndex(signal);
      return made;
    } finally {
      rmSync(location, { recursive: true, force: true });
    }
  }

  /** The same files in another storage, opened anew. */
  async copy(): Promise<SmallRepository> {
    const made = new SmallRepository(new TestStorage(this.storage), this.#id, this.#keys, this.recoveryKey);
    await made.core.refreshIndex(signal);
    return made;
  }

  /** Forgets everything in memory and opens the files anew, as another process would. The password is not needed: the keys are known. */
  async reopen(): Promise<void> {
    this.storage = new TestStorage(this.storage);
    ({ core: this.core, repository: this.repository } = this.#open(this.storage));
    await this.core.refreshIndex(signal);
  }

  /** A second program that has the repository open. */
  async second(): Promise<Opened> {
    const opened = this.#open(this.storage);
    await opened.core.refreshIndex(signal);
    return opened;
  }

  /** Writes the repository to a folder. */
  writeTo(location: string): void {
    for (const name of this.storage.files().keys()) {
      const path = join(location, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, this.storage.bytes(name));
    }
  }

  /** Opens the repository in a folder that `writeTo` wrote. */
  async openAt(location: string): Promise<Opened> {
    const opened = this.#open(openLocalBackend(location), location);
    await opened.core.refreshIndex(signal);
    return opened;
  }

  #open(backend: StorageBackend, location = 'memory'): Opened {
    const core = new OpenCore({ id: this.#id, location, backend, keys: this.#keys, warnings: [] });
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
export async function backup(small: Opened, options: BackupOptions): Promise<StoredRestorePoint> {
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

/** Chunks whose content differs, ascending; those that became zeros have no seed. */
function changedChunks(model: DiskModel, before: DiskModel = new Map()): readonly Change[] {
  const changes: Change[] = [];
  for (const [chunk, seed] of model) if (before.get(chunk) !== seed) changes.push({ chunk, seed });
  for (const chunk of before.keys()) if (!model.has(chunk)) changes.push({ chunk, seed: undefined });
  return changes.sort((a, b) => a.chunk - b.chunk);
}

interface Change {
  readonly chunk: number;
  readonly seed: number | undefined;
}

function sealedChanges(sealer: ChunkSealer, changed: readonly Change[]): SealedChange[] {
  return changed.map(({ chunk, seed }) => {
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
  { core, repository }: Opened,
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

/** Ids of restore points, for comparing. */
export function idsOf(points: readonly { readonly id: RestorePointId }[]): readonly RestorePointId[] {
  return points.map((point) => point.id).sort();
}
