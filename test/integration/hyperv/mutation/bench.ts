/** A host for one run of a part of the scenario: VMMS, PowerShell with the module, and the provider, any of them with a mistake in it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createHyperVProvider } from '../../../../server/agent/hyperv/index.ts';
import type { Command } from '../../../../server/agent/hyperv/commands/command.ts';
import { createPowerShell } from '../../../../server/agent/hyperv/powershell/index.ts';
import type { HostProvider } from '../../../../server/agent/provider.ts';
import { createVm, initHost } from '../../../../server/agent/simulated/index.ts';
import type { SimulatedBuild } from '../../../../server/agent/simulated/index.ts';
import { silentLogger } from '../../../../server/base/log.ts';
import type { VmInfo } from '../../../../server/protocol/model.ts';
import { testPowerShell } from '../../../support/hyperv/pwsh.ts';
import { startVmms } from '../../../support/hyperv/vmms/index.ts';
import type { RunningVmms } from '../../../support/hyperv/vmms/index.ts';
import { MiB, never } from '../../../unit/simulated/support.ts';
import { mutatedModule, mutatedProvider } from './mutant.ts';
import type { Edit } from './mutant.ts';

/** What a part of the scenario works with. */
export interface Bench {
  readonly directory: string;
  readonly root: string;
  readonly stateFolder: string;
  readonly restoreFolder: string;
  readonly vm: VmInfo;
  readonly vmms: RunningVmms;
  readonly provider: HostProvider;
  /** Calls a function of the module, without the provider. */
  readonly call: <A extends object, R>(command: Command<A, R>, args: A) => Promise<R>;
}

/** How the host of a part is. */
export interface BenchOptions {
  readonly build?: SimulatedBuild;
  readonly alwaysCopy?: boolean;
}

/** For a .NET that ends before it could be worth while to compile anything twice. */
const shortLived = { DOTNET_TieredPGO: '0' };

/** Mistakes must not make a test wait: what does not come in a moment does not come. Milliseconds. */
const patience = {
  timing: { pollMs: 10, busyMs: 6_000, visibleMs: 500, mergeStartMs: 1_500, mergeStuckMs: 4_000 },
  jobs: {
    timing: {
      firstPollMs: 5,
      maxPollMs: 20,
      firstRetryMs: 10,
      maxRetryMs: 50,
      lostMs: 5_000,
      settleMs: 4_000,
      graceMs: 200,
      quietMs: () => 6_000,
    },
  },
};

/** Runs `work` on a host of its own. */
export async function onBench(
  edits: readonly Edit[],
  { build, alwaysCopy }: BenchOptions,
  work: (bench: Bench) => Promise<void>,
): Promise<void> {
  await using end = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'tidemark-mutation-'));
  end.defer(() => rm(directory, { recursive: true, force: true, maxRetries: 3 }));
  const module = await mutatedModule(edits, directory);
  const create = (await mutatedProvider(edits, directory)) ?? createHyperVProvider;
  const root = join(directory, 'hv01');
  await initHost(root, { name: 'hv01', ...(build !== undefined && { build }) });
  const disks = ['os', 'data'].map((name) => ({ name, sizeBytes: 8 * MiB }));
  const vm = await createVm(root, { name: 'web', disks });
  const vmms = await startVmms(root);
  end.defer(() => vmms.close());
  const { executable, environment } = await testPowerShell();
  const powershell = createPowerShell({
    executable,
    environment: { ...process.env, ...environment, ...shortLived, TIDEMARK_FAKE_HYPERV: vmms.address },
    modulePath: module,
    maxSessions: 1,
    log: silentLogger,
  });
  end.defer(() => powershell[Symbol.asyncDispose]());
  const stateFolder = join(directory, 'state');
  const restoreFolder = join(directory, 'restored');
  const options = { stateFolder, restoreFolder, powershell, alwaysCopy, log: silentLogger, ...patience };
  const provider = create(options);
  end.defer(() => provider[Symbol.asyncDispose]());
  await provider.recover(never);
  const call: Bench['call'] = (command, args) => powershell.invoke(command, args, { signal: never });
  await work({ directory, root, stateFolder, restoreFolder, vm, vmms, provider, call });
}
