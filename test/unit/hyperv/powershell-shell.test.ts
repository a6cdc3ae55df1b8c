/** What node-powershell does, with a real process under it that behaves badly on purpose. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it, mock } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { PowerShell as PowerShellLibrary } from 'node-powershell';

import type { Logger } from '../../../server/base/log.ts';
import { command } from '../../../server/agent/hyperv/commands/command.ts';
import { createPowerShell } from '../../../server/agent/hyperv/powershell/index.ts';
import type { PowerShell, PowerShellOptions } from '../../../server/agent/hyperv/powershell/index.ts';
import { startShell } from '../../../server/agent/hyperv/powershell/shell.ts';
import type { Shell } from '../../../server/agent/hyperv/powershell/shell.ts';
import { object, string } from '../../../server/protocol/parse.ts';

const script = fileURLToPath(new URL('../../support/hyperv/scripted-powershell.ts', import.meta.url));
const agent = fileURLToPath(new URL('../../support/hyperv/agent-with-powershell.ts', import.meta.url));
const isWindows = process.platform === 'win32';

const scripted = command<
  { readonly How: string; readonly Text?: string; readonly PageBytes?: number; readonly Lie?: string },
  { readonly text: string }
>('Get-TidemarkScripted', object({ text: string({ maxLength: 8 * 1024 * 1024, allowEmpty: true }) }));

/** A program that runs the script with this Node, whatever PATH has. */
let executable: string;
let lines: string[];
let shells: Shell[];
let unhandled: unknown[];
const note = (error: unknown): number => unhandled.push(error);
const log: Logger = { log: (level, message) => lines.push(`${level} ${message}`) };
const signal = new AbortController().signal;

function create(options: Partial<PowerShellOptions> = {}): PowerShell {
  const powershell = createPowerShell({ executable, modulePath: 'none', log, ...options }, (file, environment) => {
    const shell = startShell(file, environment);
    shells.push(shell);
    return shell;
  });
  return powershell;
}

const ask = async (powershell: PowerShell, How: string, Text = How): Promise<string> =>
  (await powershell.invoke(scripted, { How, Text }, { signal })).text;

