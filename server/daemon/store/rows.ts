/** Parsers of the database's rows: what a file holds is input like any other. */
import { logLine, runInfo, runSample } from '../../protocol/daemon.ts';
import type { LogLine, RunInfo, RunSample } from '../../protocol/daemon.ts';
import * as id from '../../protocol/ids.ts';
import { array, integer, json, literal, object, optional, string, union } from '../../protocol/parse.ts';
import type { Parser } from '../../protocol/parse.ts';
import type { JournalEntry } from '../runs/context.ts';
import type { HostRecord, RepositoryRecord } from './store.ts';

const hostRow = object({
  name: id.nameText,
  url: string({ maxLength: 2048 }),
  threads: integer(1, 16),
  certificate_sha256: optional(string({ maxLength: 64 })),
});

export function parseHost(row: unknown): HostRecord {
  const { name, url, threads, certificate_sha256: certificateSha256 } = hostRow(row, 'hosts');
  return { name, url, threads, certificateSha256 };
}

const repositoryRow = object({ name: id.nameText, location: string({ maxLength: 4096 }), id: id.repositoryId });

export function parseRepository(row: unknown): RepositoryRecord {
  return repositoryRow(row, 'repositories');
}

const infoRow = object({ info: string({ maxLength: 64 * 1024 * 1024 }) });

export function parseRun(row: unknown): RunInfo {
  return json(infoRow(row, 'runs').info, runInfo, 'run');
}

export function parseLogLine(row: unknown): LogLine {
  return logLine(row, 'run_log');
}

const samplesRow = object({ samples: string({ maxLength: 1024 * 1024 }) });

export function parseSamples(row: unknown): readonly RunSample[] {
  return json(samplesRow(row, 'run_samples').samples, array(runSample, 1024), 'samples');
}

const journalEntry: Parser<JournalEntry> = union('type', {
  'checkpoint-requested': object({
    type: literal('checkpoint-requested'),
    host: string({ maxLength: 64 }),
    vmId: string({ maxLength: 64 }),
  }),
  'restore-point-written': object({
    type: literal('restore-point-written'),
    restorePoint: string({ maxLength: 64 }),
  }),
  'partial-file': object({ type: literal('partial-file'), path: string({ maxLength: 4096 }) }),
  'file-complete': object({ type: literal('file-complete'), path: string({ maxLength: 4096 }) }),
});
const journalRow = object({ entry: string() });

export function parseJournalEntry(row: unknown): JournalEntry {
  return json(journalRow(row, 'journal').entry, journalEntry, 'journal entry');
}

const runIdRow = object({ run: id.runId });

export function parseRunIdRow(row: unknown): ReturnType<typeof id.runId> {
  return runIdRow(row, 'journal').run;
}
