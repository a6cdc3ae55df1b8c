import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

import * as fc from 'fast-check';

import * as commands from '../../../server/agent/hyperv/commands/index.ts';
import { answer } from '../../../server/agent/hyperv/commands/answer.ts';
import { getHost } from '../../../server/agent/hyperv/commands/host.ts';
import { getJob } from '../../../server/agent/hyperv/commands/jobs.ts';
import { getChangedExtent, getReferencePoint } from '../../../server/agent/hyperv/commands/reference-points.ts';
import { getVm } from '../../../server/agent/hyperv/commands/vms.ts';
import { maxPageBytes } from '../../../server/agent/hyperv/powershell/wire.ts';
import { cannedHost } from '../../support/hyperv/canned-host.ts';
import type { Canned } from '../../support/hyperv/canned-host.ts';
import { modulePath, ModuleShell } from '../../support/hyperv/module-shell.ts';
import { skipWithoutDotnet } from '../../support/hyperv/pwsh.ts';

const folder = dirname(modulePath);
const vmGuid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

/** A shell with the module over a host that has these instances. */
async function shellOver(t: TestContext, instances: () => Canned = () => ({})): Promise<ModuleShell> {
  return ModuleShell.start(t, await cannedHost(t, instances));
}

const errorOf = (line: { readonly bytes: Buffer }): string =>
  answer(getVm.result)(JSON.parse(line.bytes.toString('utf8')), 'answer').error?.errorId ?? 'none';

test('the module exports just the functions that the provider calls, and the dispatcher takes them', () => {
  const wanted = Object.values(commands)
    .flatMap((entry) => (typeof entry === 'object' && 'name' in entry ? [entry.name] : []))
    .toSorted();
  const quoted = (text: string): readonly string[] =>
    [...text.matchAll(/'([A-Z][A-Za-z]+-Tidemark[A-Za-z]+)'/g)].map((match) => match[1] ?? '').toSorted();
  assert.ok(wanted.length > 30);
  const exported = quoted(readFileSync(modulePath, 'utf8'));
  assert.deepEqual(exported, [...wanted, 'Invoke-TidemarkCommand'].toSorted());
  assert.deepEqual(quoted(readFileSync(join(folder, 'Tidemark.HyperV.psm1'), 'utf8')), wanted);
});

test('the page of the module names each of its functions', () => {
  const page = readFileSync(new URL('../../../docs/hyperv-module.md', import.meta.url), 'utf8');
  for (const entry of Object.values(commands))
    if (typeof entry === 'object' && 'name' in entry) assert.ok(page.includes(`\`${entry.name}\``), entry.name);
});

test('every part is loaded, is plain ASCII and short; a part is not loaded because it lies there', () => {
  const module = readFileSync(join(folder, 'Tidemark.HyperV.psm1'), 'utf8');
  for (const name of readdirSync(folder)) {
    const text = readFileSync(join(folder, name), 'utf8');
    // Windows PowerShell reads files without a byte order mark in the machine's code page.
    assert.match(text, /^[\x20-\x7E\n]*$/, name);
    assert.ok(text.split('\n').length <= 300, name);
    if (name.endsWith('.ps1')) assert.ok(module.includes(`'${name.slice(0, -4)}'`), name);
  }
  assert.doesNotMatch(module, /Get-ChildItem|\*/);
});

test('a request that is none, or asks for what is not there, is answered with an error', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const shell = await shellOver(t);
  for (const text of [
    '',
    'x',
    '[]',
    '7',
    'null',
    '{}',
    '{"id":1,"command":"Get-TidemarkVm"}',
    '{"id":1.5,"command":"Get-TidemarkVm","arguments":{}}',
  ])
    assert.equal(errorOf(await shell.text(text)), 'BadRequest', text);
  const deep = `{"id":1,"command":"Get-TidemarkVm","arguments":{"VmId":${'['.repeat(100)}${']'.repeat(100)}}}`;
  assert.equal(errorOf(await shell.text(deep)), 'BadRequest');
  const twice = '{"id":1,"command":"Get-TidemarkVm","command":"Get-TidemarkHost","arguments":{}}';
  assert.equal(errorOf(await shell.text(twice)), 'BadRequest');
  for (const command of [
    'Get-Process',
    'get-tidemarkvm',
    'Get-TidemarkVm; 1',
    'Invoke-TidemarkCommand',
    'New-AnswerList',
    '',
    '\u0000',
  ])
    assert.equal(errorOf(await shell.request(4, command, {})), 'UnknownCommand', command);
  assert.equal(shell.stderr, '');
});

