/**
 * Merges of differencing disks: they begin when a snapshot is unlinked, go on after its job has ended, and may be held up
 * (docs/hyperv.md).
 */
import { setTimeout as sleep } from 'node:timers/promises';

import { JobProgress } from '../../../../server/agent/simulated/jobs.ts';
import { finishMerge } from '../../../../server/agent/simulated/merge.ts';
import { failAtStep } from '../../../../server/agent/simulated/steps.ts';
import type { VmDocument } from '../../../../server/agent/simulated/state.ts';
import { withVm } from '../../../../server/agent/simulated/store.ts';
import { errorCodes, TidemarkError } from '../../../../server/protocol/errors.ts';
import type { FaultSwitches } from './faults.ts';
import type { World } from './world.ts';

/** The merges of one VMMS. */
export class Merges {
  readonly #world: World;
  readonly #faults: FaultSwitches;
  /** VMs whose merges VMMS holds back, because somebody exported them without their disks. */
  readonly #locked = new Map<string, VmDocument['state']>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #failures: TidemarkError[] = [];
  readonly #stop = new AbortController();

  constructor(world: World, faults: FaultSwitches) {
    this.#world = world;
    this.#faults = faults;
  }

  /** Whether the VM's merges are held back. Switching the VM off ends that. */
  isLocked(vmId: string): boolean {
    const was = this.#locked.get(vmId);
    if (was === 'running' && this.#world.vm(vmId)?.document.state !== 'running') this.unlock(vmId);
    return this.#locked.has(vmId);
  }

  lock(vmId: string): void {
    const vm = this.#world.vm(vmId);
    if (vm !== undefined) this.#locked.set(vmId, vm.document.state);
  }

  unlock(vmId: string): void {
    this.#locked.delete(vmId);
    this.begin(vmId);
  }

  isRunning(vmId: string): boolean {
    return this.#running.has(vmId);
  }

  /** Begins the VM's merge, if it has one and nothing holds it up. */
  begin(vmId: string): void {
    const { merge } = this.#faults.now;
    if (this.#stop.signal.aborted || this.isLocked(vmId) || this.#running.has(vmId) || merge === 'waits') return;
    if (this.#world.vm(vmId)?.document.merge === undefined) return;
    const merging = this.#merge(vmId).finally(() => this.#running.delete(vmId));
    this.#running.set(vmId, merging);
  }

  /** Begins every merge that waits. */
  beginAll(): void {
    for (const vm of this.#world.vms()) if (vm.document.merge !== undefined) this.begin(vm.id);
  }

  async #merge(vmId: string): Promise<void> {
    const { signal } = this.#stop;
    try {
      const began = performance.now();
      // Looked at again and again: a test may let a merge go on that it has held up.
      while (performance.now() - began < this.#faults.now.mergeMs) await sleep(5, undefined, { signal });
      if (this.#faults.now.merge === 'fails') return;
      await withVm(this.#world.root, vmId, signal, (vm) =>
        finishMerge(vm, new JobProgress({ signal, progress: () => undefined }, 'merge'), failAtStep),
      );
    } catch (error) {
      // The VM moved away and took its merge along, or VMMS goes down: whoever is next does it.
      if (!signal.aborted && !TidemarkError.is(error, errorCodes.vmNotFound))
        this.#failures.push(TidemarkError.from(error));
    }
  }

  /** Waits until no merge runs any more. Throws what a merge failed of that nobody asked to fail. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values());
    const [failure] = this.#failures;
    if (failure !== undefined) throw failure;
  }

  /** Stops where it is. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.settled();
  }
}
