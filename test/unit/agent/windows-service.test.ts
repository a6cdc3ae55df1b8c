import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

import type { Logger } from '../../../server/base/log.ts';
import { EventLog } from '../../../server/agent/windows/event-log.ts';
import { allowThroughFirewall } from '../../../server/agent/windows/firewall.ts';
import { missingPrerequisites } from '../../../server/agent/windows/prerequisites.ts';
import type { Computer, Plan } from '../../../server/agent/windows/prerequisites.ts';
import { localPath, stageProgramFolder } from '../../../server/agent/windows/program-folder.ts';
import type { ProgramResult, RunProgram } from '../../../server/agent/windows/programs.ts';
import { keepService, serviceParameters, startService, stopService } from '../../../server/agent/windows/service.ts';

interface Called {
  readonly file: string;
  readonly args: readonly string[];
}

/** A Windows whose programs answer so; what was run is kept. */
function fakeWindows(answer: (call: Called) => ProgramResult = () => ({ code: 0, output: '' })): {
  readonly run: RunProgram;
  readonly calls: Called[];
} {
  const calls: Called[] = [];
  return {
    calls,
    run: async (file, args) => {
      calls.push({ file, args });
      return answer({ file, args });
    },
  };
}

const forgetful: Logger = { log: () => undefined };

test('warnings and errors of the log are entries of the event log, without secrets; the rest is not', async () => {
  const { run, calls } = fakeWindows();
  const events = new EventLog(forgetful, run);
  events.log('info', 'served');
  events.log('warning', 'a wrong password: "hunter2secret"');
  events.log('error', 'it broke', new Error('no disk'));
  await events.flushed();
  assert.deepEqual(
    calls.map(({ args }) => [args[5], args[7], args[9]]),
    [
      ['WARNING', '2', 'a wrong password: <redacted>'],
      ['ERROR', '3', 'it broke: no disk'],
    ],
  );
  assert.match(calls[0]?.file ?? '', /System32\\eventcreate\.exe$/i);
});

test('an entry is one line, whatever a VM is called', async () => {
  const { run, calls } = fakeWindows();
  const events = new EventLog(forgetful, run);
  events.log('error', 'the VM a\0b\r\nInformation\tAll is well failed');
  await events.flushed();
  assert.equal(calls[0]?.args[9], 'the VM a b Information All is well failed');
});

