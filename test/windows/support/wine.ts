/** A Windows of one's own: a Wine prefix with what the agent looks for, that ends with its test. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { workFolder } from './packages.ts';

/** How a Windows program ended. */
export interface WineResult {
  /** The exit code as far as Unix keeps it: its lowest eight bits. */
  readonly code: number | null;
  /** What it printed on both streams, with Unix line ends. */
  readonly output: string;
}

/** Longer no program may take, ms. */
const patienceMs = 120_000;

/** What a Hyper-V host has and Wine has not: build 20348 (Windows Server 2022), .NET Framework 4.8, PowerShell 5.1, and the service of Hyper-V. */
const hostRegistry = String.raw`Windows Registry Editor Version 5.00

[HKEY_CURRENT_USER\Software\Wine]
"Version"="win10"

[HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows NT\CurrentVersion]
"CurrentBuildNumber"="20348"

[HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\NET Framework Setup\NDP\v4\Full]
"Release"=dword:00080ff8

[HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\PowerShell\3\PowerShellEngine]
"PowerShellVersion"="5.1.20348.1"

[HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\vmms]
"ImagePath"="C:\\Windows\\system32\\vmms.exe"
"Type"=dword:00000010
"Start"=dword:00000004
"ErrorControl"=dword:00000001
`;

/** A prefix; disposing it ends every program in it and removes it. */
export class Wine implements AsyncDisposable {
  readonly prefix = mkdtempSync(join(workFolder(), 'wine-'));
  readonly #env: Readonly<Record<string, string | undefined>>;
  #outputs = 0;
  #keeper: ChildProcess | undefined;

  private constructor(env: Readonly<Record<string, string>>) {
    this.#env = { ...process.env, WINEPREFIX: this.prefix, WINEDEBUG: '-all', ...env };
  }

  /** Makes one. `env`: for every program in it. */
  static async create(env: Readonly<Record<string, string>> = {}): Promise<Wine> {
    const prepared = await preparedPrefix();
    const wine = new Wine({ DISPLAY: '', ...env });
    cpSync(prepared, wine.prefix, { recursive: true, verbatimSymlinks: true });
    // Without a program of a user Wine ends its services, ours too.
    wine.#keeper = spawn('wine', ['cmd', '/k'], {
      env: wine.#env,
      stdio: ['pipe', 'ignore', 'ignore'],
      cwd: wine.prefix,
    });
    return wine;
  }

  /** Makes a prefix with what a Hyper-V host has, in which nothing runs; gives its folder. */
  static async prepare(): Promise<string> {
    const wine = new Wine({ DISPLAY: '' });
    await wine.run('wineboot', ['-i']);
    // Its services end some seconds after it; who asks them meanwhile may meet those, or the new ones.
    await endOf(spawn('wineserver', ['-w'], { env: wine.#env, stdio: 'ignore' }));
    wine.write(String.raw`C:\host.reg`, hostRegistry);
    await wine.mustRun('regedit', ['/S', String.raw`C:\host.reg`]);
    // The registry is in files when the server has ended.
    await endOf(spawn('wineserver', ['-w'], { env: wine.#env, stdio: 'ignore' }));
    return wine.prefix;
  }

  /** Where a path `C:\…` lies for Linux. */
  path(windows: string): string {
    if (!/^[Cc]:\\/.test(windows)) throw new Error(`${windows} is not on C:`);
    return join(this.prefix, 'drive_c', ...windows.slice(3).split('\\'));
  }

  write(windows: string, text: string): void {
    mkdirSync(dirname(this.path(windows)), { recursive: true });
    writeFileSync(this.path(windows), text);
  }

  read(windows: string): string {
    return readFileSync(this.path(windows), 'utf8');
  }

  /** Whether a file of Linux holds a text, as UTF-8 or as UTF-16. */
  holds(file: string, text: string): boolean {
    const content = readFileSync(file);
    return content.includes(text) || content.includes(Buffer.from(text, 'utf16le'));
  }

  /** Puts a copy of a file or folder of Linux there. */
  copyIn(source: string, windows: string): void {
    cpSync(source, this.path(windows), { recursive: true });
  }

  /** Starts a Windows program; its output goes to `output`, a file: Node under Wine cannot write to a Unix pipe. */
  start(program: string, args: readonly string[], output: string): ChildProcess {
    const file = openSync(output, 'w');
    try {
      return spawn('wine', [program, ...args], { env: this.#env, stdio: ['ignore', file, file], cwd: this.prefix });
    } finally {
      closeSync(file);
    }
  }

  /** Runs a Windows program to its end. */
  async run(program: string, args: readonly string[]): Promise<WineResult> {
    const file = join(this.prefix, `output-${this.#outputs++}.txt`);
    const code = await endOf(this.start(program, args, file));
    const output = readFileSync(file);
    const text = output.includes(0) ? output.toString('utf16le') : output.toString('utf8');
    rmSync(file, { force: true });
    return { code, output: text.replaceAll('\r\n', '\n') };
  }

  /** Runs a Windows program that must succeed; gives what it printed. */
  async mustRun(program: string, args: readonly string[]): Promise<string> {
    const { code, output } = await this.run(program, args);
    if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}:\n${output}`);
    return output;
  }

  /** The state of a service as sc.exe names it, or undefined when there is none. */
  async serviceState(name: string): Promise<string | undefined> {
    const { output } = await this.run('sc', ['query', name]);
    return /STATE\s*:\s*\d+\s+(\w+)/.exec(output)?.[1];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#keeper?.kill('SIGKILL');
    await endOf(spawn('wineserver', ['-k'], { env: this.#env, stdio: 'ignore' }));
    await endOf(spawn('wineserver', ['-w'], { env: this.#env, stdio: 'ignore' }));
    rmSync(this.prefix, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

/** The prefix that all others are copies of: a copy is made faster than another one. The first who needs it makes it. */
async function preparedPrefix(): Promise<string> {
  const folder = join(workFolder(), 'prepared-prefix');
  if (!existsSync(folder)) renameSync(await Wine.prepare(), folder);
  return folder;
}

async function endOf(child: ChildProcess): Promise<number | null> {
  const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs);
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', resolve);
    });
  } finally {
    clearTimeout(timer);
  }
}

/** Waits until `look` gives something, and gives that. Throws with `what` was waited for. */
export async function eventually<T>(what: string, look: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error(`It did not come: ${what}`);
    await sleep(200);
  }
}
