/**
 * Words of a policy file that need not be valid YAML: what is half written is what completion is asked about. Knows the YAML that policies
 * use (block and flow collections, plain, quoted and block scalars, comments), never throws, and takes time proportional to the text.
 */

/**
 * `dash`: `-` of a list; `key`: what a colon follows; `block`: a `|` or `>` scalar with its lines; `marker`: `---` and `...`; the
 * others are what they are called.
 */
export type TokenKind =
  | 'dash'
  | 'key'
  | 'colon'
  | 'scalar'
  | 'block'
  | 'open'
  | 'close'
  | 'comma'
  | 'comment'
  | 'marker';

/** A word. Offsets and columns count UTF-16 units from 0. */
export interface Token {
  readonly kind: TokenKind;
  readonly start: number;
  /** Behind its last character. */
  readonly end: number;
  readonly column: number;
  /** Whether it is the first of its line. */
  readonly first: boolean;
  /** Inside brackets or braces; these themselves too. */
  readonly flow: boolean;
}

/** All words of a text, in their order. */
export function tokensOf(text: string): readonly Token[] {
  return new Tokenizer(text).run();
}

class Tokenizer {
  readonly #text: string;
  readonly #tokens: Token[] = [];
  #at = 0;
  #lineStart = 0;
  /** Where the line ends; remembered, since lines can be long. */
  #end: number;
  #first = true;
  /** Open brackets and braces. */
  #depth = 0;
  /** Column of the innermost key or dash outside brackets: what goes on over several lines is indented more. -1: none yet. */
  #owner = -1;
  /** A value is expected: a colon there was on this line, so that `a: b: c` has one key. */
  #value = false;

  constructor(text: string) {
    this.#text = text;
    this.#end = lineEndAt(text, 0);
  }

  run(): readonly Token[] {
    while (this.#at < this.#text.length) {
      const before = this.#at;
      this.#step();
      // Whatever is not understood is passed over.
      if (this.#at === before) this.#at += 1;
    }
    return this.#tokens;
  }

  #step(): void {
    const character = this.#text[this.#at];
    if (character === '\n') this.#newLine();
    else if (character === ' ' || character === '\t' || character === '\r') this.#at += 1;
    else if (character === '#' && this.#spaceBefore()) this.#push('comment', this.#end);
    else if (this.#depth > 0) this.#flow();
    else this.#block();
  }

  #newLine(): void {
    this.#at += 1;
    this.#lineStart = this.#at;
    this.#end = lineEndAt(this.#text, this.#at);
    this.#first = true;
    this.#value = false;
    if (this.#depth > 0 && this.#endsHere(this.#at)) this.#depth = 0;
  }

  /** Whether a line cannot go on with what began under `#owner`: it is not indented enough, and does not close it. */
  #endsHere(lineStart: number): boolean {
    const indent = /[ \t]*/y;
    indent.lastIndex = lineStart;
    const width = indent.exec(this.#text)?.[0].length ?? 0;
    const character = this.#text[lineStart + width];
    if (character === undefined || character === '\n' || character === '\r' || character === '#') return false;
    return width <= this.#owner && character !== ']' && character !== '}';
  }

  #block(): void {
    const { character, next } = this.#here();
    if (this.#first && /^(---|\.\.\.)(\s|$)/.test(this.#text.slice(this.#lineStart, this.#lineStart + 4))) {
      this.#push('marker', this.#at + 3);
    } else if (character === '-' && isSpace(next) && !this.#value) {
      this.#owner = this.#at - this.#lineStart;
      this.#push('dash', this.#at + 1);
    } else if (character === '[' || character === '{') this.#open();
    else if (character === ':' && isSpace(next) && this.#tokens.at(-1)?.kind === 'key') {
      this.#value = true;
      this.#push('colon', this.#at + 1);
    } else if ((character === '|' || character === '>') && this.#value) this.#push('block', this.#blockScalarEnd());
    else this.#blockWord();
  }

  #blockWord(): void {
    const keyEnd = this.#value ? undefined : this.#keyEnd();
    if (keyEnd !== undefined) {
      this.#owner = this.#at - this.#lineStart;
      this.#push('key', keyEnd);
      return;
    }
    const quoted = this.#quotedEnd();
    this.#push('scalar', quoted ?? this.#plainEnd(/\s#/g, this.#end));
  }

  #flow(): void {
    const { character, next } = this.#here();
    if (character === '[' || character === '{') this.#open();
    else if (character === ']' || character === '}') {
      this.#push('close', this.#at + 1);
      this.#depth -= 1;
    } else if (character === ',') this.#push('comma', this.#at + 1);
    else if (character === ':' && (isSpace(next) || isFlowMark(next) || this.#tokens.at(-1)?.kind === 'key')) {
      this.#push('colon', this.#at + 1);
    } else {
      const end = this.#quotedEnd() ?? this.#plainEnd(/\s#|[,[\]{}]|:(?=[\s,[\]{}])/g, this.#end);
      const colon = /[ \t]*:(?=[\s,[\]{}]|$)/y;
      colon.lastIndex = end;
      this.#push(colon.test(this.#text) ? 'key' : 'scalar', end);
    }
  }

  #open(): void {
    this.#depth += 1;
    this.#push('open', this.#at + 1);
  }

