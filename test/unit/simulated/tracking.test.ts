import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

import * as fc from 'fast-check';

import { DiskTracker } from '../../../server/agent/simulated/tracking/disk-tracker.ts';
import type { TrackerMoment, TrackerQuery } from '../../../server/agent/simulated/tracking/disk-tracker.ts';
import { PagedBitmap } from '../../../server/agent/simulated/tracking/paged-bitmap.ts';
import type { TrackingId } from '../../../server/protocol/ids.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;
const TiB = 1024 * GiB;

async function scratch(t: TestContext): Promise<(moment: TrackerMoment, sizeBytes?: number) => TrackerQuery> {
  const directory = await mkdtemp(join(tmpdir(), 'tidemark-tracking-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const paths = {
    memory: join(directory, 'os.memory'),
    rct: join(directory, 'os.vhdx.rct'),
    mrt: join(directory, 'os.vhdx.mrt'),
  };
  return (moment, sizeBytes = 4 * GiB) => ({ paths, moment, sizeBytes });
}

async function reopen(query: TrackerQuery): Promise<DiskTracker> {
  const tracker = await DiskTracker.open(query);
  assert.ok(tracker !== undefined, 'the tracking is known');
  return tracker;
}

async function sealed(tracker: DiskTracker, needed: readonly TrackingId[]): Promise<TrackingId> {
  const id = await tracker.seal(needed);
  assert.ok(id !== undefined);
  return id;
}

const ranges = (bitmap: PagedBitmap | undefined): readonly (readonly [number, number])[] | undefined =>
  bitmap === undefined ? undefined : [...bitmap.runs(0)].map(({ offset, length }) => [offset, length] as const);

test('a bitmap reports exactly the granules that were touched, joined and ascending', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(3000), fc.integer({ min: 1, max: 400 })), { maxLength: 30 }),
      fc.nat(3000),
      (writes, from) => {
        const bitmap = new PagedBitmap(16);
        const expected = new Set<number>();
        for (const [offset, length] of writes) {
          bitmap.mark(offset, length);
          for (let granule = Math.floor(offset / 16); granule * 16 < offset + length; granule++) expected.add(granule);
        }
        const reported = new Set<number>();
        let last = -1;
        for (const run of bitmap.runs(from)) {
          assert.ok(run.length > 0 && run.offset > last, 'ascending, with gaps between');
          last = run.offset + run.length;
          for (let granule = Math.floor(run.offset / 16); granule * 16 < last; granule++) reported.add(granule);
        }
        const wanted = [...expected].filter((granule) => (granule + 1) * 16 > from);
        assert.deepEqual(
          [...reported].sort((a, b) => a - b),
          wanted.sort((a, b) => a - b),
        );
      },
    ),
  );
});

test('runs join across bitmap pages', () => {
  const bitmap = new PagedBitmap(16 * KiB);
  bitmap.mark(0, 2 * GiB);
  assert.deepEqual(ranges(bitmap), [[0, 2 * GiB]]);
});

test('a bitmap of a 64 TiB disk takes memory for what changed only', () => {
  const bitmap = new PagedBitmap(16 * KiB);
  for (let at = 0; at < 64; at++) bitmap.mark(at * TiB + 5, 1);
  assert.equal(bitmap.pageCount, 64);
  assert.equal(ranges(bitmap)?.length, 64);
});

test('changes between two ids are those of the epochs between, at 16 KiB while the VM runs', async (t) => {
  const at = await scratch(t);
  const tracker = await DiskTracker.start(at('running'));
  const first = await sealed(tracker, []);
  await tracker.mark([{ offset: 100 * KiB, length: 1 }]);
  const second = await sealed(await reopen(at('running')), [first]);
  await (await reopen(at('running'))).mark([{ offset: 3 * GiB, length: 20 * KiB }]);
  const third = await sealed(await reopen(at('running')), [first, second]);
  const now = await reopen(at('running'));
  assert.deepEqual(ranges(now.changes(first, second)), [[96 * KiB, 16 * KiB]]);
  assert.deepEqual(ranges(now.changes(second, third)), [[3 * GiB, 32 * KiB]]);
  assert.deepEqual(ranges(now.changes(first, third)), [
    [96 * KiB, 16 * KiB],
    [3 * GiB, 32 * KiB],
  ]);
  assert.equal(now.changes(third, first), undefined);
});

