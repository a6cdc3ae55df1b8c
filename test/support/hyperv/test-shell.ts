/** A PowerShell under node-powershell with a host of one VM behind its CIM cmdlets: what the tests of the test PowerShell itself need. */
import type { TestContext } from 'node:test';

import { startShell } from '../../../server/agent/hyperv/powershell/shell.ts';
import type { Shell } from '../../../server/agent/hyperv/powershell/shell.ts';
import { testPowerShell } from './pwsh.ts';
import { scriptedHost } from './scripted-host.ts';
import type { Question, ScriptedHost } from './scripted-host.ts';

/** The VM of the host. */
export const virtualMachine = {
  className: 'Msvm_ComputerSystem',
  properties: {
    CreationClassName: 'Msvm_ComputerSystem',
    Name: 'VM1',
    ElementName: "'; Remove-Item C:\\ # \u{1f98a} „Ä“",
    EnabledState: 2,
    OperationalStatus: [2],
    OnTimeInMilliseconds: '18446744073709551615',
    InstallDate: '2026-08-01T10:00:00.000Z',
  },
};
const service = (className: string) => ({ className, properties: { CreationClassName: className, Name: 'x' } });
const job = { className: 'Msvm_ConcreteJob', keys: { InstanceID: 'JOB1' } };
const diskSettings = {
  className: 'Msvm_VirtualHardDiskSettingData',
  properties: { Path: 'C:\\a & b\\<1>.vhdx', MaxInternalSize: '9007199254740993', Type: 3 },
};

/** Answers as a host with one VM does; it hangs up when it is asked for the VM's VSS. */
function answerOf(question: Question): object | undefined {
  if (question['className'] === 'Msvm_VssComponent') return undefined;
  if (question.op === 'get')
    return { error: { hresult: '0x80041002', nativeErrorCode: 'NotFound', message: 'Not found' } };
  if (question.op === 'associated') return { instances: [virtualMachine] };
  if (question['method'] === 'GetVirtualHardDiskSettingData')
    return { returnValue: 0, out: { SettingData: diskSettings } };
  if (question['method'] === 'GetVirtualDiskChanges')
    return {
      returnValue: 0,
      out: { ProcessedByteLength: '4096', ChangedByteOffsets: ['0'], ChangedByteLengths: ['512'] },
    };
  if (question.op === 'invoke') return { returnValue: 4096, out: { Job: job } };
  const className = String(question['className']);
  return { instances: [className === 'Msvm_ComputerSystem' ? virtualMachine : service(className)] };
}

/** What every script begins with: the objects that the cases use. */
const prologue = `
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
$ns = 'root\\virtualization\\v2'
$vm = Get-CimInstance -Namespace $ns -ClassName Msvm_ComputerSystem
$snapshots = Get-CimInstance -Namespace $ns -ClassName Msvm_VirtualSystemSnapshotService
$management = Get-CimInstance -Namespace $ns -ClassName Msvm_VirtualSystemManagementService
$images = Get-CimInstance -Namespace $ns -ClassName Msvm_ImageManagementService
$settingsClass = Get-CimClass -Namespace $ns -ClassName Msvm_VirtualSystemSnapshotSettingData
function Write-Instance($instance) {
  [Text.Encoding]::Unicode.GetString([Microsoft.Management.Infrastructure.Serialization.CimSerializer]::Create().Serialize($instance, [Microsoft.Management.Infrastructure.Serialization.InstanceSerializationOptions]::None))
}`;

export interface TestShell {
  readonly host: ScriptedHost;
  readonly shell: Shell;
  /** What a script writes; what went wrong is written as `id | message`. */
  readonly run: (script: string) => Promise<string>;
}

/** A PowerShell and its host, for one test. */
export async function openShell(
  t: TestContext,
  { quirks = '', build }: { quirks?: string; build?: object } = {},
): Promise<TestShell> {
  const { executable, environment } = await testPowerShell();
  const host = await scriptedHost(answerOf, build);
  const shell = startShell(executable, {
    ...process.env,
    ...environment,
    TIDEMARK_FAKE_HYPERV: host.address,
    TIDEMARK_FAKE_QUIRKS: quirks,
  });
  t.after(async () => {
    await shell.kill();
    await host[Symbol.asyncDispose]();
  });
  const line = (script: string) =>
    `. ([ScriptBlock]::Create([Text.Encoding]::UTF8.GetString([Convert]::FromBase64String('${Buffer.from(script).toString('base64')}'))))`;
  await shell.run(line(prologue));
  return {
    host,
    shell,
    run: async (script) =>
      (await shell.run(line(`try { ${script} } catch { "$($_.FullyQualifiedErrorId) | $($_.Exception.Message)" }`)))
        .stdout,
  };
}

/** How a refusal by WMI begins. */
export const cim = (hresult: string, command: string) =>
  `HRESULT 0x${hresult},Microsoft.Management.Infrastructure.CimCmdlets.${command}Command | `;
/** A script that creates a snapshot with these settings, an expression. */
export const snapshot = (settings: string) =>
  `Invoke-CimMethod -InputObject $snapshots -MethodName CreateSnapshot -Arguments @{ AffectedSystem = $vm; SnapshotSettings = ${settings}; SnapshotType = [uint16]32768 }`;
/** An embedded instance as a literal. */
export const xml = (body: string, className = 'Msvm_VirtualSystemSnapshotSettingData') =>
  `'<INSTANCE CLASSNAME="${className}">${body}</INSTANCE>'`;
/** A property of one. */
export const property = (name: string, type: string, value: string) =>
  `<PROPERTY NAME="${name}" TYPE="${type}"><VALUE>${value}</VALUE></PROPERTY>`;
