/**
 * Restore points at scale: `node test/bench/restore-points.ts [COUNT]` makes a repository with COUNT (20,000) small restore points of 100 VMs, and
 * measures what a window asks for: pages, counts, what is backed up of each VM. Through a real daemon and its socket.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { ulid } from '../../server/base/ulid.ts';
import { connectDaemon } from '../../server/connect/index.ts';
import type { DaemonClient } from '../../server/connect/index.ts';
import * as protocol from '../../server/protocol/daemon.ts';
import { createRepository } from '../../server/repository/index.ts';
import { FileSealer, sealedKind } from '../../server/repository/sealed-file.ts';

const count = Number(process.argv[2] ?? 20_000);
const vms = 100;
const password = 'a password for the bench';
const { signal } = new AbortController();
const cli = fileURLToPath(new URL('../../server/cli/main.ts', import.meta.url));

/** Writes restore points as they are stored, without the data behind them, one every seven minutes up to now. */
async function makePoints(location: string): Promise<void> {
  const { repository } = await createRepository(location, { password, signal });
  const sealer = new FileSealer(repository.exportKeys(), repository.id);
  const begin = Date.now() - count * 420_000;
  for (let number = 0; number < count; number++) {
    const vm = number % vms;
    const vmId = `00000000-0000-4000-8000-${String(vm).padStart(12, '0')}`;
    const time = begin + number * 420_000;
    const id = ulid(time);
    const incremental = Math.floor(number / vms) % 7 !== 0;
    const point = {
      id,
      vmId,
      vmName: `vm-${String(vm).padStart(3, '0')}`,
      host: `hv${String(vm % 10).padStart(2, '0')}`,
      createdAt: new Date(time).toISOString(),
      finishedAt: new Date(time + 60_000).toISOString(),
      type: incremental ? 'incremental' : 'full',
      consistency: 'application',
      disks: [0, 1].map((disk) => ({
        id: `11111111-0000-4000-8${disk}00-${String(vm).padStart(12, '0')}`,
        name: disk === 0 ? 'os' : 'data',
        sizeBytes: 137_438_953_472,
        logicalSectorBytes: 512,
        physicalSectorBytes: 4096,
        chunkBytes: 1_048_576,
        kind: incremental ? { type: 'incremental' } : { type: 'full', reason: 'requested' },
        stats: { readBytes: 1, newBytes: 1, storedBytes: 1, dataBytes: 1 },
        map: { root: { type: 'inline', pages: Buffer.alloc(64 * 32, number).toString('base64') }, dataBytes: 1 },
      })),
      warnings: [],
      configuration: '0'.repeat(64),
      runId: id,
      owner: '0'.repeat(32),
      version: '0.0.0',
    };
    const file = `points/${vmId}/${id}.rp`;
    mkdirSync(join(location, 'points', vmId), { recursive: true });
    writeFileSync(join(location, file), sealer.seal(sealedKind.restorePoint, file, Buffer.from(JSON.stringify(point))));
  }
  await repository.close();
}

/** Prints the median and the worst of some repetitions, ms. */
async function measure(what: string, times: number, work: () => Promise<unknown>): Promise<void> {
  const taken: number[] = [];
  for (let number = 0; number < times; number++) {
    const begin = performance.now();
    await work();
    taken.push(performance.now() - begin);
  }
  const sorted = taken.toSorted((a, b) => a - b);
  const [median = 0, worst = 0] = [sorted[Math.floor(times / 2)], sorted.at(-1)];
  const figures = times === 1 ? `${median.toFixed(0)} ms` : `${median.toFixed(1)} ms, worst ${worst.toFixed(1)} ms`;
  console.log(`${what.padEnd(48)} ${figures}`);
}

async function measureAll(client: DaemonClient, location: string): Promise<void> {
  const repository = 'main';
  await client.request(protocol.initRepository, { name: repository, location, password, attach: true });
  const page = async (more: object = {}): Promise<Awaited<ReturnType<typeof list>>> => list(client, more);
  await measure('first page, nothing read yet', 1, async () => page());
  const { restorePoints } = await page();
  const before = restorePoints.at(-1)?.id;
  await measure('first page', 20, async () => page());
  await measure('second page', 20, async () => page({ before }));
  await measure('a page of one VM', 20, async () => page({ vm: 'vm-042' }));
  const day = restorePoints[0]?.createdAt.slice(0, 10);
  const timezone = 'Europe/Warsaw';
  await measure('a page of one day, first in a time zone', 1, async () => page({ day, timezone }));
  await measure('a page of one day', 20, async () => page({ day, timezone }));
  await measure('counts by VM and day', 20, async () =>
    client.request(protocol.summarizeRestorePoints, { repository, timezone }),
  );
  await measure('first page after a change (all files listed)', 5, async () => {
    const { restorePoints: all } = await page();
    const last = all[0];
    if (last !== undefined) await client.request(protocol.deleteRestorePoint, { id: last.id, repository });
    await page();
  });
  await measure('all of them in one answer', 3, async () => client.request(protocol.listRestorePoints, { repository }));
}

async function list(
  client: DaemonClient,
  more: object,
): Promise<ReturnType<(typeof protocol.listRestorePoints)['result']>> {
  return client.request(protocol.listRestorePoints, { repository: 'main', limit: 100, ...more });
}

const directory = mkdtempSync(join(tmpdir(), 'tidemark-bench-points-'));
try {
  const location = join(directory, 'repository');
  await measure(`making ${count} restore points`, 1, async () => makePoints(location));
  const data = join(directory, 'data');
  const start = { command: process.execPath, args: [cli, 'daemon', 'run', '--quiet', '--data', data] };
  await using client = await connectDaemon({ dataDirectory: data, client: 'bench', start });
  try {
    await measureAll(client, location);
  } finally {
    await client.request(protocol.stopDaemon, { cancelRuns: true });
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
