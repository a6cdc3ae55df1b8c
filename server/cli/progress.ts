/** Shows a run: bars that redraw in place on a terminal, one line per event where there is none. */
import { formatBytes, formatDuration } from '../base/format.ts';
import type { RunInfo, RunPhase, RunProgress } from '../protocol/daemon.ts';
import type { Style, Terminal } from './terminal.ts';

const phaseTexts: Readonly<Record<RunPhase, string>> = {
  queued: 'waiting for its turn',
  connecting: 'connecting',
  checkpoint: 'taking the recovery checkpoint',
  extents: 'asking what changed',
  transfer: 'reading disks',
  sealing: 'sealing packs',
  'reference-point': 'making the reference point',
  committing: 'committing',
  'cleaning-up': 'cleaning up',
  reading: 'restoring',
  verifying: 'verifying',
  collecting: 'looking for what is not needed',
  finished: 'finished',
};

/** What a phase means, for people. */
export function phaseText(phase: RunPhase): string {
  return phaseTexts[phase];
}

const fewestBarColumns = 10;

/** One line of a bar: name, bar, percent. Never wider than `columns`. */
export function barLine(name: string, done: number, total: number, columns: number): string {
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const percent = `${Math.floor(share * 100)}%`.padStart(4);
  // Of fixed width, so that bars stand below each other and do not jump.
  const figures = ` ${percent}  ${formatBytes(done).padStart(8)} of ${formatBytes(total).padEnd(8)}`;
  const label = name.length > 16 ? `${name.slice(0, 15)}…` : name.padEnd(16);
  const width = columns - label.length - figures.length - 4;
  if (width < fewestBarColumns) return `${label}${percent}`.slice(0, Math.max(1, columns - 1));
  const filled = Math.round(share * width);
  return `${label} ${'█'.repeat(filled)}${'░'.repeat(width - filled)}${figures}`;
}

/** The lines that show a run now. */
export function progressLines(progress: RunProgress, columns: number): string[] {
  const job = progress.jobPercent === undefined ? '' : ` ${progress.jobPercent}%`;
  const moving = progress.phase === 'transfer' || progress.phase === 'reading' || progress.phase === 'verifying';
  const rate = moving && progress.bytesPerSecond > 0 ? `, ${formatBytes(progress.bytesPerSecond)}/s` : '';
  const eta = moving && progress.etaSeconds !== undefined ? `, ${formatDuration(progress.etaSeconds * 1000)} left` : '';
  const head = `${phaseText(progress.phase)}${job}${rate}${eta}`.slice(0, columns - 1);
  return [head, ...progress.disks.map((disk) => barLine(disk.name, disk.doneBytes, disk.totalBytes, columns))];
}

/** Shows the states of one run, one after the other. */
export interface ProgressView {
  update(run: RunInfo): void;
  /** A run that is part of it; views without this are not told. */
  child?(run: RunInfo): void;
  /** Removes what was drawn; nothing follows. */
  end(): void;
}

// ECMA-48: erase in line and in page, from the cursor on.
const eraseLine = '\u001B[0K';
const eraseBelow = '\u001B[0J';

/** Lines at the bottom of a terminal that are drawn again and again, and taken away at the end. */
export class DrawnLines {
  readonly #terminal: Terminal;
  #drawn = 0;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Draws as many of the lines as there is room for. */
  draw(all: readonly string[]): void {
    const lines = all.slice(0, this.#terminal.rows() - 1);
    // Each line is overwritten in place and only its rest erased, in one write: nothing flickers.
    const drawn = lines.map((line) => `${line}${eraseLine}\n`).join('');
    this.#terminal.error(`${this.#home()}${drawn}${eraseBelow}`);
    this.#drawn = lines.length;
  }

  /** Takes them away. */
  clear(): void {
    if (this.#drawn > 0) this.#terminal.error(`${this.#home()}${eraseBelow}`);
    this.#drawn = 0;
  }

  #home(): string {
    return this.#drawn === 0 ? '' : `\u001B[${this.#drawn}A\r`;
  }
}

class DrawnProgress implements ProgressView {
  readonly #terminal: Terminal;
  readonly #lines: DrawnLines;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    this.#lines = new DrawnLines(terminal);
  }

  update(run: RunInfo): void {
    this.#lines.draw(progressLines(run.progress, this.#terminal.columns()));
  }

  end(): void {
    this.#lines.clear();
  }
}

/** Writes a line when a phase begins or a warning comes, not for every tick. */
class LoggedProgress implements ProgressView {
  readonly #terminal: Terminal;
  readonly #style: Style;
  #phase: RunPhase | undefined;
  #warnings = 0;

  constructor(terminal: Terminal, style: Style) {
    this.#terminal = terminal;
    this.#style = style;
  }

  update(run: RunInfo): void {
    for (const warning of run.warnings.slice(this.#warnings)) {
      this.#terminal.error(`${this.#style.warn('warning')}: ${warning}\n`);
    }
    this.#warnings = run.warnings.length;
    const { phase, totalBytes } = run.progress;
    if (phase === this.#phase || phase === 'finished') return;
    this.#phase = phase;
    const amount = phase === 'transfer' || phase === 'reading' ? ` (${formatBytes(totalBytes)})` : '';
    this.#terminal.error(`${phaseText(phase)}${amount}\n`);
  }

  end(): void {
    this.#phase = undefined;
  }
}

/** The view that fits the terminal. */
export function progressView(terminal: Terminal, style: Style): ProgressView {
  return terminal.interactive ? new DrawnProgress(terminal) : new LoggedProgress(terminal, style);
}
