/** The run pages of a window: at most one for each run. */
import { getRun } from '../../server/protocol/daemon.ts';
import type { RunId } from '../../server/protocol/ids.ts';
import type { App } from '../app.ts';
import { RunPage } from './run-page.ts';

export class RunPages {
  readonly #app: App;
  readonly #open = new Map<RunId, RunPage>();

  constructor(app: App) {
    this.#app = app;
  }

  /** Opens the page of a run, or shows the one that is open. Throws `TM5101` for a run the daemon does not know. */
  async show(id: RunId): Promise<void> {
    const open = this.#open.get(id);
    if (open !== undefined) {
      open.reveal();
      return;
    }
    const { stores, daemon } = this.#app;
    const run = stores.runs.run(id) ?? (await daemon.request(getRun, { id })).run;
    // Another call may have opened it meanwhile.
    const page = this.#open.get(id) ?? new RunPage(this.#app, run, () => this.#open.delete(id));
    this.#open.set(id, page);
    page.reveal();
  }

  dispose(): void {
    // A page that closes leaves the map while it is walked, which a map allows.
    for (const page of this.#open.values()) page.dispose();
  }
}
