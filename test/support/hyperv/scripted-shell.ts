/** A process of PowerShell that is a few functions: for the logic of sessions and pool, with time in the test's hand. */
import { DiedError } from '../../../server/agent/hyperv/powershell/failures.ts';
import type { Shell, ShellOutput } from '../../../server/agent/hyperv/powershell/shell.ts';
import { integer, object, string, json, record } from '../../../server/protocol/parse.ts';

const request = object({
  id: integer(),
  command: string(),
  arguments: record((value) => value),
});

/** What a shell was asked. */
export interface ScriptedRequest {
  readonly id: number;
  readonly command: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

/** What a shell does with a request: the JSON that it answers, raw output, or nothing for ever. */
export type Script = (request: ScriptedRequest) => Promise<ScriptedAnswer> | ScriptedAnswer;
export type ScriptedAnswer = { readonly json: unknown } | { readonly raw: string } | 'hang' | 'die';

/** One answer of one page. */
export function answerLine(id: number, value: unknown, page = 0, pages = 1): string {
  return `tidemark ${id} ${page} ${pages} ${Buffer.from(JSON.stringify(value)).toString('base64')}\n`;
}

const ready = `tidemark-start ${Buffer.from('{"state":"ready","version":"5.1","processId":1}').toString('base64')}\n`;

export class ScriptedShell implements Shell {
  readonly processId: number;
  readonly ended: Promise<string>;
  readonly requests: ScriptedRequest[] = [];
  isKilled = false;
  /** What it answers to the line that starts it. */
  start: ScriptedAnswer = { raw: ready };
  stderr = '';
  isBusy = false;
  readonly #script: Script;
  readonly #end: (how: string) => void;

  constructor(processId: number, script: Script) {
    this.processId = processId;
    this.#script = script;
    const { promise, resolve } = Promise.withResolvers<string>();
    this.ended = promise;
    this.#end = resolve;
  }

  errorText(): string {
    return this.stderr;
  }

  async run(line: string): Promise<ShellOutput> {
    if (this.isBusy) throw new Error('Two lines at a time.');
    this.isBusy = true;
    try {
      const died = this.ended.then((how) => Promise.reject(new DiedError(how)));
      return await Promise.race([this.#answer(line), died]);
    } finally {
      this.isBusy = false;
    }
  }

  async kill(): Promise<void> {
    this.isKilled = true;
    this.#end('it was ended by SIGKILL');
  }

  /** It dies by itself. */
  die(): void {
    this.#end('it ended with the exit code 1');
  }

  async #answer(line: string): Promise<ShellOutput> {
    const base64 = /^Invoke-TidemarkCommand -Request '([A-Za-z0-9+/=]+)'$/.exec(line)?.[1];
    let answer = this.start;
    let id = 0;
    if (base64 !== undefined) {
      const parsed = json(Buffer.from(base64, 'base64').toString('utf8'), request, 'the request');
      this.requests.push(parsed);
      id = parsed.id;
      answer = await this.#script(parsed);
    }
    if (answer === 'hang') return await new Promise<never>(() => undefined);
    if (answer === 'die') this.die();
    if (typeof answer === 'string') return await new Promise<never>(() => undefined);
    return { stdout: 'raw' in answer ? answer.raw : answerLine(id, answer.json), stderr: this.stderr };
  }
}
