/** What the self-test makes of scripted answers of Hyper-V. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import type { HypervCalls } from '../../../server/agent/hyperv/calls/calls.ts';
import type { Command } from '../../../server/agent/hyperv/commands/command.ts';
import type { Job, RawAnswer } from '../../../server/agent/hyperv/commands/index.ts';
import { topics } from '../../../server/agent/hyperv/self-test/catalogue.ts';
import { hex, outcomeOf } from '../../../server/agent/hyperv/self-test/host.ts';
import { alignment } from '../../../server/agent/hyperv/self-test/items/changes.ts';
import { facts } from '../../../server/agent/hyperv/self-test/items/facts.ts';
import type { Lab } from '../../../server/agent/hyperv/self-test/lab.ts';
import { newRecord, openSelfTestRecords, scratchName } from '../../../server/agent/hyperv/self-test/record.ts';
import { item, open, scrubbed, selfTestReport, settled } from '../../../server/agent/hyperv/self-test/report.ts';
import { itemsOf, steps } from '../../../server/agent/hyperv/self-test/run.ts';
import { removeScratch } from '../../../server/agent/hyperv/self-test/scratch-vm.ts';
import { silentLogger } from '../../../server/base/log.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { never } from '../simulated/support.ts';

const raw = (changes: Partial<RawAnswer>): RawAnswer => ({
  returnValue: 0,
  jobId: null,
  error: null,
  details: [],
  ...changes,
});

const job = (changes: Partial<Job>): Job => ({
  jobState: 7,
  jobType: 70,
  percent: 100,
  errorCode: 0,
  errorDescription: '',
  cancellable: false,
  completionStatus: 0,
  errors: [],
  ...changes,
});

/** Answers by the name of the function; each is taken once, the last one stays. */
function scripted(answers: Readonly<Record<string, readonly unknown[]>>): HypervCalls & { readonly asked: string[] } {
  const asked: string[] = [];
  const left = new Map(Object.entries(answers).map(([name, list]) => [name, [...list]]));
  return {
    asked,
    invoke: async <A extends object, R>(command: Command<A, R>): Promise<R> => {
      asked.push(command.name);
      const list = left.get(command.name) ?? [];
      const answer = list.length > 1 ? list.shift() : list[0];
      return command.result(answer, command.name);
    },
    finish: async () => undefined,
  };
}

test('an outcome is told, whatever it is, and never judged', async (t) => {
  const exception = {
    message: 'Not found',
    type: 'CimException',
    hresult: 0x80041002,
    errorId: 'HRESULT 0x80041002',
    category: 'ObjectNotFound',
    nativeErrorCode: 'NotFound',
    method: null,
    returnValue: null,
    details: [],
  };
  const table: readonly (readonly [
    what: string,
    answer: RawAnswer,
    jobs: readonly (Job | null)[],
    worked: boolean,
    text: RegExp,
  ])[] = [
    ['done at once', raw({}), [], true, /^return value 0$/],
    [
      'refused',
      raw({ returnValue: 32_773, details: [{ message: 'bad', messageId: '0xC03A0029' }] }),
      [],
      false,
      /^return value 32773: bad 0xC03A0029$/,
    ],
    ['an exception', raw({ returnValue: null, error: exception }), [], false, /^an exception 0x80041002: Not found$/],
    [
      'a job that works',
      raw({ returnValue: 4096, jobId: 'J' }),
      [job({ jobState: 2 }), job({ jobState: 4 }), job({})],
      true,
      /^job state 7$/,
    ],
    [
      'a job with a warning',
      raw({ returnValue: 4096, jobId: 'J' }),
      [job({ jobState: 32_768 })],
      true,
      /^job state 32768$/,
    ],
    [
      'state 7 with an error',
      raw({ returnValue: 4096, jobId: 'J' }),
      [job({ errorCode: 32_768 })],
      false,
      /^job state 7, error 32768/,
    ],
    [
      'a job that fails',
      raw({ returnValue: 4096, jobId: 'J' }),
      [job({ jobState: 10, errorCode: 5, errorDescription: 'x\ny' })],
      false,
      /^job state 10, error 5: x y$/,
    ],
    ['a job that vanishes', raw({ returnValue: 4096, jobId: 'J' }), [job({ jobState: 4 }), null], false, /vanished/],
    ['a job without an id', raw({ returnValue: 4096 }), [], false, /^return value 4096$/],
  ];
  for (const [what, answer, jobs, worked, text] of table) {
    await t.test(what, async () => {
      const calls = scripted({ 'Get-TidemarkJob': jobs.map((one) => ({ job: one })) });
      const outcome = await outcomeOf(calls, answer, never);
      assert.equal(outcome.worked, worked);
      assert.match(outcome.text, text);
    });
  }
  assert.equal(hex(5), '0x00000005');
});

test('what ranges are multiples of', () => {
  assert.equal(alignment([{ offset: 65_536, length: 131_072 }]), 65_536);
  assert.equal(
    alignment([
      { offset: 0, length: 1_048_576 },
      { offset: 512, length: 1_048_576 },
    ]),
    512,
  );
  assert.equal(alignment([{ offset: 3, length: 5 }]), 1);
});

