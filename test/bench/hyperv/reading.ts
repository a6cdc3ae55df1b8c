/** Reading a frozen disk through the provider for Hyper-V and through the simulated host's own, on the same data, turn by turn. */
import { createSimulatedProvider, guestWrite } from '../../../server/agent/simulated/index.ts';
import type { HostProvider, JobContext } from '../../../server/agent/provider.ts';
import { ownerId, runId } from '../../../server/protocol/ids.ts';
import { noise } from '../../unit/vhdx/support.ts';
import { median } from './memory.ts';
import { hypervProvider } from './provider.ts';
import { benchSite } from './site.ts';
import type { BenchSite } from './site.ts';

const mib = 1024 ** 2;
const pieceBytes = mib;
/** Enough for a median on a machine that others use too; the first ones warm up. */
const warmUp = 3;
const rounds = 24;
const quiet: JobContext = { signal: new AbortController().signal, progress: () => undefined };

/** Milliseconds to read the whole disk, with so many pieces at a time. */
export interface ReadingResult {
  readonly threads: number;
  readonly bytes: number;
  readonly hypervMs: number;
  readonly simulatedMs: number;
}

/** Measures both with 1, 2 and 4 reads at a time. */
export async function readingTimes(sizeBytes: number): Promise<readonly ReadingResult[]> {
  await using undo = new AsyncDisposableStack();
  const make = async (): Promise<BenchSite> => {
    const site = await benchSite(sizeBytes);
    undo.defer(() => site[Symbol.asyncDispose]());
    for (let offset = 0; offset < sizeBytes; offset += 16 * mib) {
      await guestWrite(site.root, 'web', 'os', { offset, from: noise(16 * mib, offset + 1) });
    }
    return site;
  };
  const first = await make();
  const hyperv = await hypervProvider(first, `${first.directory}/state`);
  undo.defer(() => hyperv[Symbol.asyncDispose]());
  const second = await make();
  const simulated = createSimulatedProvider(second.root, { jobMs: 0 });
  undo.defer(() => simulated[Symbol.asyncDispose]());
  const readers = {
    hyperv: await frozen(hyperv.provider, first),
    simulated: await frozen(simulated, second),
  };
  const results: ReadingResult[] = [];
  for (const threads of [1, 2, 4]) {
    const times = { hyperv: [] as number[], simulated: [] as number[] };
    for (let round = 0; round < warmUp + rounds; round++) {
      // Whoever comes second finds the caches of the first one: they take turns.
      for (const kind of round % 2 === 0 ? (['hyperv', 'simulated'] as const) : (['simulated', 'hyperv'] as const)) {
        const took = await readAll(readers[kind], threads);
        if (round >= warmUp) times[kind].push(took);
      }
    }
    const [hypervMs, simulatedMs] = [median(times.hyperv), median(times.simulated)];
    results.push({ threads, bytes: sizeBytes, hypervMs, simulatedMs });
  }
  return results;
}

type Reader = Awaited<ReturnType<HostProvider['openDisk']>>;

async function frozen(provider: HostProvider, { vm }: BenchSite): Promise<Reader> {
  const asked = {
    vmId: vm.id,
    runId: runId('01JD0000000000000000000000', 'run'),
    owner: ownerId('0123456789abcdef0123456789abcdef', 'owner'),
    consistency: 'crash',
  } as const;
  const checkpoint = await provider.createCheckpoint(asked, quiet);
  const opened = await provider.openExport({ checkpointId: checkpoint.id, excludeDisks: [] }, quiet);
  const [disk] = opened.disks;
  if (disk === undefined) throw new Error('The export has no disk.');
  return provider.openDisk(opened.id, disk.id);
}

async function readAll(reader: Reader, threads: number): Promise<number> {
  const started = performance.now();
  let next = 0;
  const work = async (): Promise<void> => {
    const target = Buffer.allocUnsafe(pieceBytes);
    for (let offset = next; offset < reader.sizeBytes; offset = next) {
      next += pieceBytes;
      await reader.read(target, offset);
    }
  };
  await Promise.all(Array.from({ length: threads }, work));
  return performance.now() - started;
}
