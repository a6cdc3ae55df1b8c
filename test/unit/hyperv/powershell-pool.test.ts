import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';

import type { Logger } from '../../../server/base/log.ts';
import { command } from '../../../server/agent/hyperv/commands/command.ts';
import { createPowerShell } from '../../../server/agent/hyperv/powershell/index.ts';
import type { PowerShell, PowerShellOptions } from '../../../server/agent/hyperv/powershell/index.ts';
import { oneLine } from '../../../server/base/one-line.ts';
import { string, object } from '../../../server/protocol/parse.ts';
import { FakeClock, settle } from '../../support/hyperv/fake-clock.ts';
import { logLine, terminal } from '../../support/hyperv/hostile-names.ts';
import { answerLine, ScriptedShell } from '../../support/hyperv/scripted-shell.ts';
import type { Script, ScriptedAnswer } from '../../support/hyperv/scripted-shell.ts';

const echo = command<{ readonly Text: string }, { readonly text: string }>(
  'Get-TidemarkEcho',
  object({ text: string({ allowEmpty: true }) }),
);

let clock: FakeClock;
let shells: ScriptedShell[];
let lines: string[];
/** What every shell does with a request; a test replaces it. */
let script: Script;
/** What each new shell answers to its start. */
let starts: ScriptedAnswer | undefined;

const log: Logger = { log: (level, message) => lines.push(`${level} ${message}`) };
const never = new AbortController().signal;
const answer: Script = (request) => ({ json: { result: { text: request.arguments['Text'] } } });

beforeEach(() => {
  clock = new FakeClock();
  shells = [];
  lines = [];
  script = answer;
  starts = undefined;
});

function create(options: Partial<PowerShellOptions> = {}): PowerShell {
  return createPowerShell({ executable: 'none', modulePath: 'none', log, clock, ...options }, () => {
    const shell = new ScriptedShell(shells.length + 1, (request) => script(request));
    if (starts !== undefined) shell.start = starts;
    shells.push(shell);
    return shell;
  });
}

const ask = async (powershell: PowerShell, text: string, signal = never): Promise<string> =>
  (await powershell.invoke(echo, { Text: text }, { signal })).text;

/** Requests that wait until the test answers them, by their text. */
function gate(): {
  readonly open: Map<string, (answer: ScriptedAnswer) => void>;
  readonly release: (text: string) => Promise<void>;
} {
  const open = new Map<string, (answer: ScriptedAnswer) => void>();
  script = async ({ arguments: { Text } }) => {
    const { promise, resolve } = Promise.withResolvers<ScriptedAnswer>();
    open.set(String(Text), resolve);
    return await promise;
  };
  return {
    open,
    release: async (text) => {
      open.get(text)?.({ json: { result: { text } } });
      open.delete(text);
      await settle();
    },
  };
}