test('an item is settled when all its questions are, and one that nobody answered says why', () => {
  const items = itemsOf(
    [
      { topic: 3, question: settled('a', 'b') },
      { topic: 4, question: settled('c', 'd') },
      { topic: 4, question: open('e', 'f.', 'g') },
    ],
    'It was stopped.',
  );
  assert.deepEqual(
    items.map(({ number }) => number),
    topics.map(({ number }) => number),
  );
  assert.equal(items.length, 16);
  assert.deepEqual([items[2]?.state, items[3]?.state, items[3]?.reason], ['settled', 'not settled', 'e: f.']);
  assert.match(items[0]?.reason ?? '', /It was stopped\./);
  for (const one of items) {
    item(structuredClone(one), 'item');
    for (const { state, answer, reason, procedure } of one.questions) {
      assert.equal(answer !== undefined, state === 'settled');
      assert.equal(reason !== undefined && procedure !== undefined && procedure !== '', state === 'not settled');
    }
  }
});

test('each topic belongs to a step, and each field of the report is explained', () => {
  const covered = new Set(steps.flatMap((step) => step.topics));
  assert.deepEqual(
    topics.filter(({ number }) => !covered.has(number)),
    [],
  );
  const page = readFileSync(new URL('../../../docs/self-test.md', import.meta.url), 'utf8');
  for (const { number } of topics) assert.match(page, new RegExp(`^\\| ${number} \\|`, 'm'));
  const report = selfTestReport(
    {
      version: 1,
      program: 'p',
      startedAt: 's',
      endedAt: 'e',
      host: { build: 1, updateRevision: null, osName: 'o', powershellVersion: 'v' },
      vm: { name: 'n', guest: false, kept: false },
      complete: true,
      items: [],
      cleanUp: { done: true, left: [] },
    },
    'report',
  );
  for (const field of [...Object.keys(report), ...Object.keys(report.host), ...Object.keys(report.vm)]) {
    assert.ok(page.includes(`\`${field}\``), field);
  }
});

test('facts of a host, by what it says', async (t) => {
  const vm = '00000000-0000-4000-8000-000000000001';
  const disk = {
    instanceId: 'i',
    kind: 'virtual',
    path: '/x/d.vhdx',
    controller: 'SCSI',
    controllerNumber: 0,
    location: 0,
    shared: false,
  };
  const known = {
    id: vm,
    name: 'n',
    enabledState: 3,
    healthState: 5,
    operationalStatus: [2],
    replicationMode: 0,
    subType: 's',
    version: '9.0',
    disks: [disk],
    snapshotTypes: [],
    fibreChannel: false,
  };
  const fact = {
    mergeInstanceId: `Microsoft:${vm}\\x`,
    mergeOfVm: 1,
    guestBackupType: false,
    excludedDisks: false,
    guestStateFile: false,
    guestStateFileName: '',
    getVhdProperties: ['Path', 'RctEnabled'],
  };
  const table = [
    [
      'Server 2016',
      14_393,
      fact,
      [/<VM>\\x\. Msvm_SettingsDefineState leads to it/, /GuestBackupType is missing/, /RctEnabled/],
    ],
    ['without an object', 14_393, { ...fact, mergeInstanceId: null }, [/has no such object/]],
    [
      'without Get-VHD',
      20_348,
      { ...fact, getVhdProperties: null },
      [/Get-VHD is not installed/, /build 20348; it lacks/],
    ],
    ['without a property', 20_348, { ...fact, getVhdProperties: ['Path'] }, [/No property has to do/]],
  ] as const;
  for (const [what, build, answer, expected] of table) {
    await t.test(what, async () => {
      const calls = scripted({ 'Get-TidemarkVm': [{ vms: [known] }], 'Get-TidemarkScratchFact': [answer] });
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a step uses only these
      const lab = { calls, signal: never, vmId: vm, host: { build }, disk: { location: 0 } } as unknown as Lab;
      const text = (await facts.run(lab)).map(({ question }) => question.answer ?? question.reason).join('\n');
      for (const part of expected) assert.match(text, part);
    });
  }
});

test('paths of the host are taken out of a report', () => {
  const path = 'C:\\VMs of us\\tidemark-self-test-0123456789ab\\data.vhdx';
  assert.equal(scrubbed(`in '${path}'`, []), "in 'tidemark-self-test-0123456789ab\\data.vhdx'");
  assert.deepEqual(scrubbed({ a: ['D:\\lab\\x', 5, null] }, ['D:\\lab']), { a: ['<folder>\\x', 5, null] });
});

test('records come back, and nothing but a VM of a self-test is ever removed', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-self-test-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const records = await openSelfTestRecords(folder, silentLogger);
  const record = await records.put(newRecord(folder));
  assert.match(record.name, scratchName);
  assert.deepEqual((await openSelfTestRecords(folder, silentLogger)).list(), [record]);
  const calls = scripted({});
  const removal = { calls, log: silentLogger, signal: never, left: [] };
  await assert.rejects(removeScratch(removal, 'web', folder), (error) => TidemarkError.is(error, errorCodes.internal));
  assert.deepEqual(calls.asked, []);
});
