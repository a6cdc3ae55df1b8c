/** A terminal that remembers what was printed, and shows what would stand on its screen. */
import { createContext } from '../../../server/cli/context.ts';
import type { CliContext } from '../../../server/cli/context.ts';
import type { Terminal } from '../../../server/cli/terminal.ts';

export interface FakeTerminalOptions {
  readonly interactive?: boolean;
  readonly colors?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

export class FakeTerminal implements Terminal {
  readonly interactive: boolean;
  readonly outInteractive: boolean;
  readonly colors: boolean;
  outText = '';
  errorText = '';
  #columns: number;
  readonly #rows: number;

  constructor({ interactive = false, colors = false, columns = 80, rows = 24 }: FakeTerminalOptions = {}) {
    this.interactive = interactive;
    this.outInteractive = interactive;
    this.colors = colors;
    this.#columns = columns;
    this.#rows = rows;
  }

  out(text: string): void {
    this.outText += text;
  }

  error(text: string): void {
    this.errorText += text;
  }

  readonly columns = (): number => this.#columns;
  readonly rows = (): number => this.#rows;

  resize(columns: number): void {
    this.#columns = columns;
  }

  /** The lines that the error stream leaves on a screen: understands cursor up, carriage return and both erasures. */
  screen(): string[] {
    const lines: string[] = [''];
    let row = 0;
    let column = 0;
    // oxlint-disable-next-line no-control-regex -- it is what a terminal reads
    for (const [token] of this.errorText.matchAll(/\u001B\[\d*[A-Za-z]|\n|\r|[^\u001B\n\r]+/g)) {
      if (token === '\n') {
        row++;
        column = 0;
        lines[row] ??= '';
      } else if (token === '\r') {
        column = 0;
      } else if (token.startsWith('\u001B[')) {
        const amount = Number(token.slice(2, -1));
        if (token.endsWith('A')) row -= amount;
        else if (token.endsWith('K')) lines[row] = (lines[row] ?? '').slice(0, column);
        else if (token.endsWith('J')) {
          lines[row] = (lines[row] ?? '').slice(0, column);
          lines.length = row + 1;
        } else throw new Error(`The fake terminal does not know ${JSON.stringify(token)}.`);
      } else {
        const old = lines[row] ?? '';
        lines[row] = old.slice(0, column).padEnd(column) + token + old.slice(column + token.length);
        column += token.length;
      }
    }
    return lines;
  }
}

/** A context for running commands in this process. */
export function fakeContext(options: FakeTerminalOptions = {}): CliContext & { readonly terminal: FakeTerminal } {
  const terminal = new FakeTerminal(options);
  const context = createContext(terminal, new AbortController().signal);
  return { ...context, terminal, self: { command: process.execPath, script: 'no-such-script' } };
}