function isAlive(pid: number | undefined): boolean {
  assert(pid !== undefined);
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Waits until it is gone; the test's own time limit ends the waiting. */
async function gone(pid: number): Promise<void> {
  while (isAlive(pid)) await sleep(20);
}

describe('A process under node-powershell', { skip: isWindows && 'the scripted PowerShell is a Unix script' }, () => {
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tidemark-scripted-'));
    executable = join(folder, 'powershell');
    await writeFile(executable, `#!/bin/sh\nexec '${process.execPath}' '${script}' "$@"\n`, { mode: 0o755 });
  });

  after(async () => rm(folder, { recursive: true }));

  beforeEach(() => {
    lines = [];
    shells = [];
    unhandled = [];
    process.on('unhandledRejection', note);
    process.on('uncaughtException', note);
  });

  afterEach(async () => {
    for (const shell of shells) await shell.ended;
    await sleep(1);
    process.off('unhandledRejection', note);
    process.off('uncaughtException', note);
    assert.deepEqual(unhandled, []);
  });

  it('answers, in UTF-8, also when all that it says arrives in one piece', async () => {
    for (const environment of [process.env, { ...process.env, SCRIPTED_COALESCE: '1' }]) {
      await using powershell = create({ environment, quietMs: 10_000 });
      for (const text of ['Grüße \u{1F4A9}', '', 'x'.repeat(100_000)]) {
        assert.equal(await ask(powershell, 'echo', text), text);
      }
    }
    assert.equal(shells.length, 2);
  });

  it('may write noise and to its error stream: the answer counts, the rest is logged', async () => {
    await using powershell = create();
    assert.equal(await ask(powershell, 'noise'), 'noise');
    assert.equal(await ask(powershell, 'standard error'), 'standard error');
    assert(lines.some((line) => /^warning PowerShell \d+ wrote besides its answer: some noise more noise$/.test(line)));
    assert(lines.some((line) => /^debug PowerShell \d+ wrote to its error stream: #< CLIXML/.test(line)));
    assert.equal(shells.length, 1);
  });

  it('gives a long answer in pages, and one that lies about them is replaced', async () => {
    await using powershell = create();
    const Text = 'Grüße '.repeat(200_000);
    const { text } = await powershell.invoke(scripted, { How: 'pages', Text, PageBytes: 100_001 }, { signal });
    assert.equal(text, Text);
    assert.equal(shells.length, 1);
    for (const Lie of ['another page', 'another count', 'endless']) {
      const asked = powershell.invoke(scripted, { How: 'pages', Text, PageBytes: 10_000, Lie }, { signal });
      await assert.rejects(asked, { code: 'TM2202' }, Lie);
    }
    assert.equal(await ask(powershell, 'echo'), 'echo');
  });

  it('that floods its output is ended before it fills the memory', async () => {
    await using powershell = create();
    await assert.rejects(ask(powershell, 'flood'), { code: 'TM2202', message: /without end/ });
    assert.equal(await ask(powershell, 'echo'), 'echo');
  });

  it('that ends in the middle of a command, with or without an error, is told from one that answers nothing', async () => {
    await using powershell = create();
    await assert.rejects(ask(powershell, 'die'), { code: 'TM2202', message: /exit code 3/ });
    await assert.rejects(ask(powershell, 'end well'), { code: 'TM2202', message: /exit code 0/ });
    await assert.rejects(ask(powershell, 'silence'), { code: 'TM2202', message: /no answer/ });
    for (const how of ['another id', 'late id', 'twice', 'not JSON', 'not UTF-8', 'empty', 'wrong type', 'cut off']) {
      await assert.rejects(ask(powershell, how), { code: 'TM2202' }, how);
    }
    for (const how of ['too many pages', 'a page too long'])
      await assert.rejects(ask(powershell, how), { code: 'TM2202' });
    assert.equal(await ask(powershell, 'echo'), 'echo');
  });

  it('that hangs is really gone after the caller was told', async () => {
    await using powershell = create({ quietMs: 200 });
    await ask(powershell, 'echo');
    await assert.rejects(ask(powershell, 'hang'), { code: 'TM2203' });
    const [shell] = shells;
    assert(shell?.processId !== undefined);
    assert.equal(await shell.ended, 'it was ended by SIGKILL');
    assert.equal(isAlive(shell.processId), false);
  });

  it('keeps nothing of what was said', async () => {
    const invoke = mock.method(PowerShellLibrary.prototype, 'invoke');
    await using powershell = create();
    for (let i = 0; i < 20; i++) await ask(powershell, 'echo');
    const library = invoke.mock.calls.at(-1)?.this;
    invoke.mock.restore();
    assert(library instanceof PowerShellLibrary);
    assert.deepEqual(library.history, []);
  });

  it('that cannot be started is an error with words, and no end of the agent', async () => {
    await using powershell = create({ executable: '/nowhere/powershell.exe' });
    await assert.rejects(ask(powershell, 'echo'), {
      code: 'TM2202',
      message: /^PowerShell cannot be asked to .*: it could not be started: spawn \S+ ENOENT\.$/,
      hint: /Windows PowerShell 5\.1/,
    });
  });

  it('for which not even a process can be made is an error with words too', async () => {
    // Longer than an argument list may be: the operating system refuses at once.
    const environment = { ...process.env, TOO_LONG: 'x'.repeat(8 * 1024 * 1024) };
    await using powershell = create({ environment });
    await assert.rejects(ask(powershell, 'echo'), { code: 'TM2202', message: /could not be started/ });
  });

  it('is the one that was chosen, whatever NODE_POWERSHELL says', async () => {
    process.env['NODE_POWERSHELL'] = '/nowhere/powershell.exe';
    try {
      await using powershell = create();
      assert.equal(await ask(powershell, 'echo'), 'echo');
    } finally {
      delete process.env['NODE_POWERSHELL'];
    }
  });

  it('tells why it is not fit for use', async () => {
    for (const [how, message] of [
      ['failed', /Kein Modul/],
      ['silent', /did not load/],
      ['constrained', /constrained language mode/],
    ] as const) {
      await using powershell = create({ environment: { ...process.env, SCRIPTED_START: how } });
      await assert.rejects(ask(powershell, 'echo'), { code: 'TM2202', message });
    }
  });

  it('is not made to print what it is told by the environment variable of a library', async () => {
    const child = fork(agent, [executable], {
      env: { ...process.env, DEBUG: '*' },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    let printed = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        printed += chunk.toString();
      });
    }
    await messageOf(child);
    child.kill('SIGKILL');
    await once(child, 'close');
    // One line comes before the process is known: its command line.
    assert.doesNotMatch(printed, /Invoke-TidemarkCommand|tidemark \d/);
  });

  it('is gone with the pool, idle, at work or hung', async () => {
    const powershell = create();
    const hung = Promise.allSettled([ask(powershell, 'hang'), ask(powershell, 'hang')]);
    while (shells.length < 2) await sleep(10);
    await ask(powershell, 'echo');
    await powershell[Symbol.asyncDispose]();
    assert((await hung).every(({ status }) => status === 'rejected'));
    for (const shell of shells) assert.equal(isAlive(shell.processId), false);
  });

  it('ends by itself when its agent is killed', async () => {
    const child = fork(agent, [executable], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    const pid = await messageOf(child);
    assert.equal(isAlive(pid), true);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await gone(pid);
  });
});

async function messageOf(child: ChildProcess): Promise<number> {
  const messages: readonly unknown[] = await once(child, 'message');
  const message = messages[0];
  assert(typeof message === 'number');
  return message;
}
