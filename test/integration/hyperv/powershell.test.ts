/** The sessions with the real engine of PowerShell, and the real dispatcher of the module. */
import assert from 'node:assert/strict';
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { assert as check, asyncProperty, constantFrom, oneof, string } from 'fast-check';

import type { Logger } from '../../../server/base/log.ts';
import { command } from '../../../server/agent/hyperv/commands/command.ts';
import { createPowerShell } from '../../../server/agent/hyperv/powershell/index.ts';
import type { PowerShell, PowerShellOptions } from '../../../server/agent/hyperv/powershell/index.ts';
import { parseStarted, startLine } from '../../../server/agent/hyperv/powershell/prologue.ts';
import { startShell } from '../../../server/agent/hyperv/powershell/shell.ts';
import { requestLine } from '../../../server/agent/hyperv/powershell/wire.ts';
import { oneLine } from '../../../server/base/one-line.ts';
import { TidemarkError } from '../../../server/protocol/errors.ts';
import { array, integer, object, string as text } from '../../../server/protocol/parse.ts';
import { logLine, terminal } from '../../support/hyperv/hostile-names.ts';
import { skipWithoutDotnet, testPowerShell } from '../../support/hyperv/pwsh.ts';

const modulePath = fileURLToPath(new URL('../../support/hyperv/echo-module/EchoModule.psm1', import.meta.url));
const agent = fileURLToPath(new URL('../../support/hyperv/agent-with-powershell.ts', import.meta.url));
const anything = text({ maxLength: 8 * 1024 * 1024, allowEmpty: true });

const echo = command<{ readonly Text: string }, { readonly text: string; readonly units: readonly number[] }>(
  'Get-TidemarkEcho',
  object({ text: anything, units: array(integer(0, 65_535)) }),
);
const scripted = command<{ readonly How: string; readonly Text?: string }, { readonly text: string }>(
  'Get-TidemarkScripted',
  object({ text: anything }),
);

interface Lab {
  readonly powershell: PowerShell;
  readonly lines: readonly string[];
  readonly processes: readonly (number | undefined)[];
  readonly ask: (How: string, Text?: string) => Promise<string>;
}

const { signal } = new AbortController();

async function lab(t: TestContext, quirks = '', options: Partial<PowerShellOptions> = {}): Promise<Lab> {
  const { executable, environment } = await testPowerShell();
  const lines: string[] = [];
  const processes: (number | undefined)[] = [];
  const log: Logger = { log: (level, message) => lines.push(`${level} ${message}`) };
  const powershell = createPowerShell(
    {
      executable,
      environment: { ...process.env, ...environment, TIDEMARK_FAKE_QUIRKS: quirks },
      modulePath,
      maxSessions: 1,
      log,
      ...options,
    },
    (file, given) => {
      const shell = startShell(file, given);
      processes.push(shell.processId);
      return shell;
    },
  );
  t.after(async () => powershell[Symbol.asyncDispose]());
  return {
    powershell,
    lines,
    processes,
    ask: async (How, Text = How) => (await powershell.invoke(scripted, { How, Text }, { signal })).text,
  };
}

/** Waits until the process is gone; the time limit of the test ends the waiting. */
async function gone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await sleep(20);
  }
}

const units = (value: string): readonly number[] => Array.from({ length: value.length }, (_, i) => value.charCodeAt(i));

/** What PowerShell would do something with, if it saw it; and what an encoding may lose. */
const hostile = [
  "'",
  '"',
  "'; Remove-Item C:\\ -Recurse #",
  '$(throw 1)',
  '${env:PATH}',
  '@{a=1}',
  '`n`0`u{41}',
  '\u2018\u2019\u201A\u201B\u201C\u201D\u201E',
  '\r\n',
  '\n\n. exit\n',
  '\u0000',
  '\u0001\u001B[2J\u007F\u0085',
  '\u2028\u2029',
  '\u202E\u200F\u2066',
  '\uFEFF',
  '\uFFFE\uFFFF',
  '\u{1F4A9}\u{1F468}\u200D\u{1F469}',
  'e\u0301é',
  '\u7DA0'.repeat(100),
  '[Convert]::FromBase64String',
  '-Request',
  '--% %PATH%',
  '/Date(0)/',
  '2024-01-01T00:00:00Z',
  '1e3',
  'null',
  '\\u0041\\',
  '<a>&amp;]]>',
] as const;

