/** Planned VMs: imported or defined, not yet real. They are kept in a file of the host and outlive VMMS. */
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readFileSync } from 'node:fs';

import { systemCode, writeFileDurably } from '../../../../server/base/files.ts';
import { Mutex } from '../../../../server/base/concurrency.ts';
import { array, json, object, optional, refuse, string } from '../../../../server/protocol/parse.ts';
import type { Parser } from '../../../../server/protocol/parse.ts';
import { isInstance, value } from './wire.ts';
import type { Instance } from './wire.ts';
import type { World } from './world.ts';

const instance: Parser<Instance> = (input, path) => {
  const parsed = value(input, path);
  return isInstance(parsed) ? parsed : refuse(path, 'an instance');
};

/** A planned VM. */
export interface PlannedVm {
  readonly id: string;
  /** `Msvm_VirtualSystemSettingData`. */
  readonly settings: Instance;
  readonly resources: readonly Instance[];
  /** Reference points that the definition had, as JSON of the simulated host. */
  readonly referencePoints?: string | undefined;
}

const plannedVm = object({
  id: string(),
  settings: instance,
  resources: array(instance),
  referencePoints: optional(string({ maxLength: 1_048_576 })),
});

/** The planned VMs of a host. */
export class PlannedVms {
  readonly #path: string;
  readonly #mutex = new Mutex();
  #vms: readonly PlannedVm[];

  constructor(world: World) {
    this.#path = join(world.ownFolder, 'planned.json');
    this.#vms = this.#read();
  }

  #read(): readonly PlannedVm[] {
    try {
      return json(readFileSync(this.#path, 'utf8'), array(plannedVm), this.#path);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return [];
      throw error;
    }
  }

  list(): readonly PlannedVm[] {
    return this.#vms;
  }

  get(id: string): PlannedVm | undefined {
    return this.#vms.find((vm) => vm.id === id.toUpperCase());
  }

  /** Adds a planned VM, or puts it in the place of the one with its id. */
  put(vm: PlannedVm): Promise<void> {
    return this.#change((vms) => [...vms.filter(({ id }) => id !== vm.id), vm]);
  }

  remove(id: string): Promise<void> {
    return this.#change((vms) => vms.filter((vm) => vm.id !== id));
  }

  #change(change: (vms: readonly PlannedVm[]) => readonly PlannedVm[]): Promise<void> {
    return this.#mutex.run(async () => {
      const next = change(this.#vms);
      await mkdir(dirname(this.#path), { recursive: true });
      await writeFileDurably(this.#path, JSON.stringify(next));
      this.#vms = next;
    });
  }
}
