/** A year in a process of its own, since the test runner follows every promise: `node year-child.ts OPTIONS`, both sides JSON. */
import { YearSite } from './year-site.ts';

/** What to simulate. */
export interface YearTask {
  readonly start: string;
  readonly hours: number;
  readonly vms: number;
  readonly policy: string;
}

/** What came of it. */
export interface YearResult {
  /** Every restore point that was ever made, as `[id, VM, ms since 1970]`. */
  readonly made: readonly (readonly [string, string, number])[];
  /** The restore points that are left. */
  readonly left: readonly string[];
  /** How runs of the policy ended, and how often. */
  readonly states: Readonly<Record<string, number>>;
  readonly deletedPacks: number;
  readonly problems: readonly unknown[];
  readonly verifiedPoints: number;
  readonly verifiedBytes: number;
}

const collectEveryHours = 24 * 14;

async function simulate({ hours, ...options }: YearTask): Promise<YearResult> {
  // A host is away for half a day now and then, one VM at a time.
  const fails = (vm: number, at: number): boolean => Math.floor(at / (12 * 3_600_000)) % 61 === vm;
  await using site = await YearSite.make({ ...options, fails });
  let deletedPacks = 0;
  for (let hour = 1; hour <= hours; hour++) {
    await site.passHour();
    if (hour % collectEveryHours === 0) deletedPacks += await site.collectGarbage();
  }
  const { signal } = new AbortController();
  const { points, damaged } = await site.repository.listRestorePoints(signal);
  const verified = await (await site.onDisk()).verify({ readData: true, signal });
  return {
    made: site.made.map(({ id, vm, at }) => [id, vm, at] as const),
    left: points.map(({ id }) => id),
    states: Object.fromEntries(site.states),
    deletedPacks,
    problems: [...damaged, ...verified.problems],
    verifiedPoints: verified.restorePoints,
    verifiedBytes: verified.readBytes,
  };
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- given by the test
const task = JSON.parse(process.argv[2] ?? '') as YearTask;
process.stdout.write(JSON.stringify(await simulate(task)));
