/** Files that runs were writing when they stopped. */
import { rm } from 'node:fs/promises';

import { systemCode } from '../../base/files.ts';
import type { Logger } from '../../base/log.ts';
import type { RunId } from '../../protocol/ids.ts';
import type { Store } from '../store/store.ts';
import type { JournalEntry } from './context.ts';

/** The files that the journal calls partial and never complete. */
export function partialFiles(entries: readonly JournalEntry[]): readonly string[] {
  const partial = new Set<string>();
  for (const entry of entries) {
    if (entry.type === 'partial-file') partial.add(entry.path);
    if (entry.type === 'file-complete') partial.delete(entry.path);
  }
  return [...partial];
}

/** Removes the partial files of a journal. Returns whether none is left; failures are logged. */
export async function removePartialFiles(entries: readonly JournalEntry[], log: Logger): Promise<boolean> {
  let clean = true;
  for (const path of partialFiles(entries)) {
    try {
      await rm(path);
      log.log('info', `Removed the unfinished file ${path}`);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') continue;
      clean = false;
      log.log('warning', `The unfinished file ${path} cannot be removed now`, error);
    }
  }
  return clean;
}

/** Strikes `path` from the journals of all other runs: what lies there now is not theirs. */
export function disownPartialFile(store: Store, path: string, owner: RunId): void {
  for (const run of store.journalledRuns()) {
    if (run !== owner && partialFiles(store.journal(run)).includes(path)) {
      store.appendJournal(run, { type: 'file-complete', path });
    }
  }
}
