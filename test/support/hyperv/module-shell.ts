/** A PowerShell with the module, driven by lines as the agent drives it but without its pool: for requests that the agent would never make. */
import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createInterface } from 'node:readline';

import { startLine } from '../../../server/agent/hyperv/powershell/prologue.ts';
import { testPowerShell } from './pwsh.ts';

/** The module's manifest. */
export const modulePath = fileURLToPath(
  new URL('../../../server/agent/hyperv/Tidemark.HyperV/Tidemark.HyperV.psd1', import.meta.url),
);

/** One line of an answer, as it came. */
export interface AnswerLine {
  readonly id: number;
  readonly page: number;
  readonly pages: number;
  readonly bytes: Buffer;
}

/** A process that has loaded the module. */
export class ModuleShell {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: string[] = [];
  #wake: () => void = () => undefined;
  #ended = false;
  /** All that came over the error stream. */
  stderr = '';

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.#lines.push(line);
      this.#wake();
    });
    child.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
    child.stdin.on('error', () => undefined);
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (this.stderr += chunk));
  }

  /** Starts one; `hyperv` is the address of a fake host. Ends with the test. */
  static async start(t: TestContext, hyperv: string): Promise<ModuleShell> {
    const { executable, environment } = await testPowerShell();
    const child = spawn(executable, ['-NoLogo', '-NoProfile', '-NonInteractive', '-NoExit', '-Command', '-'], {
      env: { ...process.env, ...environment, TIDEMARK_FAKE_HYPERV: hyperv },
    });
    t.after(() => child.kill());
    const shell = new ModuleShell(child);
    const started = await shell.line(startLine(modulePath, process.pid), /^tidemark-start /);
    const said = Buffer.from(started.split(' ')[1] ?? '', 'base64').toString('utf8');
    if (!said.includes('"ready"')) throw new Error(`The module did not load: ${said}`);
    return shell;
  }

  /** Sends a line and gives the first line that comes back; it must look like this. */
  async line(text: string, expected: RegExp): Promise<string> {
    this.#child.stdin.write(`${text}\n`);
    for (;;) {
      const line = this.#lines.shift();
      if (line !== undefined) {
        if (!expected.test(line)) throw new Error(`PowerShell said: ${line.slice(0, 1000)}`);
        return line;
      }
      if (this.#ended) throw new Error(`PowerShell ended: ${this.stderr.slice(0, 1000)}`);
      // oxlint-disable-next-line no-await-in-loop -- lines come one after the other
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Sends a request that is text already, whatever it is. */
  async text(request: string): Promise<AnswerLine> {
    const line = await this.line(
      `Invoke-TidemarkCommand -Request '${Buffer.from(request, 'utf8').toString('base64')}'`,
      /^tidemark \d+ \d+ \d+ [A-Za-z0-9+/]+=*$/,
    );
    const [, id = '', page = '', pages = '', base64 = ''] = line.split(' ');
    return { id: Number(id), page: Number(page), pages: Number(pages), bytes: Buffer.from(base64, 'base64') };
  }

  /** Sends a request. */
  request(id: number, command: string, args: object): Promise<AnswerLine> {
    return this.text(JSON.stringify({ id, command, arguments: args }));
  }

  /** Sends a request and reads its whole answer, page by page. */
  async answer(id: number, command: string, args: object): Promise<unknown> {
    const first = await this.request(id, command, args);
    const parts = [first.bytes];
    for (let page = 1; page < first.pages; page++) {
      // oxlint-disable-next-line no-await-in-loop -- page after page
      const next = await this.request(id + page, 'Get-TidemarkAnswerPage', { AnswerId: id, Page: page });
      parts.push(next.bytes);
    }
    return JSON.parse(Buffer.concat(parts).toString('utf8'));
  }
}