describe('PowerShell, the real engine', () => {
  it('gets every text as it is and gives it back as it is, and interprets nothing of it', async (t) => {
    if (skipWithoutDotnet(t)) return;
    const { powershell, processes } = await lab(t);
    const parts = oneof(constantFrom(...hostile), string({ unit: 'binary', maxLength: 40 }));
    const texts = oneof(constantFrom(...hostile), string({ unit: parts, maxLength: 6 }));
    await check(
      asyncProperty(texts, async (value) => {
        const answer = await powershell.invoke(echo, { Text: value }, { signal });
        assert.deepEqual(answer.units, units(value));
        assert.equal(answer.text, value);
      }),
      { numRuns: 500, examples: hostile.map((value) => [value]) },
    );
    assert(processes.length <= 2, 'none died of it');
  });

  it('says of a module that does not load why, in its own words and with the error id in the cause', async (t) => {
    if (skipWithoutDotnet(t)) return;
    const { ask } = await lab(t, '', { modulePath: '/nowhere/Module.psd1' });
    await assert.rejects(ask('echo'), { code: 'TM2202', message: /could not load the module/ });
  });

  it('loads a module from a folder whose name means something to PowerShell', async (t) => {
    if (skipWithoutDotnet(t)) return;
    const root = await mkdtemp(join(tmpdir(), 'tidemark-module-'));
    t.after(async () => rm(root, { recursive: true }));
    const folder = join(root, "It's [1] ’ $(exit) `n é");
    const content =
      'function Invoke-TidemarkCommand { param($Request) "tidemark 1 0 1 eyJyZXN1bHQiOnsidGV4dCI6IngifX0=" }';
    await mkdir(folder);
    await writeFile(join(folder, 'Module.psm1'), content);
    const { ask } = await lab(t, '', { modulePath: join(folder, 'Module.psm1') });
    assert.equal(await ask('echo'), 'x');
  });

  it('may write whatever it likes beside its answers', async (t) => {
    if (skipWithoutDotnet(t)) return;
    for (const quirks of ['', 'stderr-noise,bom', 'progress,oem,german']) {
      const { ask, lines, processes } = await lab(t, quirks);
      assert.equal(await ask('error stream', 'Grüße'), 'Grüße', quirks);
      assert.equal(await ask('noise', 'tidemark'), 'tidemark', quirks);
      assert.equal(await ask('echo', '绿 é'), '绿 é', quirks);
      assert(
        lines.some((line) => line.includes('wrote to its error stream') && line.includes('Gr\u00FCn Grüße')),
        quirks,
      );
      assert(
        lines.some((line) => line.endsWith('wrote besides its answer: tidemark')),
        quirks,
      );
      assert.equal(processes.length, 1, quirks);
    }
  });

  it('gives no terminal a command, whatever it writes and wherever', async (t) => {
    if (skipWithoutDotnet(t)) return;
    const { ask, lines } = await lab(t);
    const evil = `before${terminal}after ${logLine}`;
    for (const how of ['error stream', 'noise']) assert.equal(await ask(how, evil), evil);
    const messages: string[] = [];
    await assert.rejects(ask('throw', evil), (error) => {
      messages.push(TidemarkError.from(error).message);
      return true;
    });
    for (const place of ['wrote to its error stream: ', 'wrote besides its answer: ']) {
      assert(
        lines.some((line) => line.includes(place) && line.includes('before')),
        place,
      );
    }
    assert.match(messages.join(), /It says: before/);
    for (const shown of [...messages, ...lines]) assert.equal(oneLine(shown, shown.length), shown.trim());
  });

  it('gives errors as answers, and goes on', async (t) => {
    if (skipWithoutDotnet(t)) return;
    const { ask, powershell, processes } = await lab(t);
    await assert.rejects(ask('throw', 'Zugriff verweigert (0x80070005).'), {
      code: 'TM2205',
      message: /It says: Zugriff verweigert \(0x80070005\)\./,
    });
    const other = command<{ readonly Text: string }, unknown>('Get-TidemarkOther', object({}));
    await assert.rejects(powershell.invoke(other, { Text: 'x' }, { signal }), {
      code: 'TM2202',
      message: /fit together/,
    });
    assert.equal(await ask('echo'), 'echo');
    assert.equal(processes.length, 1);
  });

  it('gives a long answer in pages, and the characters at their borders whole', async (t) => {
    if (skipWithoutDotnet(t)) return;
    const { ask } = await lab(t);
    assert.equal(await ask('long'), '€'.repeat(1_000_000));
  });

  it('is replaced when it hangs, is killed or ends in the middle', async (t) => {
    if (skipWithoutDotnet(t)) return;
    const { ask, powershell, processes } = await lab(t);
    await assert.rejects(powershell.invoke(scripted, { How: 'hang' }, { signal, quietMs: 200 }), { code: 'TM2203' });
    await assert.rejects(ask('die'), { code: 'TM2202' });
    await assert.rejects(ask('exit'), { code: 'TM2202', message: /exit code 0/ });
    assert.equal(await ask('echo'), 'echo');
    assert.equal(processes.length, 4);
    for (const pid of processes.slice(0, 3)) await gone(pid ?? 0);
  });

  it('that hangs keeps nobody who aborts, and is gone afterwards', async (t) => {
    if (skipWithoutDotnet(t)) return;
    const { ask, powershell, processes } = await lab(t);
    await ask('echo');
    const controller = new AbortController();
    const asked = powershell.invoke(scripted, { How: 'hang' }, { signal: controller.signal });
    await sleep(100);
    controller.abort();
    await assert.rejects(asked, { code: 'TM1999' });
    await gone(processes[0] ?? 0);
    assert.equal(await ask('echo'), 'echo');
  });

  it('is replaced after so many invocations, and nobody notices', async (t) => {
    if (skipWithoutDotnet(t)) return;
    const { ask, processes } = await lab(t, '', { maxInvocations: 3 });
    for (let i = 0; i < 7; i++) assert.equal(await ask('echo', String(i)), String(i));
    assert.equal(processes.length, 3);
  });

  for (const how of ['echo', 'hang']) {
    it(`ends by itself when its agent is killed while it ${how === 'hang' ? 'hangs' : 'is idle'}`, async (t) => {
      if (skipWithoutDotnet(t)) return;
      const { executable, environment } = await testPowerShell();
      const child = fork(agent, [executable, modulePath, how], {
        env: { ...process.env, ...environment },
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      });
      const messages: readonly unknown[] = await once(child, 'message');
      const pid = messages[0];
      assert(typeof pid === 'number');
      process.kill(pid, 0);
      child.kill('SIGKILL');
      await gone(pid);
    });
  }

  it('ends with its agent even in the middle of a call, when it does not look at its input', async (t) => {
    if (skipWithoutDotnet(t)) return;
    const { executable, environment } = await testPowerShell();
    const other = spawn(process.execPath, ['--eval', 'setInterval(() => undefined, 60_000)']);
    const shell = startShell(executable, { ...process.env, ...environment });
    t.after(async () => {
      other.kill('SIGKILL');
      await shell.kill();
    });
    assert(other.pid !== undefined);
    const { stdout } = await shell.run(startLine(modulePath, other.pid));
    assert.equal(parseStarted(stdout)?.state, 'ready');
    const call = assert.rejects(shell.run(requestLine(1, scripted.name, { How: 'hang' })), { name: 'DiedError' });
    other.kill('SIGKILL');
    await call;
  });
});
