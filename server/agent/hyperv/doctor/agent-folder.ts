/** What the agent has written down in its state folder, only read: `records.ts` puts a folder in order when it opens it, and the doctor changes nothing. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { readJsonFile, systemCode } from '../../../base/files.ts';
import { TidemarkError } from '../../../protocol/errors.ts';
import type { Parser } from '../../../protocol/parse.ts';
import { checkpointRecord, referencePointRecord } from '../records.ts';
import type { CheckpointRecord, ReferencePointRecord } from '../records.ts';
import { restoreRecord } from '../restores/record.ts';
import type { RestoreRecord } from '../restores/record.ts';

const maxRecordBytes = 16 * 1024 * 1024;
const maxRecords = 65_536;

/** The state folder of an agent. */
export interface AgentFolder {
  readonly checkpoints: readonly CheckpointRecord[];
  readonly referencePoints: readonly ReferencePointRecord[];
  readonly restores: readonly RestoreRecord[];
  /** Folders of exports. */
  readonly exports: readonly string[];
  /** Files that are no records, or were set aside as damaged. */
  readonly damaged: readonly string[];
}

/** Reads it. A folder of it that is missing is empty. Throws the system's errors. */
export async function readAgentFolder(folder: string): Promise<AgentFolder> {
  const damaged: string[] = [];
  const records = async <T>(name: string, parser: Parser<T>): Promise<readonly T[]> =>
    readRecords(join(folder, name), parser, damaged);
  return {
    checkpoints: await records('checkpoints', checkpointRecord),
    referencePoints: await records('reference-points', referencePointRecord),
    restores: await records('restores', restoreRecord),
    exports: (await namesIn(join(folder, 'exports'))).map((name) => join(folder, 'exports', name)),
    damaged,
  };
}

async function readRecords<T>(folder: string, parser: Parser<T>, damaged: string[]): Promise<readonly T[]> {
  const found: T[] = [];
  for (const name of await namesIn(folder)) {
    const file = join(folder, name);
    if (name.endsWith('.damaged')) damaged.push(file);
    if (!name.endsWith('.json')) continue;
    try {
      const record = await readJsonFile(file, parser, maxRecordBytes);
      if (record !== undefined) found.push(record);
    } catch (error) {
      if (!TidemarkError.is(error)) throw error;
      damaged.push(file);
    }
  }
  return found;
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).slice(0, maxRecords);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}
