/** The report of a benchmark run, as Markdown: figures, ratios against the targets, machine and commands. */
import { execFileSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';

import { linkMegabytes } from './gigabit.ts';
import type { GigabitResult } from './gigabit.ts';
import type { Cost } from './measure.ts';
import type { ToolResult } from './peers.ts';

const mib = 1024 ** 2;

/** All tools on one disk size. */
export interface SizeResult {
  readonly sizeGib: number;
  readonly results: readonly ToolResult[];
}

/** Everything measured in one run. */
export interface BenchResult {
  readonly machine: string;
  readonly sizes: readonly SizeResult[];
  readonly gigabit: GigabitResult | undefined;
}

/** Processor, memory, kernel and Node, in one line. */
export function machine(): string {
  const [cpu] = cpus();
  const kernel = execFileSync('uname', ['-sr'], { encoding: 'utf8' }).trim();
  return `${cpus().length} × ${cpu?.model.trim() ?? 'unknown processor'}, ${(totalmem() / 1024 ** 3).toFixed(0)} GiB memory, ${kernel}, Node ${process.versions.node}`;
}

const seconds = (value: number | undefined): string => (value === undefined ? '–' : value.toFixed(1));
const mebibytes = (value: number | undefined): string => (value === undefined ? '–' : (value / mib).toFixed(0));
const times = (value: number): string => `${value.toFixed(2)} ×`;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;
  return line(head) + line(head.map((_, index) => (index === 0 ? '---' : '---:'))) + rows.map(line).join('');
}

function figures({ results }: SizeResult): string {
  const operations = ['full', 'incremental', 'restore', 'verify'] as const;
  const rows = operations.flatMap((operation) =>
    results.flatMap((result) => {
      const cost: (Cost & { readonly stored?: number }) | undefined = result[operation];
      if (cost === undefined) return [];
      return [
        [
          `${operation}, ${result.tool}`,
          seconds(cost.wallSeconds),
          seconds(cost.cpuSeconds),
          mebibytes(cost.peakBytes),
          mebibytes(cost.stored),
        ],
      ];
    }),
  );
  return table(['operation', 'wall s', 'CPU s', 'peak memory MiB', 'stored MiB'], rows);
}

interface Target {
  readonly name: string;
  readonly wanted: string;
  readonly measured: string;
  readonly met: boolean;
}

function atLeast(name: string, ratio: number, least: number): Target {
  return { name, wanted: `≥ ${least} ×`, measured: times(ratio), met: ratio >= least };
}

function targets({ sizes, gigabit }: BenchResult): Target[] {
  const found: Target[] = [];
  const find = (size: SizeResult | undefined, tool: string): ToolResult | undefined =>
    size?.results.find((result) => result.tool === tool);
  const [small, ...larger] = sizes;
  const own = find(small, 'Tidemark');
  const restic = find(small, 'restic');
  if (small !== undefined && own !== undefined && restic !== undefined) {
    found.push(atLeast("full: restic's speed", restic.full.wallSeconds / own.full.wallSeconds, 2));
    const cpu = own.full.cpuSeconds / restic.full.cpuSeconds;
    found.push({ name: "full: restic's CPU", wanted: '≤ 0.6 ×', measured: times(cpu), met: cpu <= 0.6 });
    const ratio = restic.incremental.wallSeconds / own.incremental.wallSeconds;
    found.push(atLeast(`incremental at ${small.sizeGib} GiB: restic's speed`, ratio, 6));
    if (own.restore !== undefined && restic.restore !== undefined) {
      found.push(atLeast("restore: restic's speed", restic.restore.wallSeconds / own.restore.wallSeconds, 1.5));
    }
    if (own.verify !== undefined && restic.verify !== undefined) {
      found.push(atLeast("verify of all data: restic's speed", restic.verify.wallSeconds / own.verify.wallSeconds, 1));
    }
  }
  for (const size of larger) {
    const ownLarge = find(size, 'Tidemark');
    const resticLarge = find(size, 'restic');
    if (ownLarge === undefined) continue;
    if (resticLarge !== undefined) {
      const ratio = resticLarge.incremental.wallSeconds / ownLarge.incremental.wallSeconds;
      found.push(atLeast(`incremental at ${size.sizeGib} GiB: restic's speed`, ratio, 20));
    }
    if (own !== undefined && small !== undefined) {
      const growth = ownLarge.incremental.wallSeconds / own.incremental.wallSeconds;
      const name = `incremental: time at ${size.sizeGib} GiB against ${small.sizeGib} GiB, same change`;
      found.push({ name, wanted: 'does not grow', measured: times(growth), met: growth < 1.25 });
    }
  }
  if (own !== undefined) {
    const stored = own.incremental.stored / mib;
    found.push({
      name: 'stored incremental',
      wanted: '≤ 120 MiB',
      measured: `${stored.toFixed(0)} MiB`,
      met: stored <= 120,
    });
  }
  const peaks = sizes
    .map((size) => find(size, 'Tidemark'))
    .flatMap((result) => [result?.full, result?.incremental, result?.restore, result?.verify])
    .map((cost) => cost?.peakBytes ?? 0);
  if (own !== undefined) {
    const peak = Math.max(...peaks) / mib;
    found.push({
      name: 'peak memory, agent and daemon',
      wanted: '< 500 MiB',
      measured: `${peak.toFixed(0)} MiB`,
      met: peak < 500,
    });
  }
  if (gigabit !== undefined) {
    const rate = gigabit.dataBytes / 1e6 / gigabit.wallSeconds;
    found.push({
      name: 'compressible full over 1 Gbit/s',
      wanted: `> ${linkMegabytes} MB/s`,
      measured: `${rate.toFixed(0)} MB/s`,
      met: rate > linkMegabytes,
    });
  }
  return found;
}

/** The whole report. */
export function report(result: BenchResult): string {
  const versions = result.sizes[0]?.results.map(({ tool, version }) => `${tool}: ${version}`).join('; ') ?? '';
  const checked = targets(result).map(({ name, wanted, measured, met }) => [
    name,
    wanted,
    measured,
    met ? 'yes' : '**no**',
  ]);
  return `# Benchmarks

Made by \`npm run bench -- --write docs/benchmarks.md\`, all tools in one run on the same bytes. Such machines are shared and noisy:
trust the ratios, and CPU seconds more than wall time.

- Machine: ${result.machine}
- Versions: ${versions}
- Disk: seeded, 40 % holes, 30 % text-like, 30 % noise in extents of 256 KiB to 32 MiB; between full and incremental the
  guest writes 400 places of 100 KiB (39 MiB), half text, half noise, spread evenly over the disk.
- Tidemark: a real agent and a real daemon over loopback, encrypted, zstd level 1, two threads, 256 KiB chunks; CPU and memory are those of
  agent, daemon and command together. restic: \`backup --compression auto\`, \`restore\`, \`check --read-data\`. borg: \`create --compression zstd,1
  --chunker-params fixed,1048576\`, \`extract\`, \`check --verify-data\`. The peers read the raw file and have to find the changes themselves;
  Tidemark reads what change tracking reports. Each restore of Tidemark was compared with the disk byte for byte.

${table(['target', 'wanted', 'measured', 'met'], checked)}
${result.sizes.map((size) => `## Disk of ${size.sizeGib} GiB\n\n${figures(size)}`).join('\n')}`;
}
