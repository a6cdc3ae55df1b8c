/** Repositories, disks and failing storage for the tests of the repository library. */
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import type { ErrorCode } from '../../../server/protocol/errors.ts';
import { diskId, ownerId, runId, vmId } from '../../../server/protocol/ids.ts';
import type { ChangedChunks, Repository, WriteSession } from '../../../server/repository/index.ts';
import {
  BlobOpener,
  ChunkSealer,
  createRepository,
  openLocalBackend,
  PackBuilder,
} from '../../../server/repository/index.ts';
import type {
  NewRestorePoint,
  StorageBackend,
  StoredDisk,
  StoredRestorePoint,
} from '../../../server/repository/index.ts';

export const signal: AbortSignal = new AbortController().signal;
export const chunkBytes = 65_536;
export const password = 'correct horse';
export const testVm = vmId('11111111-2222-3333-4444-555555555555', 'vm');
export const testDisk = diskId('AAAAAAAA-2222-3333-4444-555555555555', 'disk');

/** A folder that goes away with the test. */
export function temporaryFolder(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'tidemark-repository-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

let template: Promise<{ readonly path: string; readonly recoveryKey: string }> | undefined;

/** A copy of an empty repository: deriving keys from passwords takes long, so one is made for all tests of a file. */
export async function emptyRepository(path: string): Promise<{ readonly recoveryKey: string }> {
  template ??= makeTemplate();
  const made = await template;
  cpSync(made.path, path, { recursive: true });
  return { recoveryKey: made.recoveryKey };
}

async function makeTemplate(): Promise<{ readonly path: string; readonly recoveryKey: string }> {
  const path = mkdtempSync(join(tmpdir(), 'tidemark-repository-template-'));
  process.once('exit', () => rmSync(path, { recursive: true, force: true }));
  const { recoveryKey } = await createRepository(path, { password, signal });
  return { path, recoveryKey };
}

/** Content of a chunk: zeros for 0, otherwise bytes that follow from the number; even numbers compress. */
export function chunkOf(seed: number, bytes: number = chunkBytes): Buffer {
  if (seed === 0) return Buffer.alloc(bytes);
  if (seed % 2 === 0) return Buffer.alloc(bytes, `chunk ${seed} `);
  const block = createHash('shake256', { outputLength: bytes }).update(`chunk ${seed}`).digest();
  return block;
}

/** A disk as a list of chunk seeds. */
export type Disk = readonly number[];

/** Stores the chunks that changed between two disks, as a run does, and gives the changes. */
export async function storeChanges(
  repository: Repository,
  session: WriteSession,
  backend: StorageBackend,
  before: Disk | undefined,
  after: Disk,
): Promise<ChangedChunks> {
  const sealer = new ChunkSealer(repository.exportKeys(), repository.id);
  const chunks = after.flatMap((seed, chunk) => (before === undefined || before[chunk] !== seed ? [chunk] : []));
  const ids = new Uint8Array(chunks.length * 32);
  for (const [position, chunk] of chunks.entries()) sealer.id(chunkOf(after[chunk] ?? 0), ids, position * 32);
  const isNew = session.claim(ids);
  const pack = new PackBuilder();
  for (const [position, chunk] of chunks.entries()) {
    if (isNew[position] !== 1) continue;
    pack.add(sealer.seal(ids.slice(position * 32, position * 32 + 32), chunkOf(after[chunk] ?? 0)));
  }
  if (pack.bytes > 0) {
    const finished = pack.finish();
    await backend.put(finished.name, finished.parts, { signal });
    session.addPack(finished);
  }
  return { chunks: Uint32Array.from(chunks), ids };
}

/** A restore point of these disks, ready for `commit`. */
export function newPoint(
  disks: readonly StoredDisk[],
  configuration: NewRestorePoint['configuration'],
): NewRestorePoint {
  return {
    vmId: testVm,
    vmName: 'sql01',
    host: 'hv01',
    createdAt: '2026-01-02T03:04:05.678Z',
    type: 'full',
    consistency: 'crash',
    disks,
    warnings: [],
    configuration,
    runId: runId('01ARZ3NDEKTSV4RRFFQ69G5FAV', 'run'),
    owner: ownerId('0'.repeat(32), 'owner'),
    version: '0.0.0',
  };
}

/** Backs up a disk as a run does: chunks, map, configuration, commit. */
export async function backUp(
  repository: Repository,
  disk: Disk,
  options: {
    readonly base?: { readonly point: StoredRestorePoint; readonly disk: Disk } | undefined;
    readonly backend?: StorageBackend;
  } = {},
): Promise<StoredRestorePoint> {
  const { base, backend = openLocalBackend(repository.location) } = options;
  await using session = await repository.beginWrite({ signal, note: 'test' });
  const changes = await storeChanges(repository, session, backend, base?.disk, disk);
  const geometry = { sizeBytes: disk.length * chunkBytes, chunkBytes };
  const stored = base?.point.disks[0];
  const map = await session.saveMap(
    stored === undefined ? undefined : repository.openMap(stored),
    geometry,
    one(changes),
    signal,
  );
  const configuration = await session.putMetadata('vm-config', Buffer.from('{"name":"sql01"}'), signal);
  await session.flush(signal);
  return await session.commit(newPoint([storedDisk(geometry.sizeBytes, map)], configuration), signal);
}

/** A disk of a restore point. */
export function storedDisk(sizeBytes: number, map: StoredDisk['map']): StoredDisk {
  return {
    id: testDisk,
    name: 'os',
    sizeBytes,
    logicalSectorBytes: 512,
    physicalSectorBytes: 4096,
    chunkBytes,
    kind: { type: 'full', reason: 'first' },
    stats: { readBytes: 0, newBytes: 0, storedBytes: 0, dataBytes: map.dataBytes },
    map,
  };
}

/** An iterable of one. */
export async function* one<T>(value: T): AsyncGenerator<T> {
  yield value;
}

/** Reads the first disk of a restore point back and compares it, chunk by chunk. */
export async function assertDisk(repository: Repository, point: StoredRestorePoint, disk: Disk): Promise<void> {
  const backend = openLocalBackend(repository.location);
  const opener = new BlobOpener(repository.exportKeys(), repository.id);
  const stored = point.disks[0];
  if (stored === undefined) throw new Error('the restore point has no disk');
  const seen = new Set<number>();
  for await (const batch of repository.openMap(stored).locatedChunks(signal)) {
    for (const { chunk, id, location } of batch) {
      const range = { offset: location.offset, length: location.recordBytes };
      const record = await backend.get(location.pack, { range, signal });
      const plain = opener.open(record, id, { checkId: true });
      if (!chunkOf(disk[chunk] ?? 0).equals(plain)) throw new Error(`chunk ${chunk} differs`);
      seen.add(chunk);
    }
  }
  for (const [chunk, seed] of disk.entries()) {
    if ((seed !== 0) !== seen.has(chunk)) throw new Error(`chunk ${chunk} is ${seed === 0 ? 'there' : 'missing'}`);
  }
}

/** Where a storage fails. */
export interface Fault {
  /** Which of the writing calls (`put`, `delete`), counted from 1. */
  readonly call: number;
  /** `torn` leaves half of the file under a temporary name, as a killed process does; `refuse` goes on, but refuses writes from then on. */
  readonly mode: 'before' | 'after' | 'torn' | 'refuse';
  /** What `refuse` says. */
  readonly code?: ErrorCode;
}

/** A storage that stops working at one call, as for a process that is killed there. Counts the calls. */
export class FailingBackend implements StorageBackend {
  readonly #inner: StorageBackend;
  readonly #location: string;
  readonly #fault: Fault | undefined;
  calls = 0;
  dead = false;

  constructor(location: string, fault?: Fault) {
    this.#inner = openLocalBackend(location);
    this.#location = location;
    this.#fault = fault;
  }

  async put(...[name, parts, options]: Parameters<StorageBackend['put']>): Promise<void> {
    await this.#write(
      async () => this.#inner.put(name, parts, options),
      () => {
        const path = join(this.#location, `${name}.0123456789ab.tmp`);
        const bytes = Buffer.concat(parts);
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, bytes.subarray(0, bytes.length / 2));
      },
    );
  }

  async delete(...[name, aborted]: Parameters<StorageBackend['delete']>): Promise<void> {
    await this.#write(
      async () => this.#inner.delete(name, aborted),
      () => undefined,
    );
  }

  async get(...[name, options]: Parameters<StorageBackend['get']>): Promise<Uint8Array> {
    this.#alive();
    return this.#inner.get(name, options);
  }

  list(...[prefix, aborted]: Parameters<StorageBackend['list']>): ReturnType<StorageBackend['list']> {
    this.#alive();
    return this.#inner.list(prefix, aborted);
  }

  listUnfinished(...[prefix, aborted]: Parameters<StorageBackend['list']>): ReturnType<StorageBackend['list']> {
    this.#alive();
    return this.#inner.listUnfinished(prefix, aborted);
  }

  async listPieces(
    ...[folder, aborted]: Parameters<StorageBackend['listPieces']>
  ): ReturnType<StorageBackend['listPieces']> {
    this.#alive();
    return this.#inner.listPieces(folder, aborted);
  }

  async stat(...[name, aborted]: Parameters<StorageBackend['stat']>): ReturnType<StorageBackend['stat']> {
    this.#alive();
    return this.#inner.stat(name, aborted);
  }

  async freeBytes(): Promise<number | null> {
    return this.#inner.freeBytes();
  }

  async now(): Promise<number> {
    this.#alive();
    return this.#inner.now();
  }

  async #write(work: () => Promise<void>, tear: () => void): Promise<void> {
    this.#alive();
    this.calls += 1;
    if (this.#fault?.mode === 'refuse') {
      if (this.calls < this.#fault.call) return work();
      throw new TidemarkError(this.#fault.code ?? errorCodes.repositoryFull, 'The storage refuses.');
    }
    if (this.calls !== this.#fault?.call) return work();
    if (this.#fault.mode === 'after') await work();
    if (this.#fault.mode === 'torn') tear();
    this.dead = true;
    this.#alive();
  }

  #alive(): void {
    if (this.dead) throw new TidemarkError(errorCodes.repositoryUnavailable, 'The storage is dead.');
  }
}

/** Bytes of disks differ from run to run in these seeds. */
export function changed(disk: Disk, changes: Readonly<Record<number, number>>): Disk {
  return disk.map((seed, chunk) => changes[chunk] ?? seed);
}
