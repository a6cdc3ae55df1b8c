/** "Try the Simulated Host": a host, its agent and a repository below the data directory, made and removed in one request. */
import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { Mutex } from '../../base/concurrency.ts';
import { readJsonFile, writeFileDurably } from '../../base/files.ts';
import type { Logger } from '../../base/log.ts';
import { simulatorNames } from '../../protocol/daemon.ts';
import type { HostEntry, RepositoryEntry, RunInfo, SimulatorStatus } from '../../protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { VmId } from '../../protocol/ids.ts';
import type { VmInfo } from '../../protocol/model.ts';
import { array, boolean, integer, literal, object, string } from '../../protocol/parse.ts';
import type { HostRegistry } from '../hosts.ts';
import type { Inventory } from '../inventory.ts';
import type { RepositoryRegistry } from '../repositories.ts';
import { repositoryOf } from '../runs/conflicts.ts';
import type { RunManager } from '../runs/manager.ts';
import type { SecretStore } from '../secrets.ts';
import { AgentChild } from './agent-child.ts';
import { runOwnCommand, simulatorFailed } from './own-program.ts';
import type { OwnProgram } from './own-program.ts';

/** What the simulator works with. */
export interface SimulatorOptions {
  readonly dataDirectory: string;
  /** How to start this program; without it there is no simulator. */
  readonly program: OwnProgram | undefined;
  readonly hosts: HostRegistry;
  readonly repositories: RepositoryRegistry;
  readonly inventory: Inventory;
  readonly runs: RunManager;
  readonly secrets: SecretStore;
  readonly log: Logger;
  /** Called when the repository came or went. */
  readonly onRepositories: () => void;
}

/** What lies there, and whether it is whole: written before the first and after the last step of making it. */
const stateFile = object({ format: literal(1), complete: boolean });

const made = object({ root: string({ maxLength: 4096 }), vms: array(string({ maxLength: 256 }), 64) });
const work = object({
  vm: string({ maxLength: 256 }),
  disk: string({ maxLength: 128 }),
  writtenBytes: integer(),
  text: string({ maxLength: 1024 }),
});

/** The VM with a file system, whose guest works when none is named. */
const defaultVm = 'shop';
/** How old the list of VMs may be from which a guest is chosen, ms. */
const vmListMaxAgeMs = 60_000;

/** The answer of `startSimulator`. */
export interface StartedSimulator {
  readonly host: HostEntry;
  readonly repository: RepositoryEntry;
  readonly vms: readonly VmInfo[];
  readonly created: boolean;
}

/** The one simulator of a daemon. */
export class Simulator {
  readonly #options: SimulatorOptions;
  readonly #folder: string;
  readonly #root: string;
  readonly #state: string;
  readonly #mutex = new Mutex();
  #agent: AgentChild | undefined;
  #closed = false;

  constructor(options: SimulatorOptions) {
    this.#options = options;
    this.#folder = join(options.dataDirectory, 'simulator');
    this.#root = join(this.#folder, 'host');
    this.#state = join(this.#folder, 'simulator.json');
  }

  /** Starts the agent of a simulator that is there, in the background. */
  resume(): void {
    const resumed = this.#mutex.run(async () => {
      if (await this.#isComplete()) this.#startAgent(async () => this.#storedPassword());
    });
    resumed.catch((error: unknown) => this.#options.log.log('warning', 'The simulator cannot be resumed', error));
  }

