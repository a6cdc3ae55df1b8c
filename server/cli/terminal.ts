/** What the CLI writes to, so that commands can be tested with a fake one. */

/** A terminal or pipe, and what it can show. */
export interface Terminal {
  /** Standard output: results. */
  out(text: string): void;
  /** Standard error: progress, notes and errors. */
  error(text: string): void;
  /** Whether standard error is a terminal that redraws. */
  readonly interactive: boolean;
  /** Whether standard output is a terminal: results are for people. */
  readonly outInteractive: boolean;
  readonly colors: boolean;
  /** Columns and rows of the terminal; 80 and 24 where there is none. */
  readonly columns: () => number;
  readonly rows: () => number;
}

/** The process's own terminal. `NO_COLOR` (no-color.org) is respected. */
export function processTerminal(): Terminal {
  const { stdout, stderr, env } = process;
  const interactive = stderr.isTTY && env['TERM'] !== 'dumb';
  const plain = (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb';
  return {
    out: (text) => void stdout.write(text),
    error: (text) => void stderr.write(text),
    interactive,
    outInteractive: stdout.isTTY,
    // One of the two may go to a file, where colours are noise.
    colors: stdout.isTTY && stderr.isTTY && !plain,
    // A terminal that does not know its size says 0.
    columns: () => sizeOr(80, stderr.columns),
    rows: () => sizeOr(24, stderr.rows),
  };
}

function sizeOr(usual: number, size: number | undefined): number {
  return size === undefined || size === 0 ? usual : size;
}

/** Colours by meaning; plain text where colours are not wanted. */
export interface Style {
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly quiet: (text: string) => string;
  readonly strong: (text: string) => string;
}

/** ECMA-48 SGR sequences, or nothing. */
export function styleFor(terminal: Pick<Terminal, 'colors'>): Style {
  const sgr =
    (code: number) =>
    (text: string): string =>
      terminal.colors ? `\u001B[${code}m${text}\u001B[0m` : text;
  return { good: sgr(32), bad: sgr(31), warn: sgr(33), quiet: sgr(90), strong: sgr(1) };
}
