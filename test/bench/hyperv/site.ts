/** A host for benchmarks: a simulated one with a VM, and VMMS in a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { createVm, initHost } from '../../../server/agent/simulated/index.ts';
import type { VmInfo } from '../../../server/protocol/model.ts';

/** What is measured on. */
export interface BenchSite extends AsyncDisposable {
  readonly directory: string;
  readonly root: string;
  readonly vm: VmInfo;
  /** Of VMMS, for `TIDEMARK_FAKE_HYPERV`. */
  readonly address: string;
}

/** A host with a VM `web` that has one disk `os` of `sizeBytes`, and more that are as large. */
export async function benchSite(sizeBytes: number, more: readonly string[] = []): Promise<BenchSite> {
  await using undo = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'tidemark-bench-'));
  undo.defer(() => rm(directory, { recursive: true, force: true }));
  const root = join(directory, 'hv01');
  await initHost(root, { name: 'hv01' });
  const vm = await createVm(root, { name: 'web', disks: ['os', ...more].map((name) => ({ name, sizeBytes })) });
  const program = new URL('../../support/hyperv/vmms/main.ts', import.meta.url).pathname;
  const vmms = spawn(process.execPath, [program, root], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(vmms, 'close');
  undo.defer(async () => {
    vmms.stdin.end();
    await ended;
  });
  let address = '';
  for await (const line of createInterface({ input: vmms.stdout })) {
    address = /^listening on (\S+)$/.exec(line)?.[1] ?? '';
    break;
  }
  if (address === '') throw new Error('VMMS did not start.');
  const end = undo.move();
  return { directory, root, vm, address, [Symbol.asyncDispose]: () => end.disposeAsync() };
}
