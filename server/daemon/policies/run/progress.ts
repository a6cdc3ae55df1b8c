/** The progress of a policy's run: that of its backups together, one part for each VM, or for each host when there are very many. */
import type { RunInfo } from '../../../protocol/daemon.ts';
import type { RunId } from '../../../protocol/ids.ts';
import type { RunContext } from '../../runs/context.ts';

/** More parts than these are sent ten times a second to every client, and read by nobody. */
const maxParts = 200;

/** A VM of the run. */
export interface FollowedVm {
  readonly id: string;
  readonly host: string;
  /** How it is shown. VMs with one label share a part. */
  readonly label: string;
}

interface VmProgress {
  readonly part: string;
  totalBytes: number;
  doneBytes: number;
}

/** Follows the backups and tells the run. What a backup has to read is known when it has begun. */
export class PolicyProgress {
  readonly #context: Pick<RunContext, 'setDisks' | 'advance'>;
  readonly #vms: ReadonlyMap<string, VmProgress>;
  readonly #vmOf = new Map<RunId, string>();

  constructor(context: Pick<RunContext, 'setDisks' | 'advance'>, vms: readonly FollowedVm[]) {
    this.#context = context;
    const byHost = vms.length > maxParts;
    const entries = vms.map(
      ({ id, host, label }) => [id, { part: byHost ? host : label, totalBytes: 0, doneBytes: 0 }] as const,
    );
    this.#vms = new Map(entries);
    this.#show();
  }

  /** The run backs up this VM. */
  follow(run: RunId, vm: string): void {
    this.#vmOf.set(run, vm);
  }

  /** Takes in a change of any run. */
  push({ id, progress }: RunInfo): void {
    const vm = this.#vms.get(this.#vmOf.get(id) ?? '');
    if (vm === undefined) return;
    const { doneBytes, totalBytes } = progress;
    const more = doneBytes - vm.doneBytes;
    const fits = totalBytes === vm.totalBytes && more >= 0;
    vm.totalBytes = totalBytes;
    vm.doneBytes = doneBytes;
    if (fits) this.#context.advance(vm.part, more);
    else this.#show();
  }

  #show(): void {
    const parts = new Map<string, { totalBytes: number; doneBytes: number }>();
    for (const { part, totalBytes, doneBytes } of this.#vms.values()) {
      const sum = parts.get(part) ?? { totalBytes: 0, doneBytes: 0 };
      parts.set(part, { totalBytes: sum.totalBytes + totalBytes, doneBytes: sum.doneBytes + doneBytes });
    }
    this.#context.setDisks([...parts].map(([name, { totalBytes }]) => ({ name, totalBytes })));
    for (const [name, { doneBytes }] of parts) this.#context.advance(name, doneBytes);
  }
}