test('a flood of entries does not pile up: what is left out is told by its number', async () => {
  const { run, calls } = fakeWindows();
  const events = new EventLog(forgetful, run);
  for (let index = 0; index < 100; index++) events.log('error', `failure ${index}`);
  await events.flushed();
  assert.ok(calls.length < 30);
  assert.match(calls.at(-1)?.args[9] ?? '', /^\d+ more entries are only in the agent's log file\.$/);
});

test('daemons cannot push what others wrote out of the event log: so many entries an hour, then only their number', async () => {
  const { run, calls } = fakeWindows();
  let now = 0;
  const events = new EventLog(forgetful, run, () => now);
  for (let index = 0; index < 700; index++) {
    events.log('warning', `removeCheckpoint failed ${index}`);
    await events.flushed();
  }
  assert.equal(calls.length, 500);
  now += 3_600_000;
  events.log('warning', 'the next hour');
  await events.flushed();
  assert.deepEqual(
    calls.slice(500).map(({ args }) => args[9]),
    ['the next hour', "200 more entries are only in the agent's log file."],
  );
});

test('a Windows without an event log costs one line of the log, not one for each entry', async () => {
  const lines: string[] = [];
  const events = new EventLog(
    { log: (_level, message) => lines.push(message) },
    fakeWindows(() => ({ code: 1, output: 'no' })).run,
  );
  events.log('error', 'first');
  events.log('error', 'second');
  await events.flushed();
  assert.equal(lines.filter((line) => line.startsWith('the event log of Windows takes no entry')).length, 1);
});

test('the rule of the firewall is for this program, this port and no public network', async () => {
  const { run, calls } = fakeWindows();
  await allowThroughFirewall(run, String.raw`D:\Backup Tools\Agent`, 9440);
  const added = calls.at(-1)?.args ?? [];
  for (const part of [
    'dir=in',
    'protocol=TCP',
    'localport=9440',
    'profile=domain,private',
    String.raw`program=D:\Backup Tools\Agent\node.exe`,
  ]) {
    assert.ok(added.includes(part), part);
  }
});

test('the service runs with quotes around its paths, and with no password among its arguments', () => {
  const parameters = serviceParameters({
    installPath: String.raw`C:\Program Files\A`,
    dataPath: String.raw`C:\ProgramData\B`,
  });
  assert.equal(
    parameters['AppParameters'],
    String.raw`"C:\Program Files\A\server\tidemark.js" agent --config "C:\ProgramData\B\config.json" --event-log`,
  );
});

test('an installation that failed gives the service its account and parameters back', async () => {
  const key = String.raw`HKLM\SYSTEM\CurrentControlSet\Services\TidemarkAgent`;
  let account = String.raw`CONTOSO\\backup$`;
  const { run, calls } = fakeWindows(({ args: [verb, asked = '', file = ''] }) => {
    if (verb !== 'export') return { code: 0, output: '' };
    const values =
      asked === key ? `"ObjectName"="${account}"` : '"AppParameters"="old arguments"\r\n"AppThrottle"=dword:00001388';
    writeFileSync(
      file,
      Buffer.from(`\uFEFFWindows Registry Editor Version 5.00\r\n\r\n[${asked}]\r\n${values}\r\n`, 'utf16le'),
    );
    return { code: 0, output: '' };
  });
  const undo = await keepService(run);
  account = 'LocalSystem';
  calls.length = 0;
  await undo();
  const changes = calls.map(({ args }) => args).filter(([verb]) => verb !== 'export');
  assert.deepEqual(
    changes.map(([verb, ...args]) => [verb, ...args.filter((text) => !text.startsWith('HKLM'))]),
    [
      ['add', '/v', 'AppParameters', '/t', 'REG_SZ', '/d', 'old arguments', '/f', '/reg:64'],
      ['add', '/v', 'AppThrottle', '/t', 'REG_DWORD', '/d', '5000', '/f', '/reg:64'],
      ['config', 'TidemarkAgent', 'obj=', String.raw`CONTOSO\backup$`],
    ],
  );
  assert.deepEqual(
    changes.slice(0, 2).map((args) => args[1]),
    [`${key}\\Parameters`, `${key}\\Parameters`],
  );
});

test('a service that cannot log on says so at once, with what to do', async () => {
  const { run, calls } = fakeWindows(() => ({ code: 1069, output: 'logon failure' }));
  await assert.rejects(startService(run), (error: Error & { readonly hint?: string }) => {
    assert.match(error.hint ?? '', /Log on as a service/);
    return true;
  });
  assert.equal(calls.length, 1);
});

test('folders are on drives of this computer: shares, relative and reserved paths are refused', () => {
  assert.equal(localPath('c:/Program Files/Tidemark Agent/.', 'x'), String.raw`c:\Program Files\Tidemark Agent`);
  assert.equal(localPath('D:\\Tools\\Agent\\', 'x'), String.raw`D:\Tools\Agent`);
  for (const path of [
    '',
    'Agent',
    String.raw`\\server\share`,
    'C:\\',
    'C:',
    String.raw`C:\a:b`,
    String.raw`C:\a"b`,
    String.raw`\\?\C:\a`,
    'C:\\name. ',
  ]) {
    assert.throws(() => localPath(path, 'The folder'), { code: 'TM1002' }, path);
  }
});

const plan: Plan = {
  installPath: String.raw`C:\Program Files\Tidemark Agent`,
  provider: 'hyperv',
  listen: { host: '0.0.0.0', port: 8440 },
  upgrade: false,
};
const bare: Computer = {
  run: fakeWindows(() => ({ code: 1, output: '' })).run,
  release: () => '10.0.14300',
  arch: () => 'x64',
  isAdministrator: async () => false,
  freeBytes: async () => 1024,
  tryListening: async () => 'EADDRINUSE',
};

test('everything that is missing is told at once, each with what to do', async () => {
  const missing = await missingPrerequisites(bare, plan);
  const words = [
    'too old: build 14300',
    'administrator',
    '.NET Framework',
    'PowerShell',
    'Hyper-V',
    '512 MiB',
    'Port 8440',
  ];
  assert.equal(missing.length, words.length);
  for (const [index, word] of words.entries()) {
    assert.ok(missing[index]?.what.includes(word), `${word}: ${missing[index]?.what}`);
    assert.notEqual(missing[index]?.hint, '');
  }
});

test('a trial with the simulated host needs no Hyper-V, and an upgrade no free port', async () => {
  const missing = await missingPrerequisites(bare, { ...plan, provider: 'simulated', upgrade: true });
  assert.ok(missing.every(({ what }) => !/Hyper-V role|Port/.test(what)));
});

function programFolders(context: TestContext): { readonly from: string; readonly to: string } {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-program-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const from = join(folder, 'package');
  mkdirSync(join(from, 'server'), { recursive: true });
  for (const name of ['node.exe', 'server/tidemark.js']) writeFileSync(join(from, name), name);
  return { from, to: join(folder, 'agent') };
}

test('the program is copied into a folder that is protected before anything is in it', async (context) => {
  const { from, to } = programFolders(context);
  const seen: number[] = [];
  const { run } = fakeWindows(({ args }) => {
    if (args.includes('/grant:r')) seen.push(readdirSync(`${to}.new`).length);
    return { code: 0, output: '' };
  });
  const staged = await stageProgramFolder(run, from, to);
  await staged.swap();
  assert.deepEqual(seen, [0, 2]);
  assert.deepEqual(readdirSync(to).toSorted(), ['node.exe', 'server']);
});

test('a DLL that another user puts beside the program before that ends the installation', async (context) => {
  const { from, to } = programFolders(context);
  const { run } = fakeWindows(({ args }) => {
    if (args.includes('/setowner')) writeFileSync(join(`${to}.new`, 'dbghelp.dll'), 'hostile');
    return { code: 0, output: '' };
  });
  await assert.rejects(stageProgramFolder(run, from, to), /somebody else has put "dbghelp.dll" there/);
});

test('an installation removes what an earlier one left beside its folder, and never a folder of somebody else', async (context) => {
  const { from, to } = programFolders(context);
  const { run } = fakeWindows();
  for (const suffix of ['.new', '.old']) {
    mkdirSync(join(`${to}${suffix}`, 'server'), { recursive: true });
    writeFileSync(join(`${to}${suffix}`, 'Uninstall.exe'), 'ours');
  }
  await stageProgramFolder(run, from, to);
  assert.ok(!existsSync(`${to}.old`));
  for (const suffix of ['.new', '.old']) {
    const theirs = join(`${to}${suffix}`, 'thesis.docx');
    mkdirSync(dirname(theirs), { recursive: true });
    writeFileSync(theirs, 'years of work');
    await assert.rejects(stageProgramFolder(run, from, to), /thesis\.docx/);
    assert.ok(existsSync(theirs));
    rmSync(dirname(theirs), { recursive: true });
  }
});

test('a service that is about to start is stopped only when it has, and one that ends is waited for', async () => {
  const states = ['START_PENDING', 'START_PENDING', 'RUNNING', 'STOP_PENDING', 'STOPPED'];
  const { run, calls } = fakeWindows(({ args }) =>
    args[0] === 'query' ? { code: 0, output: `STATE : 0 ${states.shift() ?? ''}` } : { code: 0, output: '' },
  );
  await stopService(run);
  assert.deepEqual(
    calls.map(({ args }) => args[0]),
    ['query', 'query', 'query', 'stop', 'query', 'query'],
  );
});