test('changes all over a large disk are known again from the file, however many of its pages they take', async (t) => {
  const query = (await scratch(t))('running', TiB);
  const tracker = await DiskTracker.start(query);
  const from = await sealed(tracker, []);
  // A page of the file stands for 508 MiB: these are 1,000 of them, each with a bit of its own.
  const writes = Array.from({ length: 1000 }, (_, at) => ({ offset: at * GiB + at * 64 * KiB, length: 512 }));
  await tracker.mark(writes);
  const again = await reopen(query);
  const until = await sealed(again, [from]);
  const changes = (await reopen(query)).changes(from, until);
  assert.deepEqual(
    ranges(changes),
    writes.map(({ offset }) => [offset, 16 * KiB]),
  );
});

test('an id looks like one of Hyper-V', async (t) => {
  const at = await scratch(t);
  const id = await sealed(await DiskTracker.start(at('running')), []);
  assert.match(id, /^rctX:[0-9a-f]{8}(:[0-9a-f]{4}){3}:[0-9a-f]{12}:00000001$/);
});

test('an orderly stop keeps 64 KiB, a power failure 1 MiB', async (t) => {
  const at = await scratch(t);
  const tracker = await DiskTracker.start(at('running'));
  const base = await sealed(tracker, []);
  await tracker.mark([{ offset: 5 * MiB + 3, length: 2 }]);
  await tracker.powerOff();
  const off = await reopen(at('off-clean'));
  const stopped = await sealed(off, [base]);
  assert.deepEqual(ranges(off.changes(base, stopped)), [[5 * MiB, 64 * KiB]]);
  await off.powerOn();
  const running = await reopen(at('running'));
  await running.mark([{ offset: 9 * MiB + 3, length: 2 }]);
  await rm(at('running').paths.memory);
  const failed = await reopen(at('off-failed'));
  const after = await sealed(failed, [base, stopped]);
  assert.deepEqual(ranges(failed.changes(base, after)), [
    [5 * MiB, MiB],
    [9 * MiB, MiB],
  ]);
  await failed.powerOn();
  const again = await reopen(at('running'));
  assert.deepEqual(ranges(again.changes(stopped, after)), [[9 * MiB, MiB]]);
});

test('a stale .rct is never believed, also when the process died while the VM was switched on or off', async (t) => {
  const at = await scratch(t);
  const tracker = await DiskTracker.start(at('running'));
  const base = await sealed(tracker, []);
  // The .rct was written back, the VM's state was not: it goes on running.
  await tracker.powerOff();
  await tracker.mark([{ offset: 7 * MiB, length: 1 }]);
  const failed = await reopen(at('off-failed'));
  const end = await sealed(failed, [base]);
  assert.deepEqual(ranges(failed.changes(base, end)), [[7 * MiB, MiB]]);
  // RAM was loaded, the VM's state was not written: it is still off.
  await failed.powerOn();
  assert.equal((await reopen(at('off-clean'))).granularity, MiB);
});

test('RAM that is gone or damaged is replaced by the .mrt', async (t) => {
  const at = await scratch(t);
  const tracker = await DiskTracker.start(at('running'));
  const base = await sealed(tracker, []);
  await tracker.mark([{ offset: 7 * MiB + 5, length: 1 }]);
  const bytes = await readFile(at('running').paths.memory);
  bytes[100] = (bytes[100] ?? 0) ^ 1;
  await writeFile(at('running').paths.memory, bytes);
  const reloaded = await reopen(at('running'));
  const end = await sealed(reloaded, [base]);
  assert.deepEqual(ranges(reloaded.changes(base, end)), [[7 * MiB, MiB]]);
});

test('a missing, damaged, shortened or foreign .rct or .mrt makes every id unknown', async (t) => {
  const at = await scratch(t);
  const query = at('running');
  for (const file of ['rct', 'mrt'] as const) {
    const path = query.paths[file];
    const damage: Record<string, () => Promise<void>> = {
      missing: () => rm(path),
      shortened: async () => truncate(path, (await readFile(path)).length - 4096),
      empty: () => truncate(path, 0),
    };
    for (const [what, harm] of Object.entries(damage)) {
      const tracker = await DiskTracker.start(query);
      await tracker.mark([{ offset: 0, length: 1 }]);
      await tracker.powerOff();
      await harm();
      assert.equal(await DiskTracker.open(query), undefined, `${file} ${what}`);
    }
    const tracker = await DiskTracker.start(query);
    await tracker.mark([{ offset: 0, length: 1 }]);
    await tracker.powerOff();
    const good = await readFile(path);
    for (let byte = 0; byte < good.length; byte += 257) {
      const bad = Buffer.from(good);
      bad[byte] = (bad[byte] ?? 0) ^ 0x10;
      await writeFile(path, bad);
      assert.equal(await DiskTracker.open(query), undefined, `${file} with byte ${byte} flipped`);
    }
    const kept = await readFile(query.paths[file === 'rct' ? 'mrt' : 'rct']);
    await DiskTracker.start(query);
    await writeFile(query.paths[file === 'rct' ? 'mrt' : 'rct'], kept);
    assert.equal(await DiskTracker.open(query), undefined, `${file} of another tracking`);
  }
  const tracker = await DiskTracker.start(query);
  await tracker.mark([{ offset: 0, length: 1 }]);
  assert.equal(await DiskTracker.open(at('running', 8 * GiB)), undefined, 'a disk of another size');
});

