/**
 * Garbage collection in two phases. The first finds what no restore point needs, moves what is still needed out of wasteful
 * packs, and condemns packs: from then on no writer relies on them. The second, a grace period later and with nobody writing,
 * looks again and deletes. `now` does both at once, alone on the repository.
 */
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { GcOptions, GcResult } from '../api.ts';
import type { RepositoryCore } from '../core.ts';
import type { Lease, LeaseKind } from '../leases.ts';
import { bytesOf, deleteCondemned, dueMs, graceMs, planDeletion } from './delete-condemned.ts';
import { describeDeletion, describePlan } from './describe.ts';
import { planCollection } from './plan.ts';
import type { GcPlan } from './plan.ts';
import { repack } from './repack.ts';
import type { Repacked } from './repack.ts';
import { survey } from './survey.ts';
import type { Survey } from './survey.ts';
import { forgetHealedDamage, mergeIndex, removeSuperseded, removeUnfinished, removeUnreadableRecords } from './tidy.ts';

/**
 * Collects garbage, or with `dryRun` says what a real run would do. Errors: `TM4016` when a restore point or map page cannot be
 * read, `TM4005` when somebody else holds the repository, `TM4007` on a read-only storage.
 */
export async function collectGarbage(core: RepositoryCore, options: GcOptions): Promise<GcResult> {
  const collection = new Collection(core, options);
  if (options.dryRun) return collection.explain();
  return options.now ? collection.collectNow() : collection.collect();
}

/** What the first phase did. */
interface Condemned {
  readonly packs: number;
  readonly bytes: number;
  readonly copiedBytes: number;
  /** When what it condemned may be deleted, ms since 1970; undefined when it condemned nothing. */
  readonly dueMs: number | undefined;
}

/** What the second phase did. */
interface Deleted {
  readonly packs: number;
  readonly bytes: number;
  /** When the last pack that has to wait may be deleted; undefined when none waits. */
  readonly nextDueMs: number | undefined;
}

class Collection {
  readonly #core: RepositoryCore;
  readonly #now: boolean;
  readonly #signal: AbortSignal;
  readonly #log: (text: string) => void;
  readonly #onProgress: (doneBytes: number, totalBytes: number) => void;
  #walkedBytes = 0;

  constructor(core: RepositoryCore, options: GcOptions) {
    this.#core = core;
    this.#now = options.now;
    this.#signal = options.signal;
    this.#log = options.log ?? (() => undefined);
    this.#onProgress = options.onProgress ?? (() => undefined);
  }

