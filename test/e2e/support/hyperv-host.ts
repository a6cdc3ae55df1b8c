/** A host with the provider for Hyper-V, set up as on Windows: over https, with a certificate of its own, as a service is started. Below it are a real PowerShell and a fake of Hyper-V. */
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { startTidemark } from '../../integration/acceptance/support/command.ts';
import { FakeHyperV } from '../../integration/acceptance/support/hosts.ts';
import { end, firstMatch } from '../../integration/acceptance/support/processes.ts';
import { json, object, string } from '../../../server/protocol/parse.ts';
import { cli, labPassword } from './lab-host.ts';
import type { LabHostOptions } from './lab-host.ts';
import { SlowPath } from './slow-path.ts';

const setUp = object({ configFile: string(), certificateSha256: string() });

export class HyperVHost implements AsyncDisposable {
  readonly name: string;
  /** The directory of the simulated host underneath: `tidemark sim … ROOT`. */
  readonly root: string;
  /** Of its certificate, as `agent set-up` printed it. */
  readonly fingerprint: string;
  readonly path: SlowPath;
  /** The address to add: through the path. */
  readonly url: string;
  readonly #hypervisor: FakeHyperV;
  readonly #agent: ChildProcess;

  private constructor(
    site: Pick<HyperVHost, 'name' | 'root' | 'fingerprint' | 'path'>,
    hypervisor: FakeHyperV,
    agent: ChildProcess,
  ) {
    this.name = site.name;
    this.root = site.root;
    this.fingerprint = site.fingerprint;
    this.path = site.path;
    this.url = `https://localhost:${site.path.port}`;
    this.#hypervisor = hypervisor;
    this.#agent = agent;
  }

  /** Makes the host and its VMs, lets each guest fill a third of its disk, sets the agent up and starts it. */
  static async start({ directory, name, vms }: LabHostOptions): Promise<HyperVHost> {
    const root = join(directory, `host-${name}`);
    const passwordFile = join(directory, `${name}.password`);
    mkdirSync(directory, { recursive: true });
    writeFileSync(passwordFile, `${labPassword}\n`, { mode: 0o600 });
    await cli('sim', 'init', root, '--name', name);
    for (const [vm, size] of Object.entries(vms)) {
      await cli('sim', 'create-vm', root, vm, '--disk', `os=${size}`);
      await cli('sim', 'load', root, vm, 'os', '--percent', '33', '--seed', '7');
    }
    const options = ['--listen', 'https://127.0.0.1:0', '--name', 'localhost', '--password-file', passwordFile];
    const made = await cli('agent', 'set-up', '--data', join(directory, `agent-${name}`), ...options, '--json');
    const { configFile, certificateSha256: fingerprint } = json(made, setUp, 'agent set-up');
    const hypervisor = new FakeHyperV(root);
    const { env } = await hypervisor.agent(50);
    const agent = startTidemark(['agent', '--config', configFile], env);
    const port = Number(await firstMatch(agent, /^listening on \S+:(\d+)\s*$/m));
    return new HyperVHost({ name, root, fingerprint, path: await SlowPath.to(port) }, hypervisor, agent);
  }

  /** Kills the agent. */
  async killAgent(): Promise<void> {
    if (this.#agent.exitCode === null && this.#agent.signalCode === null) await end(this.#agent, 'SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.path[Symbol.asyncDispose]();
    await this.killAgent();
    await this.#hypervisor.stop();
  }
}