describe('Sessions of PowerShell', () => {
  it('are started when they are needed, and used again', async () => {
    await using powershell = create();
    assert.equal(shells.length, 0);
    for (const text of ['a', 'b', 'c']) assert.equal(await ask(powershell, text), text);
    assert.equal(shells.length, 1);
  });

  it('are never more than the limit, and serve invocations in the order in which they came', async () => {
    await using powershell = create({ maxSessions: 2 });
    const { open, release } = gate();
    const done: string[] = [];
    const texts = ['1', '2', '3', '4', '5'];
    const all = texts.map(async (text) => done.push(await ask(powershell, text)));
    await settle();
    assert.equal(shells.length, 2);
    assert.deepEqual([...open.keys()], ['1', '2']);
    await release('2');
    assert.deepEqual([...open.keys()], ['1', '3']);
    await release('1');
    await release('3');
    await release('4');
    await release('5');
    await Promise.all(all);
    assert.deepEqual(done, ['2', '1', '3', '4', '5']);
    assert.equal(shells.length, 2);
  });

  it('are replaced after so many invocations', async () => {
    await using powershell = create({ maxInvocations: 3 });
    for (let i = 0; i < 7; i++) await ask(powershell, 'x');
    assert.deepEqual(
      shells.map(({ requests, isKilled }) => [requests.length, isKilled]),
      [
        [3, true],
        [3, true],
        [1, false],
      ],
    );
  });

  it('that nobody needs end after a while, except the last', async () => {
    await using powershell = create({ idleMs: 1000 });
    const { release } = gate();
    const both = [ask(powershell, '1'), ask(powershell, '2')];
    await settle();
    await release('1');
    await release('2');
    await Promise.all(both);
    await clock.advance(999);
    assert.deepEqual(
      shells.map(({ isKilled }) => isKilled),
      [false, false],
    );
    await clock.advance(5000);
    assert.equal(shells.filter(({ isKilled }) => !isKilled).length, 1);
  });

  it('never see an id twice', async () => {
    await using powershell = create({ maxInvocations: 2 });
    for (let i = 0; i < 9; i++) await ask(powershell, 'x');
    const ids = shells.flatMap(({ requests }) => requests.map(({ id }) => id));
    assert.equal(new Set(ids).size, 9);
  });

  it('are all ended with the pool, and whoever waits or is served gets the error of a cancellation', async () => {
    const powershell = create({ maxSessions: 1 });
    gate();
    const served = assert.rejects(ask(powershell, '1'), { code: 'TM2202' });
    const waiting = assert.rejects(ask(powershell, '2'), { code: 'TM1999' });
    await settle();
    await powershell[Symbol.asyncDispose]();
    await Promise.all([served, waiting]);
    await assert.rejects(ask(powershell, '3'), { code: 'TM1999' });
    assert.deepEqual(
      shells.map(({ isKilled }) => isKilled),
      [true],
    );
    assert.equal(clock.pending, 0);
  });
});

