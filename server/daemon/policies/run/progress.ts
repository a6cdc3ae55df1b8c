/** The progress of a policy's run: that of its backups together, one part for each VM. */
import type { RunInfo } from '../../../protocol/daemon.ts';
import type { RunId } from '../../../protocol/ids.ts';
import type { RunContext } from '../../runs/context.ts';

interface Part {
  totalBytes: number;
  doneBytes: number;
}

/** Follows the backups and tells the run. What a backup has to read is known when it has begun. */
export class PolicyProgress {
  readonly #context: Pick<RunContext, 'setDisks' | 'advance'>;
  readonly #parts = new Map<string, Part>();
  readonly #nameOf = new Map<RunId, string>();

  constructor(context: Pick<RunContext, 'setDisks' | 'advance'>, names: readonly string[]) {
    this.#context = context;
    for (const name of names) this.#parts.set(name, { totalBytes: 0, doneBytes: 0 });
    this.#show();
  }

  /** The run backs up the VM that is shown under this name. */
  follow(run: RunId, name: string): void {
    this.#nameOf.set(run, name);
  }

  /** Takes in a change of any run. */
  push({ id, progress }: RunInfo): void {
    const name = this.#nameOf.get(id);
    const part = name === undefined ? undefined : this.#parts.get(name);
    if (name === undefined || part === undefined) return;
    const { doneBytes, totalBytes } = progress;
    const more = doneBytes - part.doneBytes;
    const fits = totalBytes === part.totalBytes && more >= 0;
    part.totalBytes = totalBytes;
    part.doneBytes = doneBytes;
    if (fits) this.#context.advance(name, more);
    else this.#show();
  }

  #show(): void {
    this.#context.setDisks([...this.#parts].map(([name, { totalBytes }]) => ({ name, totalBytes })));
    for (const [name, { doneBytes }] of this.#parts) this.#context.advance(name, doneBytes);
  }
}
