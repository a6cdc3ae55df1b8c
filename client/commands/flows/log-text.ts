/** The log of a run as text, in bounded memory. */
import type { LogLine } from '../../../server/protocol/daemon.ts';
import { l10n } from '../../base/l10n.ts';

/** Lines kept: a run that logs more has its first ones left out. */
const maxLines = 50_000;

export class LogText {
  readonly #maxLines: number;
  #lines: string[] = [];
  #left = 0;
  #nextLine = 0;

  constructor(limit = maxLines) {
    this.#maxLines = limit;
  }

  /** The first line that was not read yet. */
  get nextLine(): number {
    return this.#nextLine;
  }

  /** Adds what was read; `nextLine` is where to go on. */
  append(lines: readonly LogLine[], nextLine: number): void {
    for (const line of lines) this.#lines.push(lineText(line));
    const tooMany = this.#lines.length - this.#maxLines;
    if (tooMany > 0) {
      this.#lines = this.#lines.slice(tooMany);
      this.#left += tooMany;
    }
    this.#nextLine = nextLine;
  }

  toString(): string {
    const head = this.#left === 0 ? [] : [l10n.t('({0} earlier lines are left out)', this.#left)];
    return [...head, ...this.#lines, ''].join('\n');
  }
}

/** `2026-01-31T02:00:00.000Z warning text`. */
export function lineText({ time, level, text }: LogLine): string {
  return `${time} ${level.padEnd(7)} ${text}`;
}
