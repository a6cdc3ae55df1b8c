import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as fc from 'fast-check';

import type { StoredRestorePoint } from '../../../server/repository/model.ts';
import { backup, expected, restored, signal, SmallRepository } from './small-repository.ts';
import type { DiskModel, Opened } from './small-repository.ts';

/** A step of a history. Numbers choose among what there is at that moment. */
type Step =
  | {
      readonly do: 'backup';
      readonly vm: number;
      readonly writes: readonly (readonly [number, number])[];
      readonly full: boolean;
      readonly program: boolean;
    }
  | { readonly do: 'delete'; readonly which: number }
  | { readonly do: 'gc'; readonly now: boolean; readonly program: boolean }
  | { readonly do: 'gc-during-backup'; readonly vm: number; readonly seed: number; readonly which: number }
  | { readonly do: 'wait'; readonly hours: number }
  | { readonly do: 'verify' }
  | { readonly do: 'reopen' };

const chunk = fc.integer({ min: 0, max: 11 });
/** Few contents, so that disks share chunks; 0 is a chunk of zeros. */
const seed = fc.integer({ min: 0, max: 12 });
const vmNumber = fc.integer({ min: 1, max: 2 });
const which = fc.nat({ max: 1000 });

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('backup' as const),
      vm: vmNumber,
      writes: fc.array(fc.tuple(chunk, seed), { maxLength: 6 }),
      full: fc.boolean(),
      program: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), which }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('gc' as const), now: fc.boolean(), program: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('gc-during-backup' as const), vm: vmNumber, seed, which }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), hours: fc.integer({ min: 1, max: 48 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('verify' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const) }) },
);

interface Committed {
  readonly vm: number;
  readonly point: StoredRestorePoint;
  readonly disk: DiskModel;
}

/** A repository, another program that has it open too, and what must be in it. */
class History {
  readonly #small: SmallRepository;
  #other: Opened;
  #committed: readonly Committed[] = [];
  readonly #guests = new Map<number, ReadonlyMap<number, number>>();

  constructor(small: SmallRepository, other: Opened) {
    this.#small = small;
    this.#other = other;
  }

  async take(action: Step): Promise<void> {
    switch (action.do) {
      case 'backup': {
        const disk = new Map(this.#guests.get(action.vm) ?? []);
        for (const [at, content] of action.writes) {
          if (content === 0) disk.delete(at);
          else disk.set(at, content);
        }
        await this.#backup(action.program ? this.#other : this.#small, action.vm, disk, action.full, undefined);
        return;
      }
      case 'delete':
        await this.#delete(this.#small, action.which);
        return;
      case 'gc':
        await this.#collect(action.program ? this.#other : this.#small, action.now);
        return;
      case 'gc-during-backup': {
        const disk = new Map([...(this.#guests.get(action.vm) ?? []), [0, action.seed + 1]] as [number, number][]);
        await this.#backup(this.#small, action.vm, disk, true, async () => {
          await this.#delete(this.#other, action.which);
          this.#small.storage.aheadMs += 10_000;
          await this.#collect(this.#other, false);
        });
        return;
      }
      case 'wait':
        this.#small.storage.aheadMs += action.hours * 60 * 60 * 1000;
        return;
      case 'verify': {
        const { problems } = await this.#small.repository.verify({ readData: true, signal });
        assert.deepEqual(problems, []);
        return;
      }
      case 'reopen':
        await this.#small.reopen();
        this.#other = await this.#small.second();
        return;
    }
  }

  async check(): Promise<void> {
    for (const opened of [this.#small, this.#other]) {
      const { points, damaged } = await opened.repository.listRestorePoints(signal);
      assert.deepEqual(damaged, []);
      assert.deepEqual(
        points.map((point) => point.id),
        this.#committed.map(({ point }) => point.id).sort(),
      );
      await opened.core.refreshIndex(signal);
      for (const { point, disk } of this.#committed) assert.deepEqual(await restored(opened, point), expected(disk));
    }
  }

  /** At the end everything is whole, and no more is kept than packs that are needed for the most part: 60 % of each. */
  async end(): Promise<void> {
    await this.#collect(this.#small, true);
    await this.check();
    assert.deepEqual((await this.#small.repository.verify({ readData: true, signal })).problems, []);
    const { storedBytes, unusedBytes } = await this.#small.repository.status(signal);
    assert.ok(unusedBytes <= storedBytes * 0.4, `${unusedBytes} of ${storedBytes} bytes unused`);
  }

  async #backup(
    opened: Opened,
    vm: number,
    disk: DiskModel,
    full: boolean,
    beforeCommit: (() => Promise<void>) | undefined,
  ): Promise<void> {
    const base = full ? undefined : this.#committed.findLast((earlier) => earlier.vm === vm);
    const point = await backup(opened, {
      vm,
      disks: [disk],
      diskChunks: 12,
      packChunks: 2,
      ...(base === undefined ? {} : { base: { point: base.point, disks: [base.disk] } }),
      ...(beforeCommit === undefined ? {} : { beforeCommit }),
    });
    this.#guests.set(vm, disk);
    this.#committed = [...this.#committed, { vm, point, disk }];
  }

  async #delete(opened: Opened, choice: number): Promise<void> {
    const victim = this.#committed[choice % Math.max(1, this.#committed.length)];
    if (victim === undefined) return;
    await opened.repository.deleteRestorePoint(victim.point.id, signal);
    this.#committed = this.#committed.filter((kept) => kept !== victim);
  }

  async #collect(opened: Opened, now: boolean): Promise<void> {
    await opened.repository.collectGarbage({ dryRun: false, now, signal });
  }
}

test('whatever the order of backups, deletions, collections and checks by two programs, exactly the restore points that exist restore', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
      const small = await SmallRepository.create();
      const history = new History(small, await small.second());
      for (const action of steps) {
        await history.take(action);
        await history.check();
      }
      await history.end();
    }),
    { numRuns: Number(process.env['TIDEMARK_MODEL_RUNS'] ?? 60) },
  );
});
