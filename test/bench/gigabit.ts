/** A full backup of compressible data over a link of 1 Gbit/s: a network namespace of its own whose loopback is shaped. */
import { execFileSync } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import { createRaw, RegionFiller, writeRegions } from './image.ts';
import type { Region } from './image.ts';
import { available } from './peers.ts';
import { TidemarkBench } from './tidemark.ts';

const gib = 1024 ** 3;
const mib = 1024 ** 2;
/** What a link of 1 Gbit/s carries at best, in 10^6 bytes a second: Ethernet, IP and TCP take the rest. */
export const linkMegabytes = 119;

/** Data that crossed and how long the full took. */
export interface GigabitResult {
  readonly dataBytes: number;
  readonly wallSeconds: number;
}

/** Undefined where the machine does not let us shape a link. */
export async function benchGigabit(
  folder: string,
  seed: string,
  say: (text: string) => void,
): Promise<GigabitResult | undefined> {
  if (process.getuid?.() !== 0 || !available('tc') || !available('ip')) {
    say('1 Gbit/s: left out, it needs root and iproute2');
    return undefined;
  }
  const name = `tidemark-bench-${process.pid}`;
  const ip = (...args: readonly string[]): void => void execFileSync('ip', args);
  ip('netns', 'add', name);
  try {
    const inside = ['netns', 'exec', name];
    ip(...inside, 'ip', 'link', 'set', 'lo', 'up');
    ip(
      ...inside,
      'tc',
      'qdisc',
      'add',
      'dev',
      'lo',
      'root',
      'tbf',
      'rate',
      '1gbit',
      'burst',
      '512kb',
      'latency',
      '20ms',
    );
    say('1 Gbit/s: making the disk');
    const raw = join(folder, 'text.raw');
    const vhdx = join(folder, 'text.vhdx');
    const sizeBytes = 2 * gib;
    await createRaw(raw, sizeBytes);
    const regions = Array.from({ length: 48 }, (_, index): Region => {
      return { offset: index * 40 * mib, length: 32 * mib, kind: 'text' };
    });
    await writeRegions(raw, regions, new RegionFiller(`${seed}/text`));
    execFileSync('qemu-img', ['convert', '-f', 'raw', '-O', 'vhdx', '-o', 'subformat=dynamic', raw, vhdx]);
    await rm(raw);
    say('1 Gbit/s: Tidemark');
    await using bench = await TidemarkBench.start(join(folder, 'gigabit'), vhdx, ['ip', ...inside]);
    await rm(vhdx);
    const { wallSeconds } = await bench.full();
    return { dataBytes: regions.length * 32 * mib, wallSeconds };
  } finally {
    ip('netns', 'del', name);
  }
}
