/** Tells the steps of the demo as they happen, and remembers them. */
import { formatBytes, formatDuration } from '../../base/format.ts';
import type { CliContext } from '../context.ts';
import { fold } from '../fold.ts';
import { table } from '../table.ts';

/** What a step has to say when it is done. */
export interface StepResult {
  /** For people: what happened, in sentences. */
  readonly text: string;
  /** Lines that stand below the text as they are. */
  readonly details?: readonly string[];
  /** Bytes that the guest wrote, or that were read from the host, or restored, or checked. */
  readonly movedBytes?: number;
  /** Bytes that the repository took for it. */
  readonly storedBytes?: number;
  /** How long it took, when that is not the time of the whole step, which may compare files too. */
  readonly milliseconds?: number;
}

/** A step that is done. */
export interface DemoStep extends Omit<StepResult, 'details'> {
  readonly title: string;
  readonly milliseconds: number;
}

const widest = 80;
const indent = '   ';

/** Prints each step: its title when it begins, what it did when it is done. Prints nothing when `quiet`. */
export class Narrator {
  readonly steps: DemoStep[] = [];
  readonly #context: CliContext;
  readonly #quiet: boolean;

  constructor(context: CliContext, quiet: boolean) {
    this.#context = context;
    this.#quiet = quiet;
  }

  /** Carries out and tells one step. */
  async step<T extends StepResult>(title: string, action: () => Promise<T>): Promise<T> {
    this.say(this.#context.style.strong(`${this.steps.length + 1}. ${title}`));
    const begin = performance.now();
    const result = await action();
    const { milliseconds = Math.round(performance.now() - begin) } = result;
    const { text, movedBytes, storedBytes } = result;
    this.steps.push({
      title,
      text,
      ...(movedBytes === undefined ? {} : { movedBytes }),
      ...(storedBytes === undefined ? {} : { storedBytes }),
      milliseconds,
    });
    this.tell(text, indent, `(${formatDuration(milliseconds)})`);
    for (const line of result.details ?? []) this.say(`${indent}${line}`);
    this.say('');
    return result;
  }

  /** Prints a line as it is. */
  say(line: string): void {
    if (!this.#quiet) this.#context.terminal.out(`${line}\n`);
  }

  /** Prints a paragraph, folded to the width of the terminal, at most 80 columns. `last` ends it and is not broken. */
  tell(text: string, prefix = '', last?: string): void {
    const width = Math.min(widest, this.#context.terminal.columns()) - prefix.length;
    for (const line of fold(last === undefined ? text.split(' ') : [...text.split(' '), last], width)) {
      this.say(`${prefix}${line}`);
    }
  }

  /** All steps with their figures, as a table. */
  summary(): string {
    return table(
      [
        { title: 'STEP' },
        { title: 'MOVED', align: 'right' },
        { title: 'STORED', align: 'right' },
        { title: 'TOOK', align: 'right' },
      ],
      this.steps.map((step) => [
        step.title,
        step.movedBytes === undefined ? '' : formatBytes(step.movedBytes),
        step.storedBytes === undefined ? '' : formatBytes(step.storedBytes),
        formatDuration(step.milliseconds),
      ]),
    );
  }
}