  /** Where the key ends that begins here; undefined when it is none. */
  #keyEnd(): number | undefined {
    const end = this.#end;
    const { character } = this.#here();
    if (character === '"' || character === "'") {
      const quoted = this.#quotedEnd();
      const rest = quoted === undefined ? '' : this.#text.slice(quoted, end);
      return quoted !== undefined && quoted <= end && /^[ \t]*:(\s|$)/.test(rest) ? quoted : undefined;
    }
    const line = this.#text.slice(this.#at, end);
    const colon = /:(?=\s|$)/.exec(line)?.index;
    const comment = /\s#/.exec(line)?.index ?? line.length;
    if (colon === undefined || colon > comment || colon === 0) return undefined;
    return this.#at + line.slice(0, colon).trimEnd().length;
  }

  /** Where the quotes close that open here, or the line ends in which they should have been closed. */
  #quotedEnd(): number | undefined {
    const quote = this.#text[this.#at];
    if (quote !== '"' && quote !== "'") return undefined;
    for (let at = this.#at + 1; at < this.#text.length; at++) {
      const character = this.#text[at];
      if (character === '\\' && quote === '"') at += 1;
      else if (character === quote) {
        if (quote === '"' || this.#text[at + 1] !== "'") return at + 1;
        at += 1;
      } else if (character === '\n' && this.#endsHere(at + 1)) return this.#trimmed(at);
    }
    return this.#end;
  }

  #plainEnd(stop: RegExp, limit: number): number {
    stop.lastIndex = this.#at + 1;
    const found = stop.exec(this.#text.slice(0, limit));
    return this.#trimmed(found?.index ?? limit);
  }

  /** The lines of a block scalar are those that are indented more than its key. */
  #blockScalarEnd(): number {
    let end = this.#end;
    let next = this.#text.indexOf('\n', end);
    while (next >= 0 && next + 1 < this.#text.length) {
      const lineEnd = lineEndAt(this.#text, next + 1);
      const line = this.#text.slice(next + 1, lineEnd);
      const width = /^ */.exec(line)?.[0].length ?? 0;
      const blank = line.trim() === '';
      if (!blank && width <= this.#owner) break;
      if (!blank) end = lineEnd;
      next = this.#text.indexOf('\n', lineEnd);
    }
    return end;
  }

  #here(): { readonly character: string | undefined; readonly next: string | undefined } {
    return { character: this.#text[this.#at], next: this.#text[this.#at + 1] };
  }

  #spaceBefore(): boolean {
    return this.#at === 0 || isSpace(this.#text[this.#at - 1]) || this.#depth > 0;
  }

  #trimmed(end: number): number {
    let at = end;
    while (at > this.#at + 1 && isSpace(this.#text[at - 1])) at -= 1;
    return at;
  }

  #push(kind: TokenKind, end: number): void {
    this.#tokens.push({
      kind,
      start: this.#at,
      end,
      column: this.#at - this.#lineStart,
      first: this.#first,
      flow: this.#depth > 0,
    });
    this.#first = false;
    this.#at = end;
    if (end <= this.#end) return;
    this.#lineStart = lineStartAt(this.#text, end);
    this.#end = lineEndAt(this.#text, end);
  }
}

/** Where the line ends that `at` is in, without its line break. */
export function lineEndAt(text: string, at: number): number {
  const newline = text.indexOf('\n', at);
  const end = newline < 0 ? text.length : newline;
  return end > at && text[end - 1] === '\r' ? end - 1 : end;
}

/** Where the line begins that `at` is in. */
export function lineStartAt(text: string, at: number): number {
  return at === 0 ? 0 : text.lastIndexOf('\n', at - 1) + 1;
}

function isSpace(character: string | undefined): boolean {
  return character === undefined || character === ' ' || character === '\t' || character === '\n' || character === '\r';
}

function isFlowMark(character: string | undefined): boolean {
  return character !== undefined && '[]{},'.includes(character);
}
