/** The Hyper-V provider over a real PowerShell and the fake Hyper-V of a simulated host. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

import { createHyperVProvider } from '../../../server/agent/hyperv/index.ts';
import type { HyperVProviderOptions } from '../../../server/agent/hyperv/index.ts';
import { createPowerShell } from '../../../server/agent/hyperv/powershell/index.ts';
import type { PowerShell } from '../../../server/agent/hyperv/powershell/index.ts';
import type { HostProvider } from '../../../server/agent/provider.ts';
import { createVm, initHost } from '../../../server/agent/simulated/index.ts';
import type { SimulatedBuild } from '../../../server/agent/simulated/index.ts';
import { lineLogger } from '../../../server/base/log.ts';
import type { VmInfo } from '../../../server/protocol/model.ts';
import { testPowerShell } from '../../support/hyperv/pwsh.ts';
import { startVmms } from '../../support/hyperv/vmms/index.ts';
import type { RunningVmms } from '../../support/hyperv/vmms/index.ts';
import { MiB, never } from '../../unit/simulated/support.ts';

/** Jobs of the fake are over in a moment. */
export const fastJobs = {
  timing: { pollMs: 20, guestRetryMs: 50 },
  jobs: { timing: { firstPollMs: 5, maxPollMs: 50 } },
} as const satisfies Partial<HyperVProviderOptions>;

export interface HyperVSite {
  readonly root: string;
  readonly directory: string;
  readonly stateFolder: string;
  readonly vm: VmInfo;
  readonly vmms: RunningVmms;
  readonly provider: HostProvider;
  /** What the provider calls Hyper-V with. */
  readonly powershell: PowerShell;
  /** What the provider wrote to its log. */
  readonly lines: readonly string[];
  /** Another provider, as after a restart of the agent; the one before is gone. */
  restarted(options?: Partial<HyperVProviderOptions>): Promise<HostProvider>;
}

/** A host with one VM `web`, and a provider that has recovered. */
export async function hyperVSite(
  t: TestContext,
  options: {
    readonly build?: SimulatedBuild;
    readonly disks?: readonly { readonly name: string; readonly sizeBytes: number }[];
    readonly configVersion?: string;
    /** The names of the host's virtual switches. */
    readonly switches?: readonly string[];
    /** What the host lacks, from the first PowerShell on. */
    readonly lacks?: readonly string[];
    readonly provider?: Partial<HyperVProviderOptions>;
  } = {},
): Promise<HyperVSite> {
  // It goes last: `t.after` calls its functions in order, and a merge may still run until VMMS is closed.
  const directory = await mkdtemp(join(tmpdir(), 'tidemark-hyperv-'));
  const root = `${directory}/hv01`;
  const stateFolder = `${directory}/state`;
  await initHost(root, { name: 'hv01', ...(options.build !== undefined && { build: options.build }) });
  const disks = options.disks ?? [
    { name: 'os', sizeBytes: 8 * MiB },
    { name: 'data', sizeBytes: 16 * MiB },
  ];
  const vm = await createVm(root, { name: 'web', disks, configVersion: options.configVersion });
  const vmms = await startVmms(root, { switches: options.switches });
  vmms.faults.set({ lacks: options.lacks ?? [] });
  const lines: string[] = [];
  const log = lineLogger((line) => lines.push(line));
  const shell = await testPowerShell();
  const powershell = createPowerShell({
    executable: shell.executable,
    environment: { ...process.env, ...shell.environment, TIDEMARK_FAKE_HYPERV: vmms.address },
    maxSessions: 2,
    log,
  });
  const make = (more: Partial<HyperVProviderOptions> = {}): HostProvider =>
    createHyperVProvider({ stateFolder, powershell, log, ...fastJobs, ...options.provider, ...more });
  let current = make();
  t.after(async () => {
    await current[Symbol.asyncDispose]();
    await powershell[Symbol.asyncDispose]();
    await vmms.close();
    await rm(directory, { recursive: true, force: true });
  });
  await current.recover(never);
  const restarted: HyperVSite['restarted'] = async (more) => {
    await current[Symbol.asyncDispose]();
    current = make(more);
    return current;
  };
  return { root, directory, stateFolder, vm, vmms, provider: current, powershell, lines, restarted };
}

/** The same PowerShell; what it answers to the function `name` is given out only after `then`. Its end is not that of the other. */
export function answeringAfter(powershell: PowerShell, name: string, then: () => Promise<void>): PowerShell {
  return {
    async invoke(command, args, options) {
      const answer = await powershell.invoke(command, args, options);
      if (command.name === name) await then();
      return answer;
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** Runs a program as an agent of the site until its failpoint kills it. */
export async function killedAt(site: HyperVSite, step: string, args: readonly string[]): Promise<void> {
  const shell = await testPowerShell();
  const running = spawn(process.execPath, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      ...process.env,
      ...shell.environment,
      NODE_POWERSHELL: shell.executable,
      TIDEMARK_FAKE_HYPERV: site.vmms.address,
      TIDEMARK_FAILPOINT: `agent.hyperv.${step}`,
    },
  });
  let errors = '';
  running.stderr.on('data', (data: Buffer) => {
    errors += data.toString();
  });
  await once(running, 'exit');
  assert.equal(running.signalCode, 'SIGKILL', `${step}: ${errors}`);
}
