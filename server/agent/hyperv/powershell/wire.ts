/** The lines that go to PowerShell and come back. */
import { UnsendableError, GarbledError } from './failures.ts';

/** UTF-8 bytes of JSON of one whole answer. */
export const maxAnswerBytes = 64 * 1024 * 1024;
/** UTF-8 bytes of JSON of one page. node-powershell copies all it has whenever more arrives, so pages must stay small. */
export const maxPageBytes = 512 * 1024;
const maxPages = (2 * maxAnswerBytes) / maxPageBytes;
/** Bytes of JSON of one request. */
export const maxRequestBytes = 4 * 1024 * 1024;

/** A part of an answer. */
export interface AnswerPage {
  readonly page: number;
  readonly pages: number;
  readonly bytes: Buffer;
}

/** The line that calls a function of the module. */
export function requestLine(id: number, command: string, args: object): string {
  const request = Buffer.from(asciiJson({ id, command, arguments: args }), 'ascii');
  if (request.length > maxRequestBytes) throw new UnsendableError(`the arguments of ${command} are too many`);
  return `Invoke-TidemarkCommand -Request '${request.toString('base64')}'`;
}

/** JSON without any character beyond ASCII: the reader of .NET refuses some that Unicode has, such as U+FFFE, unless they are escaped. */
function asciiJson(value: unknown): string {
  const escape = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  const checked = (_key: string, part: unknown): unknown => {
    // Half a surrogate pair has no UTF-8. Nothing that Hyper-V has is called so.
    if (typeof part === 'string' && !part.isWellFormed()) throw new UnsendableError('a text is no valid Unicode');
    return part;
  };
  return JSON.stringify(value, checked).replaceAll(/[\u007F-\uFFFF]/g, escape);
}

/** The line that asks for a later page of the answer `answerId`. */
export function pageRequestLine(id: number, answerId: number, page: number): string {
  return requestLine(id, 'Get-TidemarkAnswerPage', { AnswerId: answerId, Page: page });
}

/** What one invocation wrote to standard output. */
export interface ParsedOutput {
  readonly page: AnswerPage;
  /** Lines that are no answer: noise, for the log. */
  readonly noise: readonly string[];
}

/** Finds the one answer to `id`. Throws `GarbledError` when there is none, another one, or more than one. */
export function parseOutput(stdout: string, id: number): ParsedOutput {
  const noise: string[] = [];
  let page: AnswerPage | undefined;
  for (const raw of stdout.split('\n')) {
    const line = raw.replace(/^\uFEFF/, '').trimEnd();
    if (line === '') continue;
    const found = /^tidemark (\d{1,15}) (\d{1,9}) (\d{1,9}) ([A-Za-z0-9+/]+={0,2})$/.exec(line);
    if (found === null) {
      noise.push(line);
      continue;
    }
    if (Number(found[1]) !== id) throw new GarbledError(`an answer to ${found[1] ?? ''} came instead of one to ${id}`);
    if (page !== undefined) throw new GarbledError(`two answers to ${id} came`);
    page = parsePage(Number(found[2]), Number(found[3]), found[4] ?? '');
  }
  if (page === undefined) throw new GarbledError(`no answer to ${id} came`);
  return { page, noise };
}

function parsePage(page: number, pages: number, base64: string): AnswerPage {
  if (pages < 1 || pages > maxPages || page >= pages) throw new GarbledError(`page ${page} of ${pages} cannot be`);
  if (base64.length % 4 !== 0) throw new GarbledError('a page is cut off');
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.length > maxPageBytes) throw new GarbledError(`a page of ${bytes.length} bytes is too long`);
  return { page, pages, bytes };
}

/** Puts the pages of one answer together. */
export class AnswerPages {
  readonly #parts: Buffer[];
  readonly #pages: number;
  #bytes: number;

  constructor(first: AnswerPage) {
    if (first.page !== 0) throw new GarbledError(`page ${first.page} came first`);
    this.#parts = [first.bytes];
    this.#pages = first.pages;
    this.#bytes = first.bytes.length;
  }

  /** The number of the page that is missing, or undefined when all are there. */
  get next(): number | undefined {
    return this.#parts.length < this.#pages ? this.#parts.length : undefined;
  }

  /** Adds the page `next`. Throws `GarbledError` when it is another one, or the answer gets too long. */
  add(part: AnswerPage): void {
    if (part.page !== this.next || part.pages !== this.#pages) {
      throw new GarbledError(`page ${part.page} of ${part.pages} came instead of ${this.next} of ${this.#pages}`);
    }
    this.#bytes += part.bytes.length;
    if (this.#bytes > maxAnswerBytes) throw new GarbledError('an answer is too long');
    this.#parts.push(part.bytes);
  }

  /** The whole answer's text. */
  text(): string {
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(this.#parts, this.#bytes));
    } catch (error) {
      throw new GarbledError('an answer is not UTF-8', { cause: error });
    }
  }
}
