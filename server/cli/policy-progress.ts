/** Shows the run of a policy: a bar for each VM that is being backed up, or a line for each that is done. */
import { formatBytes, formatDuration } from '../base/format.ts';
import type { RunInfo } from '../protocol/daemon.ts';
import { printable } from './printable.ts';
import { barLine, DrawnLines, phaseText } from './progress.ts';
import type { ProgressView } from './progress.ts';
import { hasEnded } from './run-state.ts';
import { count } from './table.ts';
import type { Style, Terminal } from './terminal.ts';

/** As many parts `RunProgress` has at most. */
const mostParts = 256;

/** The newest state of each run that is part of the policy's. */
class Children {
  readonly #runs = new Map<string, RunInfo>();

  /** Takes a state in; false when a newer one is known. */
  take(run: RunInfo): boolean {
    if (run.sequence <= (this.#runs.get(run.id)?.sequence ?? -1)) return false;
    this.#runs.set(run.id, run);
    return true;
  }

  get active(): readonly RunInfo[] {
    return [...this.#runs.values()].filter((run) => !hasEnded(run));
  }

  /** The last attempt of each VM, where that has ended. Ids of runs are in the order in which they began. */
  get finishedBackups(): readonly RunInfo[] {
    const last = new Map<string, RunInfo>();
    for (const run of this.#runs.values()) {
      if (run.request.kind !== 'backup') continue;
      const { vm } = run.request;
      if (run.id > (last.get(vm)?.id ?? '')) last.set(vm, run);
    }
    return [...last.values()].filter(hasEnded);
  }
}

/** What a part of the run is about, as a label of a bar: its VM, without the repository that all of them go to. */
function labelOf({ request, title }: RunInfo): string {
  if (request.kind === 'verify') return 'verification';
  if (request.kind === 'prune') return 'retention';
  const end = title.lastIndexOf(' → ');
  return printable(end < 0 ? title : title.slice(0, end));
}

class DrawnPolicyProgress implements ProgressView {
  readonly #terminal: Terminal;
  readonly #lines: DrawnLines;
  readonly #children = new Children();
  #run: RunInfo | undefined;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    this.#lines = new DrawnLines(terminal);
  }

  update(run: RunInfo): void {
    this.#run = run;
    this.#draw();
  }

  child(run: RunInfo): void {
    if (this.#children.take(run)) this.#draw();
  }

  end(): void {
    this.#lines.clear();
  }

  #draw(): void {
    const run = this.#run;
    if (run === undefined) return;
    const { active, finishedBackups } = this.#children;
    const columns = this.#terminal.columns();
    const good = finishedBackups.filter(({ state }) => state === 'succeeded').length;
    const bad = finishedBackups.length - good;
    const rate = active.reduce((sum, { progress }) => sum + progress.bytesPerSecond, 0);
    const words = [
      printable(run.title),
      `${good}${totalOf(run)} done`,
      ...(bad > 0 ? [`${bad} failed${active.length === 0 && !hasEnded(run) ? ' and may be tried again' : ''}`] : []),
      ...(rate > 0 ? [`${formatBytes(rate)}/s`] : []),
    ];
    const head = words.join(', ').slice(0, columns - 1);
    const bars = active.map((part) => {
      const { phase, doneBytes, totalBytes } = part.progress;
      const isMoving = totalBytes > 0;
      const name = labelOf(part);
      return isMoving ? barLine(name, doneBytes, totalBytes, columns) : waitingLine(name, phaseText(phase), columns);
    });
    this.#lines.draw([head, ...bars]);
  }
}

/** The progress of a run has a part for each VM, up to a limit: from there on nobody says how many there are. */
function totalOf({ progress }: RunInfo): string {
  const parts = progress.disks.length;
  return parts === 0 || parts >= mostParts ? '' : ` of ${count(parts, 'VM')}`;
}

function waitingLine(name: string, text: string, columns: number): string {
  const label = name.length > 16 ? `${name.slice(0, 15)}…` : name.padEnd(16);
  return `${label} ${text}`.slice(0, columns - 1);
}

class LoggedPolicyProgress implements ProgressView {
  readonly #terminal: Terminal;
  readonly #style: Style;
  readonly #children = new Children();
  #warnings = 0;

  constructor(terminal: Terminal, style: Style) {
    this.#terminal = terminal;
    this.#style = style;
  }

  update({ warnings }: RunInfo): void {
    for (const warning of warnings.slice(this.#warnings)) {
      this.#terminal.error(`${this.#style.warn('warning')}: ${printable(warning)}\n`);
    }
    this.#warnings = warnings.length;
  }

  child(run: RunInfo): void {
    if (!this.#children.take(run) || !hasEnded(run)) return;
    const { state, error, startedAt, finishedAt = '' } = run;
    const took = startedAt === undefined ? '' : ` in ${formatDuration(Date.parse(finishedAt) - Date.parse(startedAt))}`;
    const why = error === undefined ? took : `: ${printable(error.message)} (${error.code})`;
    this.#terminal.error(`${printable(run.title)}: ${state}${why}\n`);
  }

  end(): void {
    this.#warnings = 0;
  }
}

/** The view of a policy's run that fits the terminal. */
export function policyProgressView(terminal: Terminal, style: Style): ProgressView {
  return terminal.interactive ? new DrawnPolicyProgress(terminal) : new LoggedPolicyProgress(terminal, style);
}
