/** Where the lines of a policy file begin when it is formatted: two columns for each level. */
import type { Token } from '../syntax/tokens.ts';

const step = 2;

interface Level {
  readonly kind: 'map' | 'list';
  /** Where its keys or dashes are, and where they go. */
  readonly old: number;
  readonly column: number;
}

/** Takes the words outside brackets one after another, and says where each line's first one goes. */
export class Layout {
  readonly #levels: Level[] = [];
  /** Where the dash of this line goes, when what follows it is on the same line. */
  #dash: number | undefined;

  /** How far what belongs to the innermost key or dash is moved. */
  get shift(): number {
    const top = this.#levels.at(-1);
    return top === undefined ? 0 : top.column - top.old;
  }

  /** The column of the innermost key or dash. */
  get column(): number {
    return this.#levels.at(-1)?.column ?? -step;
  }

  /** Where a word goes that is not in brackets. Only keys, dashes, and words that begin a line matter. */
  place(token: Token): number {
    if (token.first) this.#dash = undefined;
    switch (token.kind) {
      case 'dash':
        return this.#level('list', token.column);
      case 'key':
        return this.#level('map', token.column);
      case 'marker':
        this.#levels.length = 0;
        return 0;
      case 'colon':
      case 'scalar':
      case 'block':
      case 'open':
      case 'close':
      case 'comma':
      case 'comment':
        break;
    }
    return this.column + step;
  }

  /** Where a comment goes that has a line of its own: with the level it is written at. `next` is the word behind it. */
  placeComment(column: number, next: Token | undefined, nextColumn: number): number {
    if (next?.column === column) return nextColumn;
    return this.#levels.findLast(({ old }) => old <= column)?.column ?? 0;
  }

  /** The levels as they are now, for looking ahead. */
  copy(): Layout {
    const copy = new Layout();
    copy.#levels.push(...this.#levels);
    return copy;
  }

  #level(kind: Level['kind'], old: number): number {
    this.#close(kind, old);
    const top = this.#levels.at(-1);
    const known = top?.kind === kind && top.old === old ? top : undefined;
    const column = known?.column ?? (this.#dash === undefined ? this.#inner(top) : this.#dash + step);
    if (known === undefined) this.#levels.push({ kind, old, column });
    this.#dash = kind === 'list' ? column : undefined;
    return column;
  }

  #inner(top: Level | undefined): number {
    return top === undefined ? 0 : top.column + step;
  }

  #close(kind: Level['kind'], old: number): void {
    for (let top = this.#levels.at(-1); top !== undefined; top = this.#levels.at(-1)) {
      const same = top.old === old;
      // A list may begin under its key: then the key's level goes on.
      if (top.old < old || (same && (top.kind === kind || kind === 'list'))) return;
      this.#levels.pop();
    }
  }
}