test('arguments are only those that a function declares itself, of its own types, and all that it needs', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const shell = await shellOver(t);
  const wrong: readonly (readonly [string, object])[] = [
    ['Get-TidemarkVm', { ErrorAction: 'SilentlyContinue' }],
    ['Get-TidemarkVm', { OutVariable: 'x' }],
    ['Get-TidemarkVm', { VmI: vmGuid(1) }],
    ['Get-TidemarkVm', { vmid: vmGuid(1) }],
    ['Get-TidemarkVm', { VmId: 7 }],
    ['Get-TidemarkVm', { VmId: null }],
    ['Get-TidemarkVm', { VmId: [vmGuid(1)] }],
    ['Get-TidemarkVm', { VmId: { a: 1 } }],
    ['Get-TidemarkJob', {}],
    ['Get-TidemarkVirtualDisk', { Path: 'C:\\a.vhdx' }],
    ['Get-TidemarkVirtualDisk', { Path: ['a', 1] }],
    ['Start-TidemarkCheckpointRemoval', { CheckpointId: 'Microsoft:1', Unmarked: 'true' }],
    ['Start-TidemarkDiskChange', { VmId: vmGuid(1), Disk: ['x'] }],
  ];
  for (const [command, args] of wrong)
    assert.equal(errorOf(await shell.request(1, command, args)), 'WrongArgument', JSON.stringify(args));
  for (const id of ['x', `${vmGuid(1)}\n`, `${vmGuid(1)}' OR Name='x`, ''])
    assert.match(
      errorOf(await shell.request(1, 'Get-TidemarkVm', { VmId: id })),
      /^ParameterArgumentValidationError/,
      id,
    );
  for (const id of ["x' OR InstanceID='y", 'x"', '$(1)', 'x\n', ''])
    assert.match(
      errorOf(await shell.request(1, 'Get-TidemarkJob', { JobId: id })),
      /^ParameterArgumentValidationError/,
      id,
    );
  assert.equal(shell.stderr, '');
});

test('a long answer comes in pages, is held until the next command, and a wrong page costs nothing', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const points = Array.from({ length: 3000 }, (_, n) => ({
    InstanceID: `Microsoft:${vmGuid(n)}`,
    VirtualSystemIdentifier: vmGuid(1),
    ReferencePointType: 2,
    VirtualDiskIdentifiers: [`disk ${n}`],
    ResilientChangeTrackingIdentifiers: [`${'備🌊'.repeat(150)}${n}`],
  }));
  const shell = await shellOver(t, () => ({ Msvm_VirtualSystemReferencePoint: points }));
  const first = await shell.request(7, 'Get-TidemarkReferencePoint', {});
  assert.deepEqual([first.id, first.page], [7, 0]);
  assert.ok(first.pages > 4 && first.bytes.length <= maxPageBytes && first.bytes.length > maxPageBytes - 16);
  assert.equal(
    errorOf(await shell.request(8, 'Get-TidemarkAnswerPage', { AnswerId: 7, Page: first.pages })),
    'NoSuchPage',
  );
  assert.equal(errorOf(await shell.request(9, 'Get-TidemarkAnswerPage', { AnswerId: 7, Page: -1 })), 'NoSuchPage');
  assert.equal(errorOf(await shell.request(9, 'Get-TidemarkAnswerPage', { AnswerId: 6, Page: 0 })), 'NoSuchAnswer');
  assert.equal(errorOf(await shell.request(9, 'Get-TidemarkAnswerPage', { AnswerId: 7 })), 'WrongArgument');
  const parts: Buffer[] = [];
  for (let page = 0; page < first.pages; page++) {
    const line = await shell.request(20 + page, 'Get-TidemarkAnswerPage', { AnswerId: 7, Page: page });
    assert.deepEqual([line.id, line.page, line.pages], [20 + page, page, first.pages]);
    parts.push(line.bytes);
  }
  const whole = Buffer.concat(parts);
  assert.ok(whole.length > 2_500_000);
  const { result } = answer(getReferencePoint.result)(JSON.parse(whole.toString('utf8')), 'answer');
  assert.deepEqual(
    result?.referencePoints.map(({ trackingIds }) => trackingIds),
    points.map(({ ResilientChangeTrackingIdentifiers }) => ResilientChangeTrackingIdentifiers),
  );
  assert.equal(errorOf(await shell.request(90, 'Get-TidemarkNothing', {})), 'UnknownCommand');
  assert.equal(errorOf(await shell.request(91, 'Get-TidemarkAnswerPage', { AnswerId: 7, Page: 0 })), 'NoSuchAnswer');
  assert.equal(shell.stderr, '');
});

