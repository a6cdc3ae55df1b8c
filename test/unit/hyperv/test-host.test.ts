/** The PowerShell of the tests: what scripts see of CIM, and what comes over its pipes. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { skipWithoutDotnet } from '../../support/hyperv/pwsh.ts';
import { cim, openShell, property, snapshot, virtualMachine, xml } from '../../support/hyperv/test-shell.ts';

const timeout = 120_000;

test('instances keep the types of CIM', { timeout }, async (t) => {
  if (skipWithoutDotnet(t)) return;
  const { run } = await openShell(t);
  assert.equal(await run('$vm.ElementName'), virtualMachine.properties.ElementName);
  assert.equal(
    await run(
      `($vm.EnabledState, $vm.OperationalStatus, $vm.OnTimeInMilliseconds, $vm.InstallDate, $snapshots.Name | ForEach-Object { $_.GetType().FullName }) -join ' '`,
    ),
    'System.UInt16 System.UInt16[] System.UInt64 System.DateTime System.String',
  );
  assert.equal(await run('$vm.OnTimeInMilliseconds.ToString()'), '18446744073709551615');
  assert.equal(await run('$null -eq $vm.Description'), 'True', 'what the host does not give is null');
  assert.equal(
    await run(`$p = $vm.CimInstanceProperties['EnabledState']; "$($p.Name) $($p.CimType) $($p.Value) $($p.Flags)"`),
    'EnabledState UInt16 2 Property, ReadOnly, NotModified',
  );
  assert.equal(await run(`"$($vm.CimInstanceProperties['Name'].Flags)"`), 'Property, Key, ReadOnly, NotModified');
  assert.equal(
    await run(
      '$s = $vm.CimSystemProperties; "$($s.ClassName) $($s.Namespace) $($s.ServerName) $($vm.CimClass.CimClassName)"',
    ),
    'Msvm_ComputerSystem root/virtualization/v2 HV01 Msvm_ComputerSystem',
  );
  assert.equal(await run(`$null -eq $settingsClass.CimClassProperties['Nothing']`), 'True');
});

test('what a build lacks is not there', { timeout }, async (t) => {
  if (skipWithoutDotnet(t)) return;
  const hidden = [
    'Msvm_VirtualSystemSnapshotSettingData.GuestBackupType',
    'Msvm_VirtualSystemSnapshotService.DestroySnapshot',
  ];
  const { run } = await openShell(t, { build: { build: 14_393, computerName: 'HV01', hidden } });
  assert.equal(await run(`$null -eq $settingsClass.CimClassProperties['GuestBackupType']`), 'True');
  assert.match(
    await run(`New-CimInstance -CimClass $settingsClass -ClientOnly -Property @{ GuestBackupType = [byte]1 }`),
    /^System.ArgumentException/,
  );
  assert.match(
    await run(snapshot(xml(property('GuestBackupType', 'uint8', '1')))),
    /has the property GuestBackupType, which/,
  );
  assert.match(
    await run('Invoke-CimMethod -InputObject $snapshots -MethodName DestroySnapshot'),
    /^HRESULT 0x80041055/,
  );
});

test('a method gets references by their keys and embedded instances as values', { timeout }, async (t) => {
  if (skipWithoutDotnet(t)) return;
  const { run, host } = await openShell(t);
  const settings =
    '(Write-Instance (New-CimInstance -CimClass $settingsClass -ClientOnly -Property @{ ConsistencyLevel = [byte]2; IgnoreNonSnapshottableDisks = $true; ElementName = "<&\'>" }))';
  assert.equal(
    await run(
      `$r = ${snapshot(settings)}; "$($r.ReturnValue.GetType()) $($r.ReturnValue) $($r.Job.InstanceID) $($null -eq $r.ResultingSnapshot)"`,
    ),
    'uint 4096 JOB1 True',
  );
  assert.deepEqual(host.questions.at(-1), {
    op: 'invoke',
    namespace: 'root/virtualization/v2',
    className: 'Msvm_VirtualSystemSnapshotService',
    keys: { CreationClassName: 'Msvm_VirtualSystemSnapshotService', Name: 'x' },
    method: 'CreateSnapshot',
    arguments: {
      AffectedSystem: {
        className: 'Msvm_ComputerSystem',
        keys: { CreationClassName: 'Msvm_ComputerSystem', Name: 'VM1' },
      },
      SnapshotSettings: {
        className: 'Msvm_VirtualSystemSnapshotSettingData',
        properties: {
          Caption: null,
          ConsistencyLevel: 2,
          Description: null,
          ElementName: "<&'>",
          GuestBackupType: null,
          IgnoreNonSnapshottableDisks: true,
          InstanceID: null,
        },
      },
      SnapshotType: 32_768,
    },
  });
  assert.match(
    await run(
      `(Invoke-CimMethod -InputObject $images -MethodName GetVirtualHardDiskSettingData -Arguments @{ Path = 'C:\\a' }).SettingData`,
    ),
    /^<INSTANCE CLASSNAME="Msvm_VirtualHardDiskSettingData">.*<PROPERTY NAME="MaxInternalSize" TYPE="uint64"><VALUE>9007199254740993<\/VALUE><\/PROPERTY>.*<VALUE>C:\\a &amp; b\\&lt;1&gt;\.vhdx<\/VALUE>/,
  );
});

test('a filter reaches the host with what its literals mean', { timeout }, async (t) => {
  if (skipWithoutDotnet(t)) return;
  const { run, host } = await openShell(t);
  await run(
    `$null = Get-CimInstance -Namespace $ns -ClassName Msvm_StorageAllocationSettingData -Filter "InstanceID = 'Microsoft:1\\\\2' and ElementName='it\\'s'"`,
  );
  assert.deepEqual(host.questions.at(-1)?.['where'], [
    { property: 'InstanceID', value: 'Microsoft:1\\2' },
    { property: 'ElementName', value: "it's" },
  ]);
});

test('an error of WMI looks as it does on Windows', { timeout }, async (t) => {
  if (skipWithoutDotnet(t)) return;
  const { run } = await openShell(t);
  const script = `$e = $null; try { Get-CimInstance -InputObject $vm } catch { $e = $_.Exception }; "$($e.GetType().FullName) $($e.NativeErrorCode) $($e.StatusCode) $($e.MessageId) $($e.ErrorData.error_Code) $('{0:x}' -f $e.HResult) $($e -is [Microsoft.Management.Infrastructure.CimException])"`;
  assert.equal(
    await run(script),
    'Microsoft.Management.Infrastructure.CimException NotFound 6 HRESULT 0x80041002 2147749890 80131500 True',
  );
});

test('after a connection that broke the next question is answered', { timeout }, async (t) => {
  if (skipWithoutDotnet(t)) return;
  const { run } = await openShell(t);
  const broken = await run('Get-CimInstance -Namespace $ns -ClassName Msvm_VssComponent');
  assert.ok(broken.startsWith(`${cim('800706be', 'GetCimInstance')}The remote procedure call failed.`), broken);
  assert.equal(await run('(Get-CimInstance -Namespace $ns -ClassName Msvm_ComputerSystem).Name'), 'VM1');
});

test('JSON is written as by Windows PowerShell 5.1', { timeout }, async (t) => {
  if (skipWithoutDotnet(t)) return;
  const { run } = await openShell(t);
  const json = (value: string, options = '-Compress') => run(`ConvertTo-Json ${options} -InputObject (${value})`);
  assert.equal(
    await json('@{ a = @{ b = @{ c = @{ d = 1 } } } }'),
    '{"a":{"b":{"c":"System.Collections.Hashtable"}}}',
    'depth 2',
  );
  assert.equal(await json('@{ a = @{ b = @{ c = @{ d = 1 } } } }', '-Compress -Depth 3'), '{"a":{"b":{"c":{"d":1}}}}');
  assert.equal(await json('[datetime]::new(2026, 8, 1, 0, 0, 0, [DateTimeKind]::Utc)'), '"\\/Date(1785542400000)\\/"');
  assert.equal(
    await json(
      `[ordered]@{ s = "<'&>\`t"; n = $null; t = $true; u = [uint64]::MaxValue; d = 1.5; e = [DayOfWeek]::Friday }`,
    ),
    '{"s":"\\u003c\\u0027\\u0026\\u003e\\t","n":null,"t":true,"u":18446744073709551615,"d":1.5,"e":5}',
  );
  assert.equal(await json('@(1)'), '[1]');
  assert.equal(await json('[psobject]@(1, 2)'), '{"value":[1,2],"Count":2}', 'an array in a PSObject');
  assert.equal(await run('1, 2 | ConvertTo-Json -Compress'), '[1,2]');
  assert.match(await json('@{ 1 = 2 }'), /^NonStringKeyInDictionary,/);
});

test(
  'lines are gathered until they are a whole command, and an error does not end the shell',
  { timeout },
  async (t) => {
    if (skipWithoutDotnet(t)) return;
    const { shell } = await openShell(t);
    assert.equal((await shell.run('if ($true) {\n"a\nb"\n}')).stdout.replaceAll('\r', ''), 'a\nb');
    assert.match((await shell.run('throw "gone wrong"')).stderr, /^gone wrong/);
    assert.equal((await shell.run('1 + 1')).stdout, '2');
  },
);

test('noise, progress and umlauts of the code page come on the error stream only', { timeout }, async (t) => {
  if (skipWithoutDotnet(t)) return;
  const { run, shell } = await openShell(t, { quirks: 'stderr-noise,progress,oem,bom' });
  assert.equal(await run("'ok'"), 'ok');
  assert.match(shell.errorText(), /WARNING: noise[^]*#< CLIXML[^]*<Objs /);
  assert.ok(shell.errorText().includes('l\ufffduft'), 'not UTF-8');
});

test('the code page stays until a script sets another', { timeout }, async (t) => {
  if (skipWithoutDotnet(t)) return;
  const { run } = await openShell(t, { quirks: 'oem' });
  assert.notEqual(await run("'ä'"), 'ä');
  assert.equal(await run("[Console]::OutputEncoding = [Text.UTF8Encoding]::new($false); 'ä'"), 'ä');
});

test('messages can be German, and results poorer than one thinks', { timeout }, async (t) => {
  if (skipWithoutDotnet(t)) return;
  const { run } = await openShell(t, { quirks: 'german,scalars,bare-results' });
  assert.equal(await run('Get-CimInstance -InputObject $vm'), `${cim('80041002', 'GetCimInstance')}Nicht gefunden`);
  assert.equal(
    await run(
      `$r = Invoke-CimMethod -InputObject $images -MethodName GetVirtualDiskChanges -Arguments @{ Path = 'a'; LimitId = 'b'; ByteOffset = [uint64]0; ByteLength = [uint64]1 }; "$($r.ChangedByteLengths.GetType()) $($null -eq $r.PSObject.Properties['Job'])"`,
    ),
    'ulong True',
  );
});

test('a command can hang, and a process die in the middle of its answer, once', { timeout }, async (t) => {
  if (skipWithoutDotnet(t)) return;
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-quirks-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const [hang, die] = [join(folder, 'hang'), join(folder, 'die')];
  const quirks = `hang:Get-CimClass:${hang},die:Get-CimInstance:${die}`;
  const { run, shell } = await openShell(t, { quirks });
  assert.equal(await run('(Get-CimClass -Namespace $ns -ClassName Msvm_Error).CimClassName'), 'Msvm_Error');
  writeFileSync(die, '');
  await assert.rejects(run('(Get-CimInstance -Namespace $ns -ClassName Msvm_ComputerSystem).Name'));
  await shell.ended;
  assert.ok(!existsSync(die));
  const again = await openShell(t, { quirks });
  writeFileSync(hang, '');
  const hanging = again.run('Get-CimClass -Namespace $ns -ClassName Msvm_Error');
  while (existsSync(hang)) await new Promise((resolve) => setTimeout(resolve, 20));
  await again.shell.kill();
  await assert.rejects(hanging);
});
