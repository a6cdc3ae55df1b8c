import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Logger } from '../../../server/base/log.ts';
import { EventLog } from '../../../server/agent/windows/event-log.ts';
import { allowThroughFirewall } from '../../../server/agent/windows/firewall.ts';
import { missingPrerequisites } from '../../../server/agent/windows/prerequisites.ts';
import type { Computer, Plan } from '../../../server/agent/windows/prerequisites.ts';
import { localPath } from '../../../server/agent/windows/program-folder.ts';
import type { ProgramResult, RunProgram } from '../../../server/agent/windows/programs.ts';
import { serviceParameters, startService } from '../../../server/agent/windows/service.ts';

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

test('a flood of entries does not pile up: what is left out is told by its number', async () => {
  const { run, calls } = fakeWindows();
  const events = new EventLog(forgetful, run);
  for (let index = 0; index < 100; index++) events.log('error', `failure ${index}`);
  await events.flushed();
  assert.ok(calls.length < 30);
  assert.match(calls.at(-1)?.args[9] ?? '', /^\d+ more entries are only in the agent's log file\.$/);
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
