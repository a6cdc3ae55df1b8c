import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

import * as fc from 'fast-check';

import {
  createSimulatedProvider,
  guestLoad,
  guestWrite,
  initHost,
  migrate,
  power,
} from '../../server/agent/simulated/index.ts';
import type { Extent, HostProvider } from '../../server/agent/provider.ts';
import { TidemarkError } from '../../server/protocol/errors.ts';
import type { TrackingId } from '../../server/protocol/ids.ts';
import type { Checkpoint, ReferencePoint, VmInfo } from '../../server/protocol/model.ts';
import {
  allExtents,
  checkpointOf,
  exportOf,
  frozenImage,
  guestImage,
  hostWithVm,
  MiB,
  never,
  quiet,
} from '../unit/simulated/support.ts';

const size = 3 * MiB + 4096;
const KiB = 1024;

type Command =
  | { readonly do: 'write'; readonly offset: number; readonly length: number; readonly fill: number }
  | { readonly do: 'load'; readonly seed: number }
  /** The next checkpoint, conversion or removal is cut off before its step `after`; then the agent starts again. */
  | { readonly do: 'crash'; readonly after: number; readonly how: 'convert' | 'remove' }
  | { readonly do: 'off' | 'on' | 'fail' | 'checkpoint' | 'convert' | 'remove' | 'migrate' | 'forget' };

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      offset: fc.nat(size - 1),
      length: fc.integer({ min: 1, max: 90_000 }),
      fill: fc.integer({ min: 1, max: 255 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('load' as const), seed: fc.nat(1000) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('checkpoint' as const, 'convert' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('off' as const, 'on' as const, 'fail' as const, 'remove' as const) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('crash' as const),
      after: fc.nat(6),
      how: fc.constantFrom('convert' as const, 'remove' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('migrate' as const, 'forget' as const) }) },
);

/** Thrown where the process would die. */
class Crash extends Error {}

/** A moment that changes may be asked for from. */
interface Moment {
  readonly point: ReferencePoint;
  readonly trackingId: TrackingId;
  readonly image: Buffer;
  /** How many writes came before its checkpoint. */
  readonly writes: number;
}

/** The host as it must behave, driven beside the real one. */
class Model {
  readonly #roots: readonly [string, string];
  readonly #providers: HostProvider[];
  readonly #vm: VmInfo;
  readonly #directory: string;
  #at: 0 | 1 = 0;
  #running = true;
  #open: { readonly checkpoint: Checkpoint; readonly image: Buffer; readonly writes: number } | undefined;
  #loads = 0;
  #moments: Moment[] = [];
  /** What the guest wrote, each with the coarsest granularity its record has gone through. */
  readonly #writes: { readonly extent: Extent; granularity: number }[] = [];
  readonly image = Buffer.alloc(size);

  /** Steps until the agent crashes. */
  #fuse = Infinity;

  constructor(roots: readonly [string, string], vm: VmInfo, directory: string) {
    this.#roots = roots;
    this.#providers = roots.map((root) => this.#agent(root));
    this.#vm = vm;
    this.#directory = directory;
  }

  get root(): string {
    return this.#roots[this.#at];
  }

  get provider(): HostProvider {
    const provider = this.#providers[this.#at];
    assert.ok(provider);
    return provider;
  }

  #agent(root: string): HostProvider {
    const onStep = (): void => {
      if (this.#fuse === 0) throw new Crash();
      this.#fuse -= 1;
    };
    return createSimulatedProvider(root, { jobMs: 0, onStep });
  }

  async run(step: Command): Promise<void> {
    switch (step.do) {
      case 'write':
        return this.#write(step.offset, Math.min(step.length, size - step.offset), step.fill);
      case 'load':
        // The same seed twice would write what is there already: tracked, and no difference to be seen.
        this.#loads += 1;
        return this.#load(step.seed + 1001 * this.#loads);
      case 'on':
      case 'off':
      case 'fail':
        return this.#power(step.do);
      case 'checkpoint':
        return this.#checkpoint();
      case 'convert':
      case 'remove':
        return this.#end(step.do);
      case 'crash':
        return this.#crash(step.after, step.how);
      case 'migrate':
        return this.#migrate();
      case 'forget':
        return this.#forget();
    }
  }

