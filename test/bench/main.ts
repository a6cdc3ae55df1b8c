/** `npm run bench`: Tidemark against restic and borg on the same seeded disk, in one run. Linux only. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { changedRegions, createRaw, diskRegions, RegionFiller, writeRegions } from './image.ts';
import type { Region } from './image.ts';
import { benchGigabit } from './gigabit.ts';
import { available, benchBorg, benchRestic } from './peers.ts';
import type { ToolResult } from './peers.ts';
import { machine, report } from './report.ts';
import type { BenchResult, SizeResult } from './report.ts';
import { TidemarkBench } from './tidemark.ts';

const gib = 1024 ** 3;
const seed = 'tidemark bench 1';
/** Places of 100 KiB that the guest writes between full and incremental: 0.95 % of 4 GiB. */
const changes = 400;

const help = `npm run bench -- [options]

  --sizes LIST    disk sizes in GiB, the first with restore and verify (default 4,16)
  --only LIST     tools: tidemark, restic, borg (default: those on the PATH)
  --no-gigabit    leave out the full over a link of 1 Gbit/s (needs root and iproute2)
  --dir DIR       where the images go; ten times the largest size is used (default: a temporary folder)
  --write FILE    also write the report to FILE (docs/benchmarks.md)
`;

const { values } = parseArgs({
  options: {
    sizes: { type: 'string', default: '4,16' },
    only: { type: 'string', default: 'tidemark,restic,borg' },
    'no-gigabit': { type: 'boolean', default: false },
    dir: { type: 'string' },
    write: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Everything that is measured on one disk size, each tool on a disk with the same bytes. */
async function benchSize(
  folder: string,
  sizeGib: number,
  tools: readonly string[],
  whole: boolean,
): Promise<SizeResult> {
  const sizeBytes = sizeGib * gib;
  const disk = join(folder, 'disk.raw');
  // The same data and the same change on a larger disk: what grows is the rest of the disk.
  const regions: readonly Region[] = diskRegions(sizeBytes, seed);
  const original = join(folder, 'original.raw');
  const base = (): void => void execFileSync('cp', ['--sparse=always', original, disk]);
  const change = async (): Promise<void> =>
    writeRegions(disk, changedRegions(sizeBytes, changes, seed), new RegionFiller(`${seed}/changed`));

  say(`${sizeGib} GiB: making the disk`);
  await createRaw(original, sizeBytes);
  await writeRegions(original, regions, new RegionFiller(seed));
  const vhdx = join(folder, 'disk.vhdx');
  execFileSync('qemu-img', ['convert', '-f', 'raw', '-O', 'vhdx', '-o', 'subformat=dynamic', original, vhdx]);
  const results: ToolResult[] = [];
  if (tools.includes('tidemark')) {
    say(`${sizeGib} GiB: Tidemark`);
    await using bench = await TidemarkBench.start(join(folder, 'tidemark'), vhdx);
    await rm(vhdx);
    const result = await bench.run(sizeBytes, changes, seed, whole);
    if (whole) {
      base();
      await change();
      execFileSync('cmp', [disk, bench.restored]);
    }
    results.push(result);
  }
  for (const [tool, run] of [
    ['restic', benchRestic],
    ['borg', benchBorg],
  ] as const) {
    // borg has no target of its own at larger sizes, and takes minutes there.
    if (!tools.includes(tool) || !available(tool) || (tool === 'borg' && !whole)) continue;
    say(`${sizeGib} GiB: ${tool}`);
    base();
    results.push(await run(folder, disk, change, whole));
    await rm(join(folder, tool), { recursive: true });
  }
  await rm(disk);
  return { sizeGib, results };
}

async function main(): Promise<void> {
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const folder = values.dir ?? (await mkdtemp(join(tmpdir(), 'tidemark-bench-')));
  try {
    const sizes: SizeResult[] = [];
    for (const [index, size] of values.sizes.split(',').entries()) {
      const part = await mkdtemp(join(folder, 'size-'));
      sizes.push(await benchSize(part, Number(size), values.only.split(','), index === 0));
      await rm(part, { recursive: true, force: true });
    }
    const gigabit = values['no-gigabit'] ? undefined : await benchGigabit(folder, seed, say);
    const result: BenchResult = { machine: machine(), sizes, gigabit };
    const text = report(result);
    process.stdout.write(text);
    if (values.write !== undefined) await writeFile(values.write, text);
  } finally {
    if (values.dir === undefined) await rm(folder, { recursive: true, force: true });
  }
}

await main();