test('lists of none and of one are lists', async (t) => {
  if (skipWithoutDotnet(t)) return;
  let points: Canned[string] = [];
  const shell = await shellOver(t, () => ({ Msvm_VirtualSystemReferencePoint: points }));
  assert.deepEqual(await shell.answer(1, 'Get-TidemarkReferencePoint', {}), { result: { referencePoints: [] } });
  points = [
    {
      InstanceID: 'Microsoft:1',
      VirtualSystemIdentifier: vmGuid(1),
      ReferencePointType: 2,
      VirtualDiskIdentifiers: null,
      ResilientChangeTrackingIdentifiers: ['one'],
    },
  ];
  const { result } = answer(getReferencePoint.result)(
    await shell.answer(2, 'Get-TidemarkReferencePoint', {}),
    'answer',
  );
  assert.deepEqual(result?.referencePoints, [
    { id: 'Microsoft:1', vmId: vmGuid(1), type: 2, diskInstanceIds: [], trackingIds: ['one'] },
  ]);
});

test('the errors of a job come one by one, however many there are', async (t) => {
  if (skipWithoutDotnet(t)) return;
  let errors: readonly string[] | null = null;
  const host = await cannedHost(
    t,
    () => ({
      Msvm_ConcreteJob: [{ InstanceID: 'J', JobState: 10, JobType: 70, ErrorCode: 32_768, Cancellable: true }],
    }),
    () => ({
      GetErrorEx: {
        returnValue: 0,
        out: {
          Errors:
            errors?.map((Message, n) => ({ className: 'Msvm_Error', properties: { Message, MessageID: String(n) } })) ??
            null,
        },
      },
    }),
  );
  const shell = await ModuleShell.start(t, host);
  for (const texts of [null, [], ['one <&"\''], ['one', 'two\n2', 'three']]) {
    errors = texts;
    // oxlint-disable-next-line no-await-in-loop -- one shell
    const { result } = answer(getJob.result)(await shell.answer(1, 'Get-TidemarkJob', { JobId: 'J' }), 'answer');
    assert.deepEqual(
      result?.job?.errors,
      (texts ?? []).map((message, n) => ({ message, messageId: String(n) })),
    );
    assert.equal(result.job.completionStatus, 0);
  }
});

