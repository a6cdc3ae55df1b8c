/** The nesting of a policy file as its words and columns show it, also where it is no valid YAML. */
import type { PolicyPath } from './path.ts';
import type { Token } from './tokens.ts';

/** An open mapping or list. */
export interface Frame {
  readonly kind: 'map' | 'list';
  readonly path: PolicyPath;
  /** Where its keys or dashes are; of brackets, where they open. */
  readonly column: number;
  readonly flow: boolean;
  /** The last key of a mapping. */
  key: string;
  /** The last entry of a list; -1 before the first dash. */
  index: number;
  /** That key or entry has no value yet. */
  pending: boolean;
}

/** Takes the words of a file one after another. */
export class Outline {
  readonly #text: string;
  readonly #stack: Frame[] = [];
  readonly #keys = new Map<string, string[]>();
  readonly #values = new Map<string, string>();
  readonly #lengths = new Map<string, number>();

  constructor(text: string) {
    this.#text = text;
  }

  /** The innermost open mapping or list. */
  get top(): Frame | undefined {
    return this.#stack.at(-1);
  }

  /** Where the value of the frame's last key or entry is. */
  pathOf(frame: Frame): PolicyPath {
    return [...frame.path, frame.kind === 'map' ? frame.key : Math.max(0, frame.index)];
  }

  /** The keys of a mapping, in their order. */
  keysOf(path: PolicyPath): readonly string[] {
    return this.#keys.get(nameOf(path)) ?? [];
  }

  /** A single value, without quotes. */
  valueAt(path: PolicyPath): string | undefined {
    return this.#values.get(nameOf(path));
  }

  /** How many entries a list has. */
  lengthOf(path: PolicyPath): number {
    return this.#lengths.get(nameOf(path)) ?? 0;
  }

  /** The single values among the entries of a list. */
  entriesOf(path: PolicyPath): readonly string[] {
    return Array.from({ length: this.lengthOf(path) }, (_, index) => this.valueAt([...path, index]) ?? '').filter(
      (entry) => entry !== '',
    );
  }

  /** What a line that begins at `column` belongs to, and what that leaves. */
  framesAt(column: number): {
    readonly inner: Frame | undefined;
    readonly outer: Frame | undefined;
    readonly left: Frame | undefined;
  } {
    const open = this.#stack.filter((frame) => !frame.flow);
    const inner = open.findLastIndex((frame) => frame.column <= column);
    return { inner: open[inner], outer: open[inner - 1], left: open[inner + 1] };
  }

  /** Column of the innermost keys or dashes outside brackets; -1 when there are none. */
  get blockColumn(): number {
    return this.#stack.findLast((frame) => !frame.flow)?.column ?? -1;
  }

  add(token: Token): void {
    if (token.kind === 'comment') return;
    if (token.kind === 'marker') this.#closeTo(0);
    else if (token.flow || token.kind === 'open') this.#addFlow(token);
    else {
      if (token.kind !== 'colon') this.#endFlow();
      this.#addBlock(token);
    }
  }

  #addBlock(token: Token): void {
    if (token.kind === 'dash') this.#dash(token.column);
    else if (token.kind === 'key') this.#key(token);
    else if (token.kind === 'scalar' || token.kind === 'block') this.#scalar(token);
  }

  #dash(column: number): void {
    this.#close(
      (frame) => frame.column > column || (frame.kind === 'map' && frame.column === column && !frame.pending),
    );
    let { top } = this;
    if (top?.kind !== 'list' || top.column !== column) {
      const path = top === undefined ? [] : this.pathOf(top);
      if (top !== undefined) top.pending = false;
      top = { kind: 'list', path, column, flow: false, key: '', index: -1, pending: false };
      this.#stack.push(top);
    }
    top.index += 1;
    top.pending = true;
    this.#lengths.set(nameOf(top.path), top.index + 1);
  }

  #key(token: Token): void {
    const { column } = token;
    this.#close((frame) => frame.column > column || (frame.kind === 'list' && frame.column === column));
    let { top } = this;
    if (top?.kind !== 'map' || top.column !== column) {
      const path = top === undefined ? [] : this.pathOf(top);
      if (top !== undefined) top.pending = false;
      top = { kind: 'map', path, column, flow: false, key: '', index: 0, pending: false };
      this.#stack.push(top);
    }
    this.#setKey(top, token);
  }

  #addFlow(token: Token): void {
    const { top } = this;
    switch (token.kind) {
      case 'open': {
        const path = top === undefined ? [] : this.pathOf(top);
        if (top !== undefined) top.pending = false;
        const kind = this.#text[token.start] === '[' ? 'list' : 'map';
        this.#stack.push({ kind, path, column: token.column, flow: true, key: '', index: 0, pending: kind === 'list' });
        if (kind === 'list') this.#lengths.set(nameOf(path), 1);
        break;
      }
      case 'close':
        if (top?.flow === true) this.#stack.pop();
        break;
      case 'comma':
        if (top?.flow !== true) break;
        if (top.kind === 'list') {
          top.index += 1;
          this.#lengths.set(nameOf(top.path), top.index + 1);
        }
        top.pending = top.kind === 'list';
        break;
      case 'key':
        if (top?.flow === true && top.kind === 'map') this.#setKey(top, token);
        break;
      case 'scalar':
        this.#scalar(token);
        break;
      case 'block':
      case 'colon':
      case 'comment':
      case 'dash':
      case 'marker':
        break;
    }
  }

  #setKey(frame: Frame, token: Token): void {
    frame.key = plainText(this.#text.slice(token.start, token.end));
    frame.pending = true;
    const name = nameOf(frame.path);
    const keys = this.#keys.get(name);
    if (keys === undefined) this.#keys.set(name, [frame.key]);
    else keys.push(frame.key);
  }

  #scalar(token: Token): void {
    const { top } = this;
    if (top?.pending !== true || token.kind === 'colon') return;
    // On a line of its own and not indented: half a key, not the value of the one before.
    if (token.first && !token.flow && token.column <= top.column) return;
    this.#values.set(nameOf(this.pathOf(top)), plainText(this.#text.slice(token.start, token.end)));
    top.pending = false;
  }

  /** Brackets that were not closed, when a line follows that cannot be in them. */
  #endFlow(): void {
    while (this.top?.flow === true) this.#stack.pop();
  }

  #close(when: (frame: Frame) => boolean): void {
    while (this.top !== undefined && when(this.top)) this.#stack.pop();
  }

  #closeTo(length: number): void {
    this.#stack.length = length;
  }
}

/** A place as a key of a map. */
function nameOf(path: PolicyPath): string {
  return path.join('\n');
}

/** A word without its quotes. */
export function plainText(word: string): string {
  const quote = word[0];
  if (quote !== '"' && quote !== "'") return word;
  const closed = word.length > 1 && word.endsWith(quote) ? word.slice(1, -1) : word.slice(1);
  return quote === '"' ? closed.replace(/\\(["\\/])/g, '$1') : closed.replaceAll("''", "'");
}
