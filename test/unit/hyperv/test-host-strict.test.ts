/** The PowerShell of the tests must be as strict as Windows: what it lets through, no other test can find. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { skipWithoutDotnet } from '../../support/hyperv/pwsh.ts';
import { cim, openShell, property, snapshot, xml } from '../../support/hyperv/test-shell.ts';

const timeout = 120_000;

/** Each is one mistake that Windows refuses, and how it begins to say so. */
const refused: readonly (readonly [mistake: string, script: string, answer: string])[] = [
  [
    'an Int32 for a uint16',
    'Invoke-CimMethod -InputObject $snapshots -MethodName CreateSnapshot -Arguments @{ AffectedSystem = $vm; SnapshotType = 32768 }',
    `${cim('80041005', 'InvokeCimMethod')}Type mismatch: Msvm_VirtualSystemSnapshotService.CreateSnapshot(SnapshotType) is uint16, not System.Int32`,
  ],
  [
    'an Int64 for a uint64',
    `Invoke-CimMethod -InputObject $images -MethodName GetVirtualDiskChanges -Arguments @{ Path = 'a'; LimitId = 'b'; ByteOffset = [int64]0; ByteLength = [uint64]1 }`,
    `${cim('80041005', 'InvokeCimMethod')}Type mismatch: Msvm_ImageManagementService.GetVirtualDiskChanges(ByteOffset) is uint64, not System.Int64`,
  ],
  [
    'text where a reference belongs',
    `Invoke-CimMethod -InputObject $snapshots -MethodName DestroySnapshot -Arguments @{ AffectedSnapshot = 'Microsoft:1' }`,
    `${cim('80041005', 'InvokeCimMethod')}Type mismatch: Msvm_VirtualSystemSnapshotService.DestroySnapshot(AffectedSnapshot) is ref:CIM_VirtualSystemSettingData, not System.String`,
  ],
  [
    'a reference to an object of another class',
    'Invoke-CimMethod -InputObject $snapshots -MethodName DestroySnapshot -Arguments @{ AffectedSnapshot = $vm }',
    `${cim('80041005', 'InvokeCimMethod')}Type mismatch: Msvm_VirtualSystemSnapshotService.DestroySnapshot(AffectedSnapshot) is a reference to CIM_VirtualSystemSettingData, not to Msvm_ComputerSystem`,
  ],
  [
    'an instance where text belongs',
    snapshot('(New-CimInstance -CimClass $settingsClass -ClientOnly -Property @{})'),
    `${cim('80041005', 'InvokeCimMethod')}Type mismatch: Msvm_VirtualSystemSnapshotService.CreateSnapshot(SnapshotSettings) is string, not `,
  ],
  [
    'an untyped array for a string array',
    `Invoke-CimMethod -InputObject $management -MethodName ModifyResourceSettings -Arguments @{ ResourceSettings = @('a', 'b') }`,
    `${cim('80041005', 'InvokeCimMethod')}Type mismatch: Msvm_VirtualSystemManagementService.ModifyResourceSettings(ResourceSettings) is string[], not System.Object[]`,
  ],
  [
    'an unknown method',
    'Invoke-CimMethod -InputObject $snapshots -MethodName RemoveSnapshot',
    `${cim('80041055', 'InvokeCimMethod')}Method not found: Msvm_VirtualSystemSnapshotService has no method 'RemoveSnapshot'`,
  ],
  [
    'an unknown parameter',
    'Invoke-CimMethod -InputObject $snapshots -MethodName DestroySnapshot -Arguments @{ Snapshot = $vm }',
    "System.ArgumentException,Microsoft.Management.Infrastructure.CimCmdlets.InvokeCimMethodCommand | Msvm_VirtualSystemSnapshotService.DestroySnapshot has no parameter 'Snapshot' to give.",
  ],
  [
    'an out parameter that is given',
    'Invoke-CimMethod -InputObject $snapshots -MethodName DestroySnapshot -Arguments @{ Job = $null }',
    "System.ArgumentException,Microsoft.Management.Infrastructure.CimCmdlets.InvokeCimMethodCommand | Msvm_VirtualSystemSnapshotService.DestroySnapshot has no parameter 'Job' to give.",
  ],
  [
    'an unknown class',
    'Get-CimInstance -Namespace $ns -ClassName Msvm_Snapshot',
    `${cim('80041010', 'GetCimInstance')}Invalid class: Msvm_Snapshot`,
  ],
  [
    'an unknown namespace',
    'Get-CimInstance -Namespace root\\virtualization -ClassName Msvm_ComputerSystem',
    `${cim('8004100e', 'GetCimInstance')}Invalid namespace: root/virtualization`,
  ],
  [
    'a class of another namespace',
    'Get-CimInstance -ClassName Msvm_ComputerSystem',
    `${cim('80041010', 'GetCimInstance')}Invalid class: Msvm_ComputerSystem`,
  ],
  [
    'a backslash in a filter that does not stand twice',
    `Get-CimInstance -Namespace $ns -ClassName Msvm_StorageAllocationSettingData -Filter "InstanceID='Microsoft:1\\2'"`,
    `${cim('80041017', 'GetCimInstance')}Invalid query: a backslash in a literal must stand twice`,
  ],
  [
    'a quote in a filter that ends the literal',
    `Get-CimInstance -Namespace $ns -ClassName Msvm_ComputerSystem -Filter "ElementName='it's'"`,
    `${cim('80041017', 'GetCimInstance')}Invalid query: AND expected`,
  ],
  [
    'a filter by a property that the class does not have',
    `Get-CimInstance -Namespace $ns -ClassName Msvm_ComputerSystem -Filter "VmName='a'"`,
    `${cim('80041017', 'GetCimInstance')}Invalid query: Msvm_ComputerSystem has no property 'VmName'`,
  ],
  [
    'other operators in a filter',
    `Get-CimInstance -Namespace $ns -ClassName Msvm_ComputerSystem -Filter "Name LIKE 'a%'"`,
    `${cim('80041017', 'GetCimInstance')}Invalid query: = expected`,
  ],
  [
    'a property to fetch that the class does not have',
    'Get-CimInstance -Namespace $ns -ClassName Msvm_ComputerSystem -Property VmName',
    `${cim('80041017', 'GetCimInstance')}Invalid query: Msvm_ComputerSystem has no property 'VmName'`,
  ],
  [
    'an object that has lost its keys',
    'Get-CimInstance -InputObject (Get-CimInstance -Namespace $ns -ClassName Msvm_ComputerSystem -Property ElementName)',
    `${cim('80041008', 'GetCimInstance')}Invalid parameter: this Msvm_ComputerSystem has no key values`,
  ],
  ['an object that is gone', 'Get-CimInstance -InputObject $vm', `${cim('80041002', 'GetCimInstance')}Not found`],
  [
    'a class that is no association',
    'Get-CimAssociatedInstance -InputObject $vm -Association Msvm_ComputerSystem',
    `${cim('80041008', 'GetCimAssociatedInstance')}Invalid parameter: Msvm_ComputerSystem is no association`,
  ],
  [
    'an association that does not fit the object',
    'Get-CimAssociatedInstance -InputObject $images -Association Msvm_SnapshotOfVirtualSystem -ResultClassName Msvm_VirtualSystemSettingData',
    `${cim('80041008', 'GetCimAssociatedInstance')}Invalid parameter: Msvm_SnapshotOfVirtualSystem does not join a Msvm_ImageManagementService with Msvm_VirtualSystemSettingData`,
  ],
  ['a property that is not there', '$vm.VmName', "PropertyNotFoundStrict | The property 'VmName' cannot be found"],
  [
    'more of a job than its key, before it is asked for',
    `(${snapshot("''")}).Job.JobState`,
    "PropertyNotFoundStrict | The property 'JobState' cannot be found",
  ],
  [
    'a new instance with an unknown property',
    'New-CimInstance -CimClass $settingsClass -ClientOnly -Property @{ Consistency = [byte]1 }',
    "System.ArgumentException,Microsoft.Management.Infrastructure.CimCmdlets.NewCimInstanceCommand | The property 'Consistency' is not in the class 'Msvm_VirtualSystemSnapshotSettingData'.",
  ],
  [
    'a number that the enumeration does not have',
    'New-CimInstance -CimClass $settingsClass -ClientOnly -Property @{ ConsistencyLevel = [byte]3 }',
    `${cim('80041008', 'NewCimInstance')}Invalid parameter: Msvm_VirtualSystemSnapshotSettingData.ConsistencyLevel cannot be 3`,
  ],
  [
    'a new instance with an Int32 for a uint8',
    'New-CimInstance -CimClass $settingsClass -ClientOnly -Property @{ ConsistencyLevel = 1 }',
    `${cim('80041005', 'NewCimInstance')}Type mismatch: Msvm_VirtualSystemSnapshotSettingData.ConsistencyLevel is uint8, not System.Int32`,
  ],
  [
    'a value of another type for a property of an instance',
    `$vm.CimInstanceProperties['EnabledState'].Value = 3`,
    'ExceptionWhenSetting | Exception setting "Value": "Type mismatch: Msvm_ComputerSystem.EnabledState is uint16, not System.Int32"',
  ],
  ['a read-only property that is set by its name', "$vm.Name = 'a'", 'RuntimeException | Name is a ReadOnly property.'],
  [
    'embedded text that is no XML',
    snapshot("'instance of Msvm_VirtualSystemSnapshotSettingData {}'"),
    `${cim('80041008', 'InvokeCimMethod')}Invalid parameter: Msvm_VirtualSystemSnapshotService.CreateSnapshot(SnapshotSettings) is no CIM XML`,
  ],
  [
    'embedded text with a document type',
    snapshot(`'<!DOCTYPE INSTANCE [<!ENTITY a "b">]><INSTANCE CLASSNAME="Msvm_VirtualSystemSnapshotSettingData"/>'`),
    `${cim('80041008', 'InvokeCimMethod')}Invalid parameter: Msvm_VirtualSystemSnapshotService.CreateSnapshot(SnapshotSettings) is no CIM XML`,
  ],
  [
    'an embedded instance of another class',
    snapshot(xml('', 'Msvm_VirtualSystemExportSettingData')),
    `${cim('80041008', 'InvokeCimMethod')}Invalid parameter: Msvm_VirtualSystemSnapshotService.CreateSnapshot(SnapshotSettings) is a Msvm_VirtualSystemExportSettingData where a Msvm_VirtualSystemSnapshotSettingData belongs`,
  ],
  [
    'an embedded instance with an unknown property',
    snapshot(xml(property('Consistency', 'uint8', '1'))),
    `${cim('80041008', 'InvokeCimMethod')}Invalid parameter: Msvm_VirtualSystemSnapshotService.CreateSnapshot(SnapshotSettings) has the property Consistency, which Msvm_VirtualSystemSnapshotSettingData does not have`,
  ],
  [
    'an embedded instance with a wrong type',
    snapshot(xml(property('ConsistencyLevel', 'uint16', '1'))),
    `${cim('80041008', 'InvokeCimMethod')}Invalid parameter: Msvm_VirtualSystemSnapshotService.CreateSnapshot(SnapshotSettings) has ConsistencyLevel as PROPERTY of uint16, which is uint8`,
  ],
  [
    'an embedded instance with a number that is too large',
    snapshot(xml(property('ConsistencyLevel', 'uint8', '256'))),
    `${cim('80041008', 'InvokeCimMethod')}Invalid parameter: Msvm_VirtualSystemSnapshotService.CreateSnapshot(SnapshotSettings) has ConsistencyLevel = '256', which is no uint8`,
  ],
  [
    'an embedded instance with a property twice',
    snapshot(xml(property('ElementName', 'string', 'a').repeat(2))),
    `${cim('80041008', 'InvokeCimMethod')}Invalid parameter: Msvm_VirtualSystemSnapshotService.CreateSnapshot(SnapshotSettings) has ElementName twice`,
  ],
  [
    'a command that Windows PowerShell has and this host does not',
    'Get-WmiObject Win32_Process',
    'CommandNotFoundException | ',
  ],
  [
    'a parameter of PowerShell 7',
    'ConvertTo-Json -AsArray 1',
    'NamedParameterNotFound,Microsoft.PowerShell.Commands.ConvertToJsonCommand | ',
  ],
];

test('what Windows refuses is refused', { timeout }, async (t) => {
  if (skipWithoutDotnet(t)) return;
  const { run } = await openShell(t);
  for (const [mistake, script, answer] of refused)
    await t.test(mistake, async () => {
      const said = await run(script);
      assert.ok(said.startsWith(answer), `${said}\n should begin with\n${answer}`);
    });
});