test('the changes of a disk: clipped to the range, what touches or overlaps is one, nothing overflows', async (t) => {
  if (skipWithoutDotnet(t)) return;
  let out: Readonly<Record<string, unknown>> = {};
  const shell = await ModuleShell.start(
    t,
    await cannedHost(
      t,
      () => ({ Msvm_ImageManagementService: [{ Name: 'vhdsvc', CreationClassName: 'Msvm_ImageManagementService' }] }),
      () => ({ GetVirtualDiskChanges: { returnValue: 0, out } }),
    ),
  );
  const ask = async (ranges: readonly (readonly [string, string])[], processed: string) => {
    out = {
      ProcessedByteLength: processed,
      ChangedByteOffsets: ranges.map(([offset]) => offset),
      ChangedByteLengths: ranges.map(([, length]) => length),
    };
    const args = { Path: 'p', Since: 's', Offset: 1000, Length: 9000, MaxExtents: 100 };
    const read = answer(getChangedExtent.result)(await shell.answer(1, 'Get-TidemarkChangedExtent', args), 'answer');
    return read.error?.errorId ?? read.result;
  };
  const huge = '18446744073709551615';
  assert.deepEqual(
    await ask(
      [
        ['5000', '10'],
        ['0', '1100'],
        ['5005', '100'],
        ['5105', '1'],
        ['7000', '0'],
        ['9990', huge],
        ['20000', '5'],
        [huge, huge],
      ],
      huge,
    ),
    { extents: [1000, 100, 5000, 106, 9990, 10], processedBytes: 9000 },
  );
  assert.deepEqual(await ask([], '9000'), { extents: [], processedBytes: 9000 });
  assert.deepEqual(await ask([['0', huge]], '9000'), { extents: [1000, 9000], processedBytes: 9000 });
  assert.equal(await ask([], '0'), 'NoProgress');
});

test('a host without the role says so; any other failure is one', async (t) => {
  if (skipWithoutDotnet(t)) return;
  let failure = { hresult: '0x8004100E', nativeErrorCode: 'InvalidNamespace', message: 'Ungültiger Namespace' };
  const shell = await shellOver(t, () => ({
    Win32_OperatingSystem: [{ CSName: 'SRV', BuildNumber: '20348', Caption: 'Windows Server', Name: 'w' }],
    '*': failure,
  }));
  const ask = async () => answer(getHost.result)(await shell.answer(1, 'Get-TidemarkHost', {}), 'answer');
  const { result } = await ask();
  assert.deepEqual([result?.name, result?.build, result?.hypervAvailable], ['SRV', 20_348, false]);
  failure = { hresult: '0x80041003', nativeErrorCode: 'AccessDenied', message: 'Zugriff verweigert' };
  const { error } = await ask();
  assert.deepEqual([error?.hresult, error?.nativeErrorCode], [0x80041003, 'AccessDenied']);
});

const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.constantFrom(
    "'; Remove-Item C:\\ -Recurse #",
    '\u2018\u2019\u201A\u201B\u201C\u201D',
    '"\'`$(throw)\\\r\n\t\u0000\u0007\u2028\u2029\uFEFF',
    '2024-01-01T00:00:00Z',
    '/Date(0)/',
    '🌊👩‍👩‍👧',
    '備'.repeat(100),
    '</VALUE>]]>&lt;<!DOCTYPE x>',
    'tidemark 1 0 1 e30=',
  ),
);

test('whatever VMs are called comes out as it is', async (t) => {
  if (skipWithoutDotnet(t)) return;
  let name = '';
  const shell = await shellOver(t, () => ({
    Msvm_ComputerSystem: [
      {
        Name: vmGuid(1),
        ElementName: name,
        EnabledState: 2,
        HealthState: 5,
        OperationalStatus: [2],
        ReplicationMode: 0,
      },
    ],
    Msvm_VirtualSystemSettingData: [
      {
        InstanceID: `Microsoft:${vmGuid(1)}`,
        VirtualSystemIdentifier: vmGuid(1),
        VirtualSystemType: 'Microsoft:Hyper-V:System:Realized',
        VirtualSystemSubType: 'Microsoft:Hyper-V:SubType:2',
        Version: '9.0',
      },
    ],
  }));
  let id = 0;
  await fc.assert(
    fc.asyncProperty(hostile, async (text) => {
      name = text;
      id += 1;
      const { result } = answer(getVm.result)(await shell.answer(id, 'Get-TidemarkVm', {}), 'answer');
      assert.deepEqual(
        result?.vms.map((vm) => vm.name),
        [text],
      );
    }),
    { numRuns: 100 },
  );
  assert.equal(shell.stderr, '');
});