  /** What a real run would do now, if nobody is writing. */
  async explain(): Promise<GcResult> {
    const state = await this.#survey(undefined, this.#signal);
    const plan = this.#plan(state);
    const deletion = planDeletion(state, this.#now);
    for (const line of describeDeletion(deletion)) this.#log(line);
    const packs = plan.dead.length + plan.repack.length;
    const condemned: Condemned = {
      packs,
      bytes: plan.condemnedBytes,
      copiedBytes: plan.repackBytes,
      dueMs: packs === 0 ? undefined : state.nowMs + graceMs,
    };
    const atOnce = this.#now ? condemned : { packs: 0, bytes: 0 };
    const planned = this.#result(condemned, {
      packs: deletion.packs.length + atOnce.packs,
      bytes: bytesOf(deletion) + atOnce.bytes,
      nextDueMs: deletion.nextDueMs,
    });
    return { ...planned, dryRun: true };
  }

  /** Both phases, alone on the repository. */
  async collectNow(): Promise<GcResult> {
    return this.#holding('exclusive', async (lease, signal) => {
      const condemned = await this.#condemn(lease, signal);
      const deleted = await this.#delete(lease, signal);
      await this.#tidy(signal);
      return this.#result(condemned, deleted);
    });
  }

  /** Deletes what is due while nobody writes, then condemns, which disturbs no writer. */
  async collect(): Promise<GcResult> {
    const deleted = await this.#deleteDue();
    return this.#holding('writer', async (lease, signal) => {
      const condemned = await this.#condemn(lease, signal);
      await this.#tidy(signal);
      return this.#result(condemned, deleted);
    });
  }

  async #condemn(lease: Lease, signal: AbortSignal): Promise<Condemned> {
    const state = await this.#survey(lease, signal);
    const plan = this.#plan(state);
    const { emptied, written, copiedBytes } = await this.#repack(state, plan, signal);
    const packs = [...plan.dead, ...emptied].filter((pack) => !written.has(pack.packId));
    const unreadable = this.#unreadablePacks(state);
    if (packs.length + unreadable.length === 0) return { packs: 0, bytes: 0, copiedBytes, dueMs: undefined };
    const createdMs = Math.round(await this.#core.backend.now());
    await lease.confirm(signal);
    const packIds = [...packs.map((pack) => pack.packId), ...unreadable];
    const reason = `${plan.dead.length} unused, ${emptied.length} rewritten, ${unreadable.length} unreadable`;
    await this.#core.putCondemned({ createdMs, packs: packIds, reason }, signal);
    const bytes = packs.reduce((sum, pack) => sum + pack.fileBytes, 0);
    return { packs: packIds.length, bytes, copiedBytes, dueMs: createdMs + graceMs };
  }

  async #delete(lease: Lease, signal: AbortSignal): Promise<Deleted> {
    const deletion = planDeletion(await this.#survey(lease, signal), this.#now);
    for (const line of describeDeletion(deletion)) this.#log(line);
    await lease.confirm(signal);
    await deleteCondemned(this.#core, deletion, signal);
    return { packs: deletion.packs.length, bytes: bytesOf(deletion), nextDueMs: deletion.nextDueMs };
  }

  /** The second phase on its own. Nothing is deleted while somebody writes: a writer may rely on what was condemned after it began. */
  async #deleteDue(): Promise<Deleted> {
    const waiting = (await this.#core.condemned(this.#signal)).map(({ record }) => dueMs(record));
    const nextDueMs = waiting.length === 0 ? undefined : Math.max(...waiting);
    const nowMs = await this.#core.backend.now();
    if (!waiting.some((due) => due <= nowMs)) return { packs: 0, bytes: 0, nextDueMs };
    try {
      return await this.#holding('exclusive', async (lease, signal) => this.#delete(lease, signal));
    } catch (error) {
      if (!TidemarkError.is(error, errorCodes.repositoryLocked)) throw error;
      this.#log('Packs that could be deleted now stay: the repository is being written to.');
      return { packs: 0, bytes: 0, nextDueMs: Math.max(nowMs, nextDueMs ?? nowMs) };
    }
  }

  async #survey(lease: Lease | undefined, signal: AbortSignal): Promise<Survey> {
    return survey(this.#core, {
      lease,
      alone: this.#now || lease?.kind === 'exclusive',
      signal,
      log: this.#log,
      onProgress: (done, total) => {
        this.#walkedBytes = total;
        this.#onProgress(done, total);
      },
    });
  }

  /**
   * Plans over the packs that no record condemns and that no writer may just be making. A condemned pack that is needed again
   * waits for its pardon; a collection that deletes at once does not wait and rewrites it like any other.
   */
  #plan(state: Survey): GcPlan {
    const condemned = new Set(state.condemned.flatMap(({ record }) => record.packs));
    const packs = [...state.usage.values()].filter(({ packId, liveBytes }) => {
      if (condemned.has(packId)) return this.#now && liveBytes > 0;
      return !state.young.has(packId);
    });
    const plan = planCollection(packs);
    for (const line of describePlan(plan)) this.#log(line);
    return plan;
  }

  async #repack(state: Survey, plan: GcPlan, signal: AbortSignal): Promise<Repacked> {
    let copied = 0;
    try {
      return await repack(this.#core, plan.repack, {
        index: state.index,
        live: state.live,
        signal,
        log: this.#log,
        onAdvance: (bytes) => {
          copied += bytes;
          this.#onProgress(this.#walkedBytes + copied, this.#walkedBytes + plan.repackBytes);
        },
      });
    } catch (error) {
      if (!TidemarkError.is(error, errorCodes.repositoryFull)) throw error;
      this.#log('There is no room to rewrite packs; only unused packs go.');
      return { emptied: [], written: new Set(), copiedBytes: 0 };
    }
  }

  /** Files that are no packs and that nothing can need, since every blob that is needed has another place. */
  #unreadablePacks(state: Survey): readonly string[] {
    if (state.missingChunks > 0) return [];
    const condemned = new Set(state.condemned.flatMap(({ record }) => record.packs));
    return [...state.unreadablePacks].filter((packId) => !condemned.has(packId));
  }

  async #tidy(signal: AbortSignal): Promise<void> {
    await forgetHealedDamage(this.#core, signal);
    await removeUnreadableRecords(this.#core, signal);
    await removeUnfinished(this.#core, this.#now, signal);
    await mergeIndex(this.#core, signal);
    await removeSuperseded(this.#core, this.#now, signal);
  }

  /** Runs `work` under a lease; its signal is aborted when the lease is lost. */
  async #holding<T>(kind: LeaseKind, work: (lease: Lease, signal: AbortSignal) => Promise<T>): Promise<T> {
    const lease = await this.#core.acquireLease(kind, 'garbage collection', this.#signal);
    try {
      return await work(lease, AbortSignal.any([this.#signal, lease.lost]));
    } finally {
      await lease.release();
    }
  }

  #result(condemned: Condemned, deleted: Deleted): GcResult {
    const waiting = [deleted.nextDueMs, this.#now ? undefined : condemned.dueMs].filter((due) => due !== undefined);
    return {
      dryRun: false,
      condemnedPacks: condemned.packs,
      condemnedBytes: condemned.bytes,
      deletedPacks: deleted.packs,
      deletedBytes: deleted.bytes,
      repackedBytes: condemned.copiedBytes,
      ...(waiting.length === 0 ? {} : { deletableAt: new Date(Math.max(...waiting)).toISOString() }),
    };
  }
}