  /** Makes what is missing and waits until the host answers. Throws `TM5206`, and `TM5202` or `TM5204` when others have its names. */
  async start(signal: AbortSignal): Promise<StartedSimulator> {
    const created = await this.#mutex.run(async () => {
      const whole = await this.#isComplete();
      if (!whole) await this.#make(signal);
      this.#startAgent(async () => this.#storedPassword());
      await this.#agent?.ready(signal);
      return !whole;
    });
    const { hosts, repositories, inventory } = this.#options;
    const { host: name } = simulatorNames;
    const { vms, unreachable } = await inventory.list({ host: name }, signal);
    const failure = unreachable[0];
    if (failure !== undefined) throw simulatorFailed(failure.error.message);
    const repository = repositories.entries().find((entry) => entry.name === simulatorNames.repository);
    if (repository === undefined) throw simulatorFailed('its repository is gone');
    return { host: hosts.get(name).entry(), repository, vms: vms.map(({ vm }) => vm), created };
  }

  async status(): Promise<SimulatorStatus> {
    if (!(await this.#isComplete())) return { state: 'absent' };
    if (this.#agent?.url !== undefined) return { state: 'running' };
    const error = this.#agent?.error;
    return error === undefined ? { state: 'stopped' } : { state: 'stopped', error };
  }

  /** Lets a guest write. Throws `TM2101` for an unknown VM, `TM2105` when it is off, `TM5206`. */
  async guestWrite(
    wanted: string | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly vm: VmId; readonly vmName: string } & Omit<ReturnType<typeof work>, 'vm'>> {
    if (!(await this.#isComplete())) throw absent();
    const { vms } = await this.#options.inventory.list({ host: simulatorNames.host, maxAgeMs: vmListMaxAgeMs }, signal);
    const name = (wanted ?? defaultVm).toUpperCase();
    const vm = vms.find((entry) => entry.vm.id === name || entry.vm.name.toUpperCase() === name)?.vm;
    const disk = vm?.disks.at(-1);
    if (vm === undefined || disk === undefined) {
      throw new TidemarkError(errorCodes.vmNotFound, `The simulated host has no VM ${wanted ?? defaultVm}.`, {
        hint: 'Its VMs are listed by: tidemark vm list simulated',
      });
    }
    const args = ['sim', 'work', '--', this.#root, vm.name, disk.name];
    const { vm: vmName, ...done } = await runOwnCommand(this.#program(), args, work, signal);
    return { vm: vm.id, vmName, ...done };
  }

  /** Removes everything. Throws `TM5005` while runs use it, unless `cancelRuns` is set. */
  async stop(cancelRuns: boolean, signal: AbortSignal): Promise<void> {
    await this.#mutex.run(async () => {
      // Without a state, what has the simulator's names is not the simulator's.
      if ((await readJsonFile(this.#state, stateFile)) === undefined) return;
      await this.#endRuns(cancelRuns, signal);
      await this.#remove();
    });
  }

  /** Ends the agent, and starts none again. What is on disk stays. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#agent?.stop();
  }

  async #isComplete(): Promise<boolean> {
    const state = await readJsonFile(this.#state, stateFile);
    return state?.complete === true;
  }

  async #make(signal: AbortSignal): Promise<void> {
    const { hosts, repositories, onRepositories } = this.#options;
    const { host, repository } = simulatorNames;
    const leftOver = await readJsonFile(this.#state, stateFile);
    if (leftOver === undefined) this.#refuseTakenNames();
    else await this.#remove();
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await this.#writeState(false);
    try {
      await runOwnCommand(this.#program(), ['sim', 'try-host', '--', this.#root], made, signal);
      const password = randomBytes(24).toString('base64url');
      const agent = this.#startAgent(async () => password);
      const url = await agent.ready(signal);
      await hosts.add({ name: host, url, password, threads: 2, replace: false }, signal);
      const location = join(this.#folder, 'repository');
      const secret = randomBytes(24).toString('base64url');
      await repositories.init({ name: repository, location, password: secret, attach: false, ours: true }, signal);
      onRepositories();
      await this.#writeState(true);
    } catch (error) {
      await this.#remove();
      throw error;
    }
  }

  #refuseTakenNames(): void {
    const { hosts, repositories } = this.#options;
    const { host, repository } = simulatorNames;
    if (hosts.list().some((one) => one.name === host)) {
      throw new TidemarkError(
        errorCodes.hostExists,
        `A host named ${host} exists already, and is not the simulator's.`,
        {
          hint: 'Remove it first, or add it again under another name.',
        },
      );
    }
    if (repositories.names().includes(repository)) {
      throw new TidemarkError(
        errorCodes.repositoryNameTaken,
        `A repository named ${repository} exists already, and is not the simulator's.`,
        { hint: 'The simulator needs that name.' },
      );
    }
  }

  #startAgent(password: () => Promise<string>): AgentChild {
    if (this.#closed) throw simulatorFailed('the daemon is stopping');
    this.#agent ??= new AgentChild({
      program: this.#program(),
      root: this.#root,
      password,
      onListening: (url) => this.#options.hosts.move(simulatorNames.host, url),
      log: this.#options.log,
    });
    return this.#agent;
  }

  async #storedPassword(): Promise<string> {
    return this.#options.secrets.read('hosts', simulatorNames.host, new AbortController().signal);
  }

  async #remove(): Promise<void> {
    const { hosts, repositories, onRepositories, log } = this.#options;
    const { host, repository } = simulatorNames;
    if (hosts.list().some((one) => one.name === host)) await hosts.remove(host);
    await this.#agent?.stop();
    this.#agent = undefined;
    if (repositories.names().includes(repository)) {
      await repositories.forget(repository);
      onRepositories();
    }
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    log.log('info', 'Removed the simulator');
  }

  async #endRuns(cancelRuns: boolean, signal: AbortSignal): Promise<void> {
    const { runs } = this.#options;
    for (;;) {
      const [run] = runs.active().filter(usesSimulator);
      if (run === undefined) return;
      if (!cancelRuns) {
        throw new TidemarkError(errorCodes.daemonBusy, `Run ${run.id} (${run.title}) is using the simulator.`, {
          hint: 'Wait for it to end, or cancel it.',
        });
      }
      runs.cancel(run.id);
      await runs.ended(run.id, signal);
    }
  }

  async #writeState(complete: boolean): Promise<void> {
    await writeFileDurably(this.#state, `${JSON.stringify({ format: 1, complete })}\n`, { mode: 0o600 });
  }

  #program(): OwnProgram {
    const { program } = this.#options;
    if (program !== undefined) return program;
    throw simulatorFailed('this daemon was not told how to start an agent');
  }
}

function absent(): TidemarkError {
  return new TidemarkError(errorCodes.hostNotFound, 'There is no simulator.', {
    hint: 'Start it with: tidemark simulator start',
  });
}

function usesSimulator({ request }: RunInfo): boolean {
  const { host, repository } = simulatorNames;
  // A run that names none may find its VM or its restore point in the simulator.
  if ('host' in request && (request.host === undefined || request.host === host)) return true;
  const used = repositoryOf(request);
  return used === undefined || used === repository;
}