describe('A PowerShell that fails', () => {
  it('by not answering is killed and replaced, and the caller is told', async () => {
    await using powershell = create({ quietMs: 5000 });
    script = () => 'hang';
    const asked = assert.rejects(ask(powershell, 'x'), { code: 'TM2203' });
    await clock.advance(4999);
    assert.equal(shells[0]?.isKilled, false);
    await clock.advance(1);
    await asked;
    assert.equal(shells[0]?.isKilled, true);
    script = answer;
    assert.equal(await ask(powershell, 'y'), 'y');
    assert.equal(shells.length, 2);
  });

  it('may be given more time by one invocation', async () => {
    await using powershell = create({ quietMs: 5000 });
    const { release } = gate();
    const asked = powershell.invoke(echo, { Text: 'x' }, { signal: never, quietMs: 60_000 });
    await clock.advance(59_000);
    await release('x');
    assert.equal((await asked).text, 'x');
  });

  it('has more time for what may be slow', async () => {
    await using powershell = create({ quietMs: 1000 });
    script = () => 'hang';
    const changes = command<{ readonly Text: string }, unknown>('Get-TidemarkChangedExtent', object({}));
    const asked = assert.rejects(powershell.invoke(changes, { Text: 'x' }, { signal: never }), { code: 'TM2203' });
    await clock.advance(4999);
    assert.equal(shells[0]?.isKilled, false);
    await clock.advance(1);
    await asked;
  });

  it('by dying in the middle is replaced, and the caller is told', async () => {
    await using powershell = create();
    script = () => 'die';
    await assert.rejects(ask(powershell, 'x'), { code: 'TM2202', message: /exit code 1/ });
    script = answer;
    assert.equal(await ask(powershell, 'y'), 'y');
    assert.equal(shells.length, 2);
  });

  it('by dying gives its last words to the log, and no terminal a command by them', async () => {
    await using powershell = create();
    await ask(powershell, 'x');
    const [shell] = shells;
    assert(shell);
    shell.stderr = `before${terminal}after\n${logLine}`;
    script = () => 'die';
    await assert.rejects(ask(powershell, 'y'), { code: 'TM2202' });
    const last = lines.filter((line) => line.includes('wrote to its error stream before it failed: before'));
    assert.equal(last.length, 1);
    for (const line of lines) assert.equal(oneLine(line, line.length), line);
  });

  it('by dying while nobody uses it is replaced, and nobody notices', async () => {
    await using powershell = create();
    await ask(powershell, 'x');
    shells[0]?.die();
    await settle();
    assert.equal(await ask(powershell, 'y'), 'y');
    assert.equal(shells.length, 2);
  });

  it('by answering nonsense is replaced: nothing that comes late meets another request', async () => {
    await using powershell = create();
    const nonsense: readonly ((id: number) => string)[] = [
      () => '',
      (id) => answerLine(id + 1, { result: { text: 'x' } }),
      (id) => answerLine(id - 1, { result: { text: 'x' } }) + answerLine(id, { result: { text: 'x' } }),
      (id) => answerLine(id, { result: { text: 'x' } }).repeat(2),
      (id) => answerLine(id, {}),
      (id) => answerLine(id, { result: { text: 5 } }),
      (id) => answerLine(id, { error: { message: 'no' } }),
    ];
    for (const [index, raw] of nonsense.entries()) {
      script = ({ id }) => ({ raw: raw(id) });
      await assert.rejects(ask(powershell, 'x'), { code: 'TM2202' }, `nonsense ${index}`);
      assert.equal(shells.at(-1)?.isKilled, true);
      script = answer;
      assert.equal(await ask(powershell, 'y'), 'y');
    }
  });

  it('by not starting tells each caller once, and is tried again by the next', async () => {
    await using powershell = create({ maxSessions: 1 });
    starts = { raw: '' };
    const both = await Promise.allSettled([ask(powershell, '1'), ask(powershell, '2')]);
    assert.deepEqual(
      both.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    assert.equal(shells.length, 2);
    assert(shells.every(({ isKilled }) => isKilled));
    starts = undefined;
    assert.equal(await ask(powershell, '3'), '3');
  });

  it('says why the module does not load', async () => {
    await using powershell = create();
    const state = { state: 'failed', message: 'Kein\nModul', type: 'T', errorId: 'Modules_ModuleNotFound', hresult: 0 };
    starts = { raw: `tidemark-start ${Buffer.from(JSON.stringify(state)).toString('base64')}\n` };
    await assert.rejects(ask(powershell, 'x'), { code: 'TM2202', message: /Kein Modul/, hint: /5\.1/ });
  });

  it('says at once that application control keeps it from working, instead of hanging', async () => {
    await using powershell = create();
    starts = 'hang';
    const asked = assert.rejects(ask(powershell, 'x'), { code: 'TM2202', message: /constrained/, hint: /WDAC/ });
    await settle();
    const [shell] = shells;
    assert(shell);
    shell.stderr = '    + FullyQualifiedErrorId : MethodInvocationNotSupportedInConstrainedLanguage';
    await clock.advance(300);
    await asked;
    assert.equal(shell.isKilled, true);
  });

  it('only by writing to its error stream has not failed, and what it wrote is in the log', async () => {
    await using powershell = create();
    await ask(powershell, 'x');
    const [shell] = shells;
    assert(shell);
    shell.stderr = 'WARNUNG:\u202E\nalles in Ordnung';
    assert.equal(await ask(powershell, 'y'), 'y');
    assert(lines.includes('warning PowerShell 1 wrote to its error stream: WARNUNG: alles in Ordnung'));
    assert.equal(shells.length, 1);
  });

  it('is not blamed for an error that the function reports, and goes on', async () => {
    await using powershell = create();
    const error = {
      message: 'Zugriff verweigert',
      type: 'CimException',
      hresult: 0x80041003,
      errorId: 'HRESULT 0x80041003',
      category: 'PermissionDenied',
      nativeErrorCode: 'AccessDenied',
      method: null,
      returnValue: null,
      details: [],
    };
    script = () => ({ json: { error } });
    await assert.rejects(ask(powershell, 'x'), { code: 'TM2205' });
    script = answer;
    assert.equal(await ask(powershell, 'y'), 'y');
    assert.equal(shells.length, 1);
    script = () => ({ json: { error: { ...error, hresult: 0x800706be } } });
    await assert.rejects(ask(powershell, 'x'), { code: 'TM2204' });
    assert.equal(shells[0]?.isKilled, true, 'its connection to WMI may be gone');
  });

  it('is not blamed for a request that is too long to be sent', async () => {
    await using powershell = create();
    await assert.rejects(ask(powershell, 'x'.repeat(5_000_000)), { code: 'TM1001' });
    assert.equal(await ask(powershell, 'y'), 'y');
    assert.equal(shells.length, 1);
  });
});

describe('An invocation that is aborted', () => {
  it('while it waits leaves the queue, and nothing of it is sent', async () => {
    await using powershell = create({ maxSessions: 1 });
    const { release } = gate();
    const controller = new AbortController();
    const first = ask(powershell, '1');
    const second = assert.rejects(ask(powershell, '2', controller.signal), { code: 'TM1999' });
    const third = ask(powershell, '3');
    await settle();
    controller.abort();
    await second;
    await release('1');
    await release('3');
    assert.deepEqual([await first, await third], ['1', '3']);
    assert.deepEqual(
      shells.flatMap(({ requests }) => requests.map(({ arguments: { Text } }) => Text)),
      ['1', '3'],
    );
  });

  it('before it began throws without a session', async () => {
    await using powershell = create();
    await assert.rejects(ask(powershell, 'x', AbortSignal.abort()), { code: 'TM1999' });
    assert.equal(shells.length, 0);
  });

  it('while PowerShell hangs throws at once, without any time going by; that PowerShell is ended', async () => {
    await using powershell = create();
    script = () => 'hang';
    const controller = new AbortController();
    const asked = assert.rejects(ask(powershell, 'x', controller.signal), { code: 'TM1999' });
    await settle();
    controller.abort();
    await asked;
    assert.equal(clock.now(), 0);
    assert.equal(shells[0]?.isKilled, true);
    script = answer;
    assert.equal(await ask(powershell, 'y'), 'y');
  });

  it('keeps the reason of the abort when it is an error of Tidemark', async () => {
    await using powershell = create();
    script = () => 'hang';
    const controller = new AbortController();
    const reason = Object.assign(new Error('x'), { name: 'AbortError' });
    const asked = assert.rejects(ask(powershell, 'x', controller.signal), { code: 'TM1999', cause: reason });
    await settle();
    controller.abort(reason);
    await asked;
  });

  it('goes on in the background when what it changed must be known, and its answer comes there', async () => {
    await using powershell = create({ maxSessions: 1 });
    const { release } = gate();
    const controller = new AbortController();
    let late: Promise<{ readonly text: string }> | undefined;
    const asked = assert.rejects(
      powershell.invoke(
        echo,
        { Text: 'x' },
        {
          signal: controller.signal,
          late: (promise) => {
            late = promise;
          },
        },
      ),
      { code: 'TM1999' },
    );
    await settle();
    controller.abort();
    await asked;
    assert(late);
    assert.equal(shells[0]?.isKilled, false);
    await release('x');
    assert.deepEqual(await late, { text: 'x' });
    script = answer;
    assert.equal(await ask(powershell, 'y'), 'y');
    assert.equal(shells.length, 1, 'the session is used again');
  });

  it('and goes on in the background has its error there too, and that may be ignored', async () => {
    await using powershell = create({ quietMs: 1000 });
    script = () => 'hang';
    const controller = new AbortController();
    const asked = assert.rejects(
      powershell.invoke(echo, { Text: 'x' }, { signal: controller.signal, late: () => undefined }),
      { code: 'TM1999' },
    );
    await settle();
    controller.abort();
    await asked;
    await clock.advance(1000);
    assert.equal(shells[0]?.isKilled, true);
  });
});

describe('A host that does not answer', () => {
  const hang = async (powershell: PowerShell, times: number): Promise<void> => {
    script = () => 'hang';
    for (let i = 0; i < times; i++) {
      const asked = assert.rejects(ask(powershell, 'x'), { code: 'TM2203' });
      await clock.advance(1000);
      await asked;
    }
  };
  /** Get-TidemarkHost answers, as a probe asks. */
  const recovered: Script = (request) =>
    request.command === 'Get-TidemarkHost'
      ? {
          json: {
            result: {
              name: 'HV01',
              build: 20_348,
              osName: 'x',
              powershellVersion: '5.1',
              hypervAvailable: true,
              defaultVmFolder: null,
              defaultDiskFolder: null,
              hasGuestBackupType: true,
              hasExcludedVirtualHardDisks: true,
            },
          },
        }
      : answer(request);

  it('is left in peace after three hangs in a row, for longer and longer', async () => {
    await using powershell = create({ quietMs: 1000 });
    await hang(powershell, 3);
    for (const pauseMs of [15_000, 30_000, 60_000, 120_000, 240_000, 300_000, 300_000]) {
      const before = shells.length;
      await assert.rejects(ask(powershell, 'x'), { code: 'TM2203', message: /does not answer/ });
      await clock.advance(pauseMs - 1);
      await assert.rejects(ask(powershell, 'x'), { code: 'TM2203' });
      assert.equal(shells.length, before, 'nothing was started');
      await clock.advance(1);
      await hang(powershell, 1);
      assert.equal(shells.length, before + 1, 'one probe');
    }
  });

  it('is asked by one probe, which does nothing, before anything else is done again', async () => {
    await using powershell = create({ quietMs: 1000 });
    await hang(powershell, 3);
    await clock.advance(15_000);
    script = recovered;
    const first = ask(powershell, '1');
    await assert.rejects(ask(powershell, '2'), { code: 'TM2203' }, 'one probe at a time');
    assert.equal(await first, '1');
    assert.deepEqual(
      shells.at(-1)?.requests.map(({ command: name }) => name),
      ['Get-TidemarkHost', 'Get-TidemarkEcho'],
    );
    assert.deepEqual(await Promise.all([ask(powershell, '3'), ask(powershell, '4')]), ['3', '4']);
  });

  it('has its hangs counted only when they come in a row', async () => {
    await using powershell = create({ quietMs: 1000 });
    for (let i = 0; i < 5; i++) {
      await hang(powershell, 2);
      script = answer;
      assert.equal(await ask(powershell, 'x'), 'x');
    }
  });

  it('keeps nobody waiting: those in the queue are told too', async () => {
    await using powershell = create({ quietMs: 1000, maxSessions: 3 });
    script = () => 'hang';
    const all = Array.from({ length: 10 }, async (_, i) => ask(powershell, String(i)));
    const outcomes = Promise.allSettled(all);
    // The first hung ones were replaced before the third one hung; what came to those hangs once more.
    await clock.advance(2000);
    assert((await outcomes).every(({ status }) => status === 'rejected'));
    assert(shells.length <= 5, `${shells.length} were started`);
  });

  it('is asked again by the next when a probe was given up', async () => {
    await using powershell = create({ quietMs: 1000 });
    await hang(powershell, 3);
    await clock.advance(15_000);
    const controller = new AbortController();
    const probe = assert.rejects(ask(powershell, 'x', controller.signal), { code: 'TM1999' });
    await settle();
    controller.abort();
    await probe;
    await settle();
    script = recovered;
    assert.equal(await ask(powershell, 'y'), 'y');
  });

  it('counts a PowerShell that does not start as a hang too', async () => {
    await using powershell = create({ startMs: 1000 });
    starts = 'hang';
    for (let i = 0; i < 3; i++) {
      const asked = assert.rejects(ask(powershell, 'x'), { code: 'TM2203' });
      await clock.advance(1000);
      await asked;
    }
    await assert.rejects(ask(powershell, 'x'), { code: 'TM2203', message: /3 times in a row/ });
    assert.equal(shells.length, 3);
  });
});