test('a new page whose header was not written yet is kept when whole and overwritten when torn', async (t) => {
  const at = await scratch(t);
  const query = at('running');
  const tracker = await DiskTracker.start(query);
  const base = await sealed(tracker, []);
  const before = await readFile(query.paths.mrt);
  await tracker.mark([{ offset: 2 * GiB, length: 1 }]);
  const after = await readFile(query.paths.mrt);
  assert.ok(after.length > before.length);
  for (const tail of [after.length, after.length - 100, before.length + 1]) {
    const torn = Buffer.concat([before.subarray(0, 4096), after.subarray(4096, tail)]);
    await writeFile(query.paths.mrt, torn);
    await rm(query.paths.memory, { force: true });
    const reloaded = await reopen(query);
    await reloaded.mark([{ offset: GiB, length: 1 }]);
    await rm(query.paths.memory);
    const again = await reopen(query);
    const end = await sealed(again, [base]);
    const found = ranges(again.changes(base, end)) ?? [];
    assert.ok(found.some(([offset]) => offset === GiB));
  }
});

test('ids nobody needs are forgotten and their changes stay with the id before', async (t) => {
  const at = await scratch(t);
  const tracker = await DiskTracker.start(at('running'));
  const first = await sealed(tracker, []);
  let dropped = first;
  for (let round = 1; round <= 20; round++) {
    await tracker.mark([{ offset: round * MiB, length: 1 }]);
    dropped = await sealed(tracker, [first]);
  }
  const last = await sealed(tracker, [first]);
  assert.equal(tracker.changes(dropped, last), undefined);
  assert.equal(ranges(tracker.changes(first, last))?.length, 20);
});

test('whatever happens, the answer holds every write between two ids', async (t) => {
  const at = await scratch(t);
  const size = 40 * MiB;
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ write: fc.nat(size - 1), length: fc.integer({ min: 1, max: 300_000 }) }) },
    { weight: 3, arbitrary: fc.constant('seal' as const) },
    { weight: 1, arbitrary: fc.constantFrom('off', 'fail') },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const tracker = await DiskTracker.start(at('running', size));
      const ids: { id: TrackingId; writes: { offset: number; length: number }[] }[] = [];
      ids.push({ id: await sealed(tracker, []), writes: [] });
      let granularity = 16 * KiB;
      for (const action of steps) {
        const now = await reopen(at('running', size));
        if (action === 'seal') {
          const id = await sealed(
            now,
            ids.map((entry) => entry.id),
          );
          ids.push({ id, writes: [] });
        } else if (action === 'off') {
          await now.powerOff();
          await (await reopen(at('off-clean', size))).powerOn();
          granularity = Math.max(granularity, 64 * KiB);
        } else if (action === 'fail') {
          await rm(at('running', size).paths.memory);
          await (await reopen(at('off-failed', size))).powerOn();
          granularity = MiB;
        } else {
          const write = { offset: action.write, length: Math.min(action.length, size - action.write) };
          await now.mark([write]);
          ids.at(-1)?.writes.push(write);
        }
      }
      const end = await reopen(at('running', size));
      const last = await sealed(
        end,
        ids.map((entry) => entry.id),
      );
      for (const [from, since] of ids.entries()) {
        const changed = end.changes(since.id, last);
        assert.ok(changed !== undefined);
        const exact = new PagedBitmap(granularity);
        const finest = new PagedBitmap(16 * KiB);
        for (const entry of ids.slice(from)) {
          for (const { offset, length } of entry.writes) {
            exact.mark(offset, length);
            finest.mark(offset, length);
          }
        }
        const reported = new PagedBitmap(granularity);
        reported.add(changed);
        assert.deepEqual(ranges(reported), ranges(exact), 'no more than the coarsest bitmap that was used');
        const both = new PagedBitmap(16 * KiB);
        both.add(changed);
        const without = ranges(both);
        both.add(finest);
        assert.deepEqual(ranges(both), without, 'nothing missed');
      }
    }),
    { numRuns: 40 },
  );
});
