/** The agent's PowerShell module, judged without running it: Windows PowerShell 5.1 must have all that it uses, and Hyper-V too. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { skipWithoutDotnet } from '../../support/hyperv/pwsh.ts';
import { wrappers } from '../../support/hyperv/syntax/cim-calls.ts';
import { judgeModule } from '../../support/hyperv/syntax/index.ts';
import { readSyntax } from '../../support/hyperv/syntax/report.ts';

const timeout = 120_000;
const moduleFolder = fileURLToPath(new URL('../../../server/agent/hyperv/Tidemark.HyperV/', import.meta.url));
const moduleFiles = (): readonly string[] =>
  readdirSync(moduleFolder)
    .filter((name) => /\.(psd1|psm1|ps1)$/.test(name))
    .map((name) => join(moduleFolder, name));

test('the module uses only what Windows PowerShell 5.1 and the schema of Hyper-V have', { timeout }, async (t) => {
  if (skipWithoutDotnet(t)) return;
  assert.deepEqual(judgeModule(await readSyntax(moduleFiles())), []);
});

test('the functions whose callers are judged are those of the module', { timeout }, async (t) => {
  if (skipWithoutDotnet(t)) return;
  const files = await readSyntax(moduleFiles());
  const own = new Set(files.flatMap(({ functions }) => functions.map(({ text }) => text.toLowerCase())));
  assert.deepEqual(
    wrappers.filter((name) => !own.has(name)),
    [],
  );
});

/** Each is a line that must be refused, and the reason. */
const refused: readonly (readonly [script: string, reason: string])[] = [
  ['if ($true) {', "Missing closing '}' in statement block or type definition."],
  ['$a ?? 1', 'the operator QuestionQuestion is not in 5.1'],
  ['$a ??= 1', 'the operator QuestionQuestionEquals is not in 5.1'],
  ['$true ? 1 : 2', 'the operator ?: is not in 5.1'],
  ['${a}?.Length', '?. and ?[] are not in 5.1'],
  ['${a}?[0]', '?. and ?[] are not in 5.1'],
  ['Out-Null && Out-Null', '&& and || are not in 5.1'],
  ['Out-Null || Out-Null', '&& and || are not in 5.1'],
  ['Out-Null &', 'running in the background with & is not in 5.1'],
  ['function f { process { } clean { } }', 'clean blocks are not in 5.1'],
  ['$a = 1uy', '5.1 does not know this suffix of a number'],
  ['$a = 0b1', '5.1 does not know this suffix of a number'],
  ['$a = "`u{1f600}"', '5.1 knows neither `e nor `u{}'],
  ['1\n| Out-Null', 'in 5.1 a line cannot begin with |'],
  ["$a = 'ä'", '5.1 would read these characters in another code page'],
  ['$IsWindows', '$IsWindows is not in 5.1'],
  ['Get-WmiObject Win32_OperatingSystem', 'the command Get-WmiObject is not in the list of 5.1'],
  ['Remove-Item C:\\', 'the command Remove-Item is not in the list of 5.1'],
  ['1 | ForEach-Object -Parallel { 1 }', 'ForEach-Object of 5.1 has no parameter -Parallel'],
  ['ConvertTo-Json -InputObject 1 -AsArray', 'ConvertTo-Json of 5.1 has no parameter -AsArray'],
  [
    '[System.Text.Json.JsonSerializer]::Serialize(1)',
    'the type System.Text.Json.JsonSerializer is not in the list of 5.1',
  ],
  ['param([System.Half]$x)', 'the type System.Half is not in the list of 5.1'],
  ['[System.Math]::Clamp(1, 2, 3)', '[System.Math]::Clamp is not in the list of 5.1'],
  ['[Convert]::ToHexString(1)', '[Convert]::ToHexString is not in the list of 5.1'],
  [
    "'a'.Contains('A', 'OrdinalIgnoreCase')",
    'the method Contains with 2 arguments is not in the list of .NET Framework 4.7.2',
  ],
  [
    "'a'.ReplaceLineEndings()",
    'the method ReplaceLineEndings with 0 arguments is not in the list of .NET Framework 4.7.2',
  ],
  ['$a.Lenght', 'no object has the property Lenght'],
  ["function f { param([ValidatePattern('a', ErrorMessage = 'b')]$x) }", 'ValidatePattern of 5.1 has no ErrorMessage'],
  [
    'function f { param([ValidateNotNullOrWhiteSpace()]$x) }',
    'the attribute ValidateNotNullOrWhiteSpace is not in the list of 5.1',
  ],
  [
    "$_.Exception.Message -match 'access denied'",
    'messages are translated, so they cannot be compared with "access denied"',
  ],
  ["$_.Exception.Message.StartsWith('Access')", 'messages are translated, so they cannot be compared with "Access"'],
  [
    "$c = 'Msvm_ConcreteJob'\n[regex]::Match($job.ErrorDescription, 'not found')",
    'messages are translated, so they cannot be compared with "not found"',
  ],
  [
    "$c = 'Msvm_ComputerSystem'\nswitch ($vm.Status) { 'OK now' { 1 } }",
    'messages are translated, so they cannot be compared with "OK now"',
  ],
  ["$x = 'Msvm_Snapshot'", 'the schema has no class Msvm_Snapshot'],
  ["Get-HypervInstance 'VirtualMachine'", 'the schema has no class VirtualMachine'],
  [
    "Get-CimInstance -ClassName 'Msvm_ComputerSystem' -Property Name, VmName",
    'Msvm_ComputerSystem has no property VmName',
  ],
  ["Get-SingleInstance 'Msvm_ComputerSystem' @{ VmName = $x }", 'Msvm_ComputerSystem has no property VmName'],
  [
    "Test-ClassProperty 'Msvm_VirtualSystemSnapshotSettingData' 'BackupType'",
    'Msvm_VirtualSystemSnapshotSettingData has no property BackupType',
  ],
  [
    "New-EmbeddedInstance 'Msvm_VirtualSystemSnapshotSettingData' @{ Consistency = [byte]1 }",
    'Msvm_VirtualSystemSnapshotSettingData has no property Consistency',
  ],
  [
    "New-EmbeddedInstance 'Msvm_VirtualSystemSnapshotSettingData' @{ ConsistencyLevel = [uint16]1 }",
    'ConsistencyLevel is uint8, not [uint16]',
  ],
  [
    "New-EmbeddedInstance 'Msvm_VirtualSystemSnapshotSettingData' @{ ConsistencyLevel = 1 }",
    'ConsistencyLevel is uint8, not 1 without a type',
  ],
  [
    "$s = Get-HypervService 'Msvm_VirtualSystemSnapshotService'\nInvoke-HypervMethod $s 'CreateCheckpoint' @{}",
    'Msvm_VirtualSystemSnapshotService has no method CreateCheckpoint',
  ],
  [
    "$s = Get-HypervService 'Msvm_VirtualSystemSnapshotService'\nInvoke-HypervMethod $s 'DestroySnapshot' @{ Snapshot = $x }",
    'DestroySnapshot has no parameter Snapshot to give',
  ],
  [
    "$s = Get-HypervService 'Msvm_VirtualSystemSnapshotService'\nInvoke-HypervMethod $s 'DestroySnapshot' @{ Job = $x }",
    'DestroySnapshot has no parameter Job to give',
  ],
  [
    "$s = Get-HypervService 'Msvm_VirtualSystemSnapshotService'\nInvoke-HypervMethod $s 'CreateSnapshot' @{ SnapshotType = 32768 }",
    'CreateSnapshot(SnapshotType) is uint16, not 32768 without a type',
  ],
  [
    "$s = Get-HypervService 'Msvm_VirtualSystemSnapshotService'\nInvoke-HypervMethod $s 'DestroySnapshot' @{ AffectedSnapshot = 'Microsoft:1' }",
    'DestroySnapshot(AffectedSnapshot) is ref:CIM_VirtualSystemSettingData, not a text',
  ],
  [
    "$s = Get-HypervService 'Msvm_VirtualSystemManagementService'\nInvoke-HypervMethod $s 'ModifyResourceSettings' @{ ResourceSettings = @($x) }",
    'ModifyResourceSettings(ResourceSettings) is string[], not a list',
  ],
  [
    "$s = Get-HypervService 'Msvm_VirtualSystemManagementService'\nInvoke-HypervMethod $s 'ModifyResourceSettings' @{ ResourceSettings = [string]$x }",
    'ModifyResourceSettings(ResourceSettings) is string[], not [string]',
  ],
  [
    "$s = 'Msvm_ConcreteJob'\nGet-OutValue $x 'ResultingCheckpoint'",
    'no method has the out parameter ResultingCheckpoint',
  ],
  ["$s = 'Msvm_ConcreteJob'\nInvoke-PlannedMethod $x 'GetError' 'Job'", 'GetError has no parameter Job to give'],
  ['Get-CimInstance -ClassName $x', 'the class that Get-CimInstance is given cannot be seen here'],
  ['Invoke-CimMethod -InputObject $x -MethodName $y', 'the method that Invoke-CimMethod is given cannot be seen here'],
];

test('each mistake is refused, for its reason and no other', { timeout }, async (t) => {
  if (skipWithoutDotnet(t)) return;
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-syntax-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const paths = refused.map((_, index) => join(folder, `Case${index}.ps1`));
  for (const [index, [script]] of refused.entries()) writeFileSync(paths[index] ?? '', script);
  writeFileSync(join(folder, 'Functions.ps1'), wrappers.map((name) => `function ${name} { }`).join('\n'));
  const [functions, ...cases] = await readSyntax([join(folder, 'Functions.ps1'), ...paths]);
  for (const [index, [script, reason]] of refused.entries())
    await t.test(script, () => {
      const [file] = cases.slice(index);
      assert.ok(file !== undefined && functions !== undefined);
      const reasons = judgeModule([file, functions]).map((one) => one.replace(/^\S+ /, ''));
      assert.deepEqual([...new Set(reasons)], [reason]);
    });
});
