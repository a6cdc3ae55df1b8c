/** The page of `npm run bench:hyperv`. */
import type { StepCost } from './cost.ts';
import type { InventoryResult } from './inventory.ts';
import { medianOf, sessionBytes } from './memory.ts';
import type { Sample } from './memory.ts';
import type { ReadingResult } from './reading.ts';

/** All that was measured in one run. */
export interface HyperVResult {
  readonly machine: string;
  readonly load: string;
  readonly samples: readonly Sample[];
  readonly costs: readonly StepCost[];
  readonly reading: readonly ReadingResult[];
  readonly inventory: readonly InventoryResult[];
}

const mib = 1024 ** 2;
/** Memory may be so much more at the end: what grows does so by far more in hundreds of backups. */
const flat = 1.1;
const coldLimitMs = 5_000;
/** Reading does the same work either way; machines that others use too are not still for a second. */
const sameSpeed = 1.25;

const ms = (value: number): string => value.toFixed(0);
const mebibytes = (value: number): string => (value / mib).toFixed(1);
const times = (value: number): string => `${value.toFixed(2)} ×`;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;
  return line(head) + line(head.map((_, index) => (index === 0 ? '---' : '---:'))) + rows.map(line).join('');
}

interface Target {
  readonly name: string;
  readonly wanted: string;
  readonly measured: string;
  readonly met: boolean;
}

/** The last fifth of the backups against the second fifth: of 500, the last 100 against those from 100 to 200. */
function growths(samples: readonly Sample[]): readonly Target[] {
  const last = samples.at(-1)?.cycle ?? 0;
  const growth = (of: (one: Sample) => number): number =>
    medianOf(samples, last * 0.8, last, of) / medianOf(samples, last * 0.2, last * 0.4, of);
  const parts: readonly (readonly [string, (one: Sample) => number])[] = [
    ['resident memory of the agent', (one) => one.agentBytes],
    ['heap of the agent after a collection', (one) => one.heapBytes],
    ['resident memory of all sessions of PowerShell', sessionBytes],
    ['handles of the agent', (one) => one.handles],
  ];
  return parts.map(([name, of]) => {
    const ratio = growth(of);
    return {
      name: `${name}, end of ${last} backups`,
      wanted: `≤ ${flat} ×`,
      measured: times(ratio),
      met: ratio <= flat,
    };
  });
}

function targets({ samples, reading, inventory }: HyperVResult): readonly Target[] {
  const [few, many] = inventory;
  const found: Target[] = [...growths(samples)];
  if (few !== undefined && many !== undefined) {
    found.push({
      name: `inventory of ${many.vms} VMs by an agent that just started`,
      wanted: `< ${ms(coldLimitMs)} ms`,
      measured: `${ms(many.coldMs)} ms`,
      met: many.coldMs < coldLimitMs,
    });
    const growth = many.warmMs / few.warmMs;
    const share = many.vms / few.vms;
    const name = `inventory of ${many.vms} VMs against ${few.vms}`;
    found.push({ name, wanted: `≤ ${share} ×`, measured: times(growth), met: growth <= share });
  }
  for (const { threads, hypervMs, simulatedMs } of reading) {
    const ratio = hypervMs / simulatedMs;
    found.push({
      name: `reading against the simulated host, ${threads} at a time`,
      wanted: `≤ ${sameSpeed} ×`,
      measured: times(ratio),
      met: ratio <= sameSpeed,
    });
  }
  return found;
}

/** The page, and whether all targets are met. */
export function page(result: HyperVResult): { readonly text: string; readonly met: boolean } {
  const checked = targets(result);
  const { samples, costs, reading, inventory } = result;
  const text = `# Benchmark of the agent for Hyper-V

Made by \`npm run bench:hyperv -- --write docs/benchmarks-hyperv.md\`: the real provider and module, in the PowerShell of the tests, over a fake Hyper-V in a process
of its own. A real Hyper-V answers more slowly than the fake: what holds on both is the number of questions, which does not grow with the number of VMs, and the ratios.

- Machine: ${result.machine}
- Load average of the machine (1 minute): ${result.load}

${table(
  ['target', 'wanted', 'measured', 'met'],
  checked.map(({ name, wanted, measured, met }) => [name, wanted, measured, met ? 'yes' : '**no**']),
)}
## Memory

A backup of a VM of 8 MiB again and again by one agent: checkpoint, export, extents, reads, conversion, removal of the superseded reference point. Sessions of PowerShell
are replaced after 500 calls. MiB; the heap is what is left after a collection, .NET the same of all sessions together.

${table(
  ['backups', 'agent', 'heap', 'handles', 'sessions so far', 'sessions now', 'PowerShell', '.NET'],
  samples.map((one) => [
    String(one.cycle),
    mebibytes(one.agentBytes),
    mebibytes(one.heapBytes),
    String(one.handles),
    String(one.sessions),
    String(one.powershells.length),
    mebibytes(sessionBytes(one)),
    mebibytes(one.powershells.reduce((sum, { managedBytes }) => sum + managedBytes, 0)),
  ]),
)}
## A small backup

Medians. Jobs of the fake take no time, so this is what the agent itself costs.

${table(
  ['part', 'Hyper-V ms', 'calls of PowerShell', 'simulated host ms'],
  costs.map(({ step, hypervMs, calls, simulatedMs }) => [step, ms(hypervMs), String(calls), ms(simulatedMs)]),
)}
## Reading a frozen disk

${table(
  ['at a time', 'Hyper-V MB/s', 'simulated host MB/s'],
  reading.map(({ threads, bytes, hypervMs, simulatedMs }) => [
    String(threads),
    (bytes / 1e3 / hypervMs).toFixed(0),
    (bytes / 1e3 / simulatedMs).toFixed(0),
  ]),
)}
## Inventory

Medians. The first answer has the start of PowerShell in it.

${table(
  ['VMs', 'first answer ms', 'later answers ms', 'answer KiB'],
  inventory.map(({ vms, coldMs, warmMs, bytes }) => [String(vms), ms(coldMs), ms(warmMs), (bytes / 1024).toFixed(0)]),
)}`;
  return { text, met: checked.every(({ met }) => met) };
}
