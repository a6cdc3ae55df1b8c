/**
 * What the provider must still know after a crash: which checkpoints it was about to make, which reference points are ours. One small
 * file for each thing, written before the thing is done on the host (docs/hyperv.md).
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { readJsonFile, syncDirectory, temporarySuffix, writeFileDurably } from '../../base/files.ts';
import type { Logger } from '../../base/log.ts';
import { TidemarkError } from '../../protocol/errors.ts';
import { checkpointId, diskId, ownerId, referencePointId, runId, vmId } from '../../protocol/ids.ts';
import { checkpoint, consistency, referencePoint, timestamp } from '../../protocol/model.ts';
import { array, literal, object, oneOf, optional, string } from '../../protocol/parse.ts';
import type { Parsed, Parser } from '../../protocol/parse.ts';

const path = string({ maxLength: 4096 });
const recordKey = string({ maxLength: 32, pattern: /^[0-9a-f]{32}$/, what: 'a key of 32 hex digits' });

/** A checkpoint that was asked for, from before Hyper-V was asked until its differencing disks are merged. */
export const checkpointRecord = object({
  format: literal(1),
  key: recordKey,
  vmId,
  owner: ownerId,
  runId,
  consistency,
  startedAt: timestamp,
  /** The VM's recovery checkpoints just before: the one that was not among them is ours. */
  before: array(checkpointId, 4096),
  /** `starting` may exist without a name; `merging` is gone, only its differencing disks are still there. */
  phase: oneOf('starting', 'taken', 'removing', 'converting', 'merging'),
  jobId: optional(string({ maxLength: 256 })),
  checkpointId: optional(checkpointId),
  /** As it was given out. */
  checkpoint: optional(checkpoint),
  /** Files that the VM writes to since, which the merge removes. */
  leaves: array(path, 512),
  /** Files below them, into which they are merged. */
  bases: array(path, 512),
  /** What tells the reference point that the checkpoint becomes. */
  conversion: optional(
    object({
      before: array(referencePointId, 4096),
      jobId: optional(string({ maxLength: 256 })),
      /** As Hyper-V gave it at once. */
      pointId: optional(referencePointId),
      disks: array(object({ instanceId: string({ maxLength: 1024 }), diskId, file: optional(path) }), 512),
    }),
  ),
});
export type CheckpointRecord = Parsed<typeof checkpointRecord>;

/** A reference point of ours; all that Hyper-V does not say of it. */
export const referencePointRecord = object({
  format: literal(1),
  key: recordKey,
  point: referencePoint,
  /** The name of the file that the checkpoint had frozen of each disk: as long as it is in the chain, the disk went on from there. */
  files: optional(array(object({ diskId, name: path }), 512)),
});
export type ReferencePointRecord = Parsed<typeof referencePointRecord>;

/** A new key of a record. */
export const newRecordKey = (): string => randomBytes(16).toString('hex');

interface Keyed {
  readonly key: string;
}

/** Records of one kind: in memory, and each in a file of its own. */
export class RecordStore<T extends Keyed> {
  readonly #folder: string;
  readonly #parser: Parser<T>;
  readonly #log: Logger;
  readonly #records = new Map<string, T>();

  private constructor(folder: string, parser: Parser<T>, log: Logger) {
    this.#folder = folder;
    this.#parser = parser;
    this.#log = log;
  }

  /** Reads the records in `folder`, which is made when it is missing. One that cannot be read is set aside, and the log says so. */
  static async open<T extends Keyed>(folder: string, parser: Parser<T>, log: Logger): Promise<RecordStore<T>> {
    const store = new RecordStore<T>(folder, parser, log);
    await mkdir(folder, { recursive: true });
    for (const name of await readdir(folder)) {
      if (name.endsWith(temporarySuffix)) await rm(join(folder, name), { force: true });
      else if (name.endsWith('.json')) await store.#read(name);
    }
    return store;
  }

  async #read(name: string): Promise<void> {
    const file = join(this.#folder, name);
    try {
      const record = await readJsonFile(file, this.#parser, 16 * 1024 * 1024);
      if (record !== undefined) this.#records.set(record.key, record);
    } catch (error) {
      // A file that cannot be read now may be read the next time: only what is damaged is set aside.
      if (!TidemarkError.is(error)) throw error;
      await rename(file, `${file}.damaged`);
      this.#log.log('error', `The record ${file} is damaged and was set aside as ${name}.damaged.`, error);
    }
  }

  list(): readonly T[] {
    return [...this.#records.values()];
  }

  get(key: string): T | undefined {
    return this.#records.get(key);
  }

  /** Resolves when the record survives a power failure. */
  async put<R extends T>(record: R): Promise<R> {
    await writeFileDurably(this.#file(record.key), JSON.stringify(record), { mode: 0o600 });
    this.#records.set(record.key, record);
    return record;
  }

  async delete(key: string): Promise<void> {
    if (!this.#records.delete(key)) return;
    await rm(this.#file(key), { force: true });
    await syncDirectory(this.#folder);
  }

  #file(key: string): string {
    return join(this.#folder, `${key}.json`);
  }
}

/** All that the provider remembers. */
export interface Records {
  readonly checkpoints: RecordStore<CheckpointRecord>;
  readonly referencePoints: RecordStore<ReferencePointRecord>;
}

/** Opens the records in the state folder. */
export async function openRecords(stateFolder: string, log: Logger): Promise<Records> {
  return {
    checkpoints: await RecordStore.open(join(stateFolder, 'checkpoints'), checkpointRecord, log),
    referencePoints: await RecordStore.open(join(stateFolder, 'reference-points'), referencePointRecord, log),
  };
}
