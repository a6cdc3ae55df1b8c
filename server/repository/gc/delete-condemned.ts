/** The second phase of a garbage collection: packs that were condemned long enough ago go, unless something needs them again. */
import { throwIfAborted } from '../../protocol/errors.ts';
import type { RepositoryCore } from '../core.ts';
import type { CondemnedRecord, StoredRecord } from '../records.ts';
import { packName } from '../pack-toc.ts';
import type { Survey } from './survey.ts';

/** A condemned pack waits this long, ms: longer than any program that lost its lease goes on without noticing. */
export const graceMs = 24 * 60 * 60 * 1000;

/** What may be deleted. */
export interface DeletionPlan {
  /** Records that are settled by this deletion. */
  readonly records: readonly StoredRecord<CondemnedRecord>[];
  readonly packs: readonly { readonly packId: string; readonly bytes: number }[];
  /** Condemned packs that a restore point needs after all. */
  readonly pardoned: readonly string[];
  /** When the last of the records that have to wait is due, ms since 1970; undefined when none waits. */
  readonly nextDueMs: number | undefined;
}

/** When the packs of a record may be deleted, ms since 1970 by the storage's clock. */
export function dueMs(record: CondemnedRecord): number {
  return record.createdMs + graceMs;
}

/** Bytes that a deletion frees. */
export function bytesOf(plan: DeletionPlan): number {
  return plan.packs.reduce((sum, pack) => sum + pack.bytes, 0);
}

/** Decides over the condemned packs of a survey. With `now`, none waits. */
export function planDeletion(survey: Survey, now: boolean): DeletionPlan {
  const due = survey.condemned.filter(({ record }) => now || dueMs(record) <= survey.nowMs);
  const waiting = survey.condemned.filter((stored) => !due.includes(stored));
  const packs = new Map<string, number>();
  const pardoned = new Set<string>();
  for (const packId of due.flatMap(({ record }) => record.packs)) {
    const usage = survey.usage.get(packId);
    if (usage === undefined ? survey.missingChunks > 0 : usage.liveBytes > 0) pardoned.add(packId);
    else packs.set(packId, usage?.fileBytes ?? 0);
  }
  return {
    records: due,
    packs: Array.from(packs, ([packId, bytes]) => ({ packId, bytes })),
    pardoned: [...pardoned],
    nextDueMs: waiting.length === 0 ? undefined : Math.max(...waiting.map(({ record }) => dueMs(record))),
  };
}

/**
 * Deletes what `plan` says. Needs the exclusive lease under which the survey was made. The order keeps every crash harmless:
 * first the index forgets the packs, then the files go, then the record that names them.
 */
export async function deleteCondemned(core: RepositoryCore, plan: DeletionPlan, signal: AbortSignal): Promise<void> {
  if (plan.packs.length > 0) {
    await core.rewriteIndex(new Set(plan.packs.map(({ packId }) => packId)), signal);
    for (const { packId } of plan.packs) {
      throwIfAborted(signal);
      // A pack that no index names may be of either kind.
      await core.backend.delete(packName('data', packId), signal);
      await core.backend.delete(packName('meta', packId), signal);
    }
  }
  for (const { file } of plan.records) await core.deleteRecord(file, signal);
}
