/**
 * What stands behind the agents of a site. Usually that is the simulated host itself. With `TIDEMARK_TEST_PROVIDER=hyperv` in the environment it is
 * the provider for Hyper-V: a real PowerShell with the agent's module, over a fake of Hyper-V that has the same simulated host underneath.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { testPowerShell } from '../../../support/hyperv/pwsh.ts';
import { VmmsClient } from '../../../support/hyperv/vmms/client.ts';
import { ended } from './command.ts';
import { firstMatch } from './processes.ts';

/** Which provider the agents of all sites of this process have. */
export const providerKind = process.env['TIDEMARK_TEST_PROVIDER'] === 'hyperv' ? 'hyperv' : 'simulated';

/** The failpoint of a step that both providers have. */
export const agentFailpoint = (step: 'export:read'): string =>
  providerKind === 'hyperv' ? `agent.hyperv.${step}` : `agent.${step}`;

/** How an agent is started: options of `tidemark agent`, and its environment. */
export interface AgentStart {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** The hypervisor of one host directory. It outlives its agents. */
export interface TestHost {
  /** How to start its agent. `jobMs`: how long jobs of the host take. */
  agent(jobMs: number): Promise<AgentStart>;
  stop(): Promise<void>;
}

/** The hypervisor of the host directory `root`. */
export function testHost(root: string): TestHost {
  return providerKind === 'hyperv' ? new FakeHyperV(root) : simulated(root);
}

function simulated(root: string): TestHost {
  return {
    agent: async (jobMs) => ({
      args: ['--provider', 'simulated', '--root', root],
      env: { TIDEMARK_SIM_JOB_MS: String(jobMs) },
    }),
    stop: async () => undefined,
  };
}

const vmmsProgram = fileURLToPath(new URL('../../../support/hyperv/vmms/main.ts', import.meta.url));
/** Methods whose jobs a slow host makes slow. */
const slowMethods = ['CreateSnapshot', 'ConvertToReferencePoint', 'DestroySnapshot', 'RealizePlannedSystem'];

/** Hyper-V, as far as it is faked. */
export class FakeHyperV implements TestHost {
  readonly #root: string;
  #vmms: { readonly process: ChildProcess; readonly address: string } | undefined;

  constructor(root: string) {
    this.#root = root;
  }

  async agent(jobMs: number): Promise<AgentStart> {
    const { executable, environment } = await testPowerShell();
    const address = await this.#address();
    await this.#slow(address, jobMs);
    const stateFolder = `${this.#root}-agent`;
    await mkdir(stateFolder, { recursive: true });
    return {
      args: ['--provider', 'hyperv', '--state-folder', stateFolder],
      env: { ...environment, NODE_POWERSHELL: executable, TIDEMARK_FAKE_HYPERV: address },
    };
  }

  async #address(): Promise<string> {
    if (this.#vmms !== undefined) return this.#vmms.address;
    const child = spawn(process.execPath, [vmmsProgram, this.#root], { stdio: ['pipe', 'pipe', 'inherit'] });
    const address = await firstMatch(child, /^listening on (\S+)$/m);
    this.#vmms = { process: child, address };
    return address;
  }

  async #slow(address: string, jobMs: number): Promise<void> {
    const client = await VmmsClient.connect(address);
    const set = { jobMs: Object.fromEntries(slowMethods.map((method) => [method, jobMs])) };
    await client.control({ do: 'faults', set });
    client.close();
  }

  async stop(): Promise<void> {
    const vmms = this.#vmms;
    this.#vmms = undefined;
    if (vmms === undefined || vmms.process.exitCode !== null) return;
    const closed = ended(vmms.process);
    vmms.process.stdin?.end();
    await closed;
  }
}