  async #write(offset: number, length: number, fill: number): Promise<void> {
    if (!this.#running) return;
    await guestWrite(this.root, 'web', 'os', { offset, from: Buffer.alloc(length, fill) });
    this.image.fill(fill, offset, offset + length);
    this.#writes.push({ extent: { offset, length }, granularity: 16 * KiB });
  }

  async #load(seed: number): Promise<void> {
    if (!this.#running) return;
    const before = Buffer.from(this.image);
    await guestLoad(this.root, 'web', 'os', { percent: 5, seed });
    (await guestImage(this.root, 'web', 'os', this.#directory)).copy(this.image);
    for (const extent of differences(before, this.image, 4 * KiB)) {
      this.#writes.push({ extent, granularity: 16 * KiB });
    }
  }

  async #power(action: 'on' | 'off' | 'fail'): Promise<void> {
    if (this.#running === (action === 'on')) return;
    await power(this.root, 'web', action);
    this.#running = action === 'on';
    if (action === 'on') return;
    const coarsest = action === 'fail' ? MiB : 64 * KiB;
    for (const write of this.#writes) write.granularity = Math.max(write.granularity, coarsest);
  }

  async #checkpoint(): Promise<void> {
    if (this.#open !== undefined) return;
    const checkpoint = await checkpointOf(this.provider, this.#vm, this.#running ? 'application' : 'crash');
    this.#open = { checkpoint, image: Buffer.from(this.image), writes: this.#writes.length };
  }

  /** Checks all that can be asked of the open checkpoint, then ends it. */
  async #end(how: 'convert' | 'remove'): Promise<void> {
    if (this.#open === undefined) return;
    const { checkpoint, image, writes } = this.#open;
    await this.#query(checkpoint, image, writes);
    if (how === 'remove') await this.provider.removeCheckpoint(checkpoint.id, quiet);
    else this.#remember(await this.provider.convertCheckpoint(checkpoint.id, quiet), image, writes);
    this.#open = undefined;
    assert.ok((await guestImage(this.root, 'web', 'os', this.#directory)).equals(this.image), 'the merged disk');
  }

  #remember(point: ReferencePoint, image: Buffer, writes: number): void {
    const trackingId = point.disks[0]?.trackingId;
    assert.ok(trackingId !== undefined);
    this.#moments.push({ point, trackingId, image, writes });
  }

  /** The agent dies in a change and another one starts: what it was at has happened or has not, nothing between. */
  async #crash(after: number, how: 'convert' | 'remove'): Promise<void> {
    const before = { open: this.#open, image: Buffer.from(this.image), writes: this.#writes.length };
    this.#fuse = after;
    const attempt = before.open === undefined ? this.#checkpoint() : this.#end(how);
    await attempt.catch((error: unknown) => {
      const cause = TidemarkError.is(error) ? error.cause : error;
      if (!(cause instanceof Crash)) throw error;
    });
    this.#fuse = Infinity;
    await this.provider[Symbol.asyncDispose]();
    this.#providers[this.#at] = this.#agent(this.root);
    await this.provider.recover(never);
    const [checkpoint, another] = await this.provider.listCheckpoints(this.#vm.id, never);
    assert.equal(another, undefined, 'one checkpoint at most');
    if (checkpoint !== undefined) {
      if (before.open !== undefined) assert.equal(checkpoint.id, before.open.checkpoint.id);
      this.#open = {
        checkpoint,
        image: before.open?.image ?? before.image,
        writes: before.open?.writes ?? before.writes,
      };
    } else {
      this.#open = undefined;
      const known = new Set(this.#moments.map((moment) => moment.point.id));
      for (const point of await this.provider.listReferencePoints(this.#vm.id, never)) {
        if (known.has(point.id)) continue;
        assert.ok(before.open !== undefined && how === 'convert', 'only a conversion makes a reference point');
        this.#remember(point, before.open.image, before.open.writes);
      }
    }
    assert.ok((await guestImage(this.root, 'web', 'os', this.#directory)).equals(this.image), 'the recovered disk');
  }

  async #query(checkpoint: Checkpoint, image: Buffer, writes: number): Promise<void> {
    const opened = await exportOf(this.provider, checkpoint.id);
    const disk = opened.disks[0]?.id;
    assert.ok(disk !== undefined);
    assert.ok((await frozenImage(this.provider, opened, disk)).equals(image), 'the frozen disk');
    checkCovered(Buffer.alloc(size), image, await allExtents(this.provider, opened, disk), 'allocated extents');
    for (const moment of this.#moments) {
      const extents = await allExtents(this.provider, opened, disk, moment.trackingId);
      checkCovered(moment.image, image, extents, 'changes');
      const possible = this.#writes.slice(moment.writes, writes);
      for (const extent of extents) checkJustified(extent, possible);
    }
    await this.provider.closeExport(opened.id);
  }

  async #migrate(): Promise<void> {
    if (this.#open !== undefined) return;
    const to = this.#at === 0 ? 1 : 0;
    await migrate(this.root, 'web', this.#roots[to]);
    this.#at = to;
  }

  /** Removes the oldest reference point. */
  async #forget(): Promise<void> {
    const oldest = this.#moments[0];
    if (oldest === undefined || this.#moments.length < 2) return;
    await this.provider.removeReferencePoint(oldest.point.id, undefined, quiet);
    this.#moments = this.#moments.slice(1);
  }
}

function differences(before: Buffer, after: Buffer, granule: number): readonly Extent[] {
  const extents: Extent[] = [];
  for (let offset = 0; offset < before.length; offset += granule) {
    const end = Math.min(before.length, offset + granule);
    if (!before.subarray(offset, end).equals(after.subarray(offset, end)))
      extents.push({ offset, length: end - offset });
  }
  return extents;
}

/** Taking the bytes of the extents from `after` turns `before` into `after`. */
function checkCovered(before: Buffer, after: Buffer, extents: readonly Extent[], what: string): void {
  const rebuilt = Buffer.from(before);
  let last = 0;
  for (const { offset, length } of extents) {
    assert.ok(length > 0 && offset >= last && offset + length <= size, `${what}: ascending and on the disk`);
    last = offset + length;
    after.copy(rebuilt, offset, offset, last);
  }
  assert.ok(rebuilt.equals(after), `${what}: nothing missed`);
}

/** Every granule of the extent was touched by a write, rounded to the coarsest bitmap that recorded it. */
function checkJustified(
  extent: Extent,
  writes: readonly { readonly extent: Extent; readonly granularity: number }[],
): void {
  for (let granule = extent.offset; granule < extent.offset + extent.length; granule += 16 * KiB) {
    const justified = writes.some(({ extent: write, granularity }) => {
      const start = Math.floor(write.offset / granularity) * granularity;
      const end = Math.ceil((write.offset + write.length) / granularity) * granularity;
      return granule >= start && granule < end;
    });
    assert.ok(justified, `nobody wrote near byte ${granule}`);
  }
}

async function newModel(t: TestContext): Promise<Model> {
  const { root, vm, directory } = await hostWithVm(t, { disks: [{ name: 'os', sizeBytes: size }] });
  const otherRoot = join(directory, 'hv02');
  await initHost(otherRoot);
  return new Model([root, otherRoot], vm, directory);
}

test('whatever the guest, the operator, the power and dying agents do: frozen disks stay frozen, and changes hold every changed byte and little else', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 10, maxLength: 40 }), async (commands) => {
      const model = await newModel(t);
      for (const step of commands) await model.run(step);
      await model.run({ do: 'checkpoint' });
      await model.run({ do: 'convert' });
    }),
    { numRuns: 12 },
  );
});
