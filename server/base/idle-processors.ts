/** How much of this machine's processors nobody uses. */
import { cpus } from 'node:os';

interface Times {
  readonly idle: number;
  readonly all: number;
}

function times(): Times {
  let idle = 0;
  let all = 0;
  for (const { times: of } of cpus()) {
    idle += of.idle;
    all += of.idle + of.user + of.nice + of.sys + of.irq;
  }
  return { idle, all };
}

/** Measures from one question to the next. */
export class IdleProcessors {
  #before = times();

  /** Share of the time of all processors that was idle since the last call or the start: 0 to 1, and 1 where the system does not say. */
  share(): number {
    const before = this.#before;
    const now = times();
    this.#before = now;
    return now.all > before.all ? (now.idle - before.idle) / (now.all - before.all) : 1;
  }
}
