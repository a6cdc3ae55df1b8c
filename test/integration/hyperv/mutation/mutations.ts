/** Mistakes that somebody could make, each with the part of the scenario that must notice it. */
import type { Edit } from './mutant.ts';
import type { PartName } from './scenario.ts';

/** A mistake: of one place, or of all the places that would make up for each other. */
export interface Mutation {
  readonly name: string;
  readonly part: PartName;
  readonly edits: readonly Edit[];
}

const one = (name: string, part: PartName, file: string, from: string, to: string): Mutation => ({
  name,
  part,
  edits: [{ file, from, to }],
});

const types: readonly Mutation[] = [
  one('int for uint16', 'backups', 'Checkpoints.ps1', '= [uint16]32768', '= [int]32768'),
  one('no cast for uint16', 'backups', 'Checkpoints.ps1', '= [uint16]32768', '= 32768'),
  one('int for uint8', 'backups', 'Checkpoints.ps1', 'return [byte]2', 'return 2'),
  one('int for uint8 in an export', 'copies', 'Exports.ps1', '= [byte]3', '= 3'),
  one(
    'sint64 for uint64',
    'backups',
    'Changes.ps1',
    '[uint64]$Offset, [uint64]$Length)',
    '[int64]$Offset, [int64]$Length)',
  ),
  one('int for uint32', 'merge lock', 'Merges.ps1', '([uint32]1)', '1'),
  one('int for the requested state of a job', 'cancellations', 'Jobs.ps1', '[uint16]4', '4'),
  one(
    'text for an array of texts',
    'restores',
    'Devices.ps1',
    "([string[]]@(Get-EntryText $entry 'path'))",
    "(Get-EntryText $entry 'path')",
  ),
  one('a path for a reference', 'backups', 'Checkpoints.ps1', '= $vm\n', '= Get-InstancePath $vm\n'),
  one('a reference for a path', 'copies', 'Exports.ps1', '= Get-InstancePath $setting', '= $setting'),
  one(
    'an instance for the text of an instance',
    'backups',
    'ReferencePoints.ps1',
    'ConvertTo-EmbeddedInstance $settings',
    '$settings',
  ),
  one(
    'a parameter that the method does not have',
    'backups',
    'Checkpoints.ps1',
    'AffectedSystem   =',
    'System           =',
  ),
  one(
    'a property that the class does not have',
    'backups',
    'ReferencePoints.ps1',
    'AffectedSnapshot       = $setting',
    'Snapshot               = $setting',
  ),
  one(
    'backslashes in a filter as they are',
    'foreigners',
    'Wmi.ps1',
    String.raw`.Replace('\', '\\').Replace("'"`,
    `.Replace("'"`,
  ),
  one(
    'GuestBackupType on Server 2016',
    'backups on Server 2016',
    'Embedded.ps1',
    'if ($null -ne $definition.CimClassProperties[$name])',
    'if ($true)',
  ),
];

const checkpoints: readonly Mutation[] = [
  one(
    "a user's checkpoint instead of a recovery checkpoint",
    'backups',
    'Checkpoints.ps1',
    '[uint16]32768',
    '[uint16]2',
  ),
  one(
    'the files that the VM writes to, instead of the frozen ones',
    'backups',
    'Checkpoints.ps1',
    '(Get-SettingsDisk $setting)',
    '(Get-SettingsDisk (Select-ActiveSettings (Get-SystemSettings $setting.VirtualSystemIdentifier) $script:SystemRealized))',
  ),
  one(
    'checkpoints of others destroyed by the module',
    'foreigners',
    'Lookups.ps1',
    '    if ($Unmarked) {\n',
    '    if ($true) {\n',
  ),
  {
    name: 'checkpoints of others destroyed by the agent',
    part: 'foreigners',
    edits: [
      {
        file: 'checkpoints/endings.ts',
        from: 'if (mark === undefined || !isOurs(checkpoint, record)) throw notOurs(name);',
        to: "if (mark === undefined) return records.checkpoints.put({ format: 1, key: newRecordKey(), vmId, owner: '0'.repeat(32) as never, runId: '01JD0000000000000000000000' as never, consistency: 'crash', startedAt: createdAt, before: [], leaves: [], bases: [], checkpointId: id, phase });",
      },
    ],
  },
  one(
    'a checkpoint that is not removed',
    'backups',
    'Checkpoints.ps1',
    "    $result = Invoke-HypervMethod $service 'DestroySnapshot' @{ AffectedSnapshot = $setting }\n    return ConvertTo-Started $result",
    "    return [ordered]@{ state = 'done' }",
  ),
  one(
    'a checkpoint that is not named',
    'backups',
    'checkpoints/adopt.ts',
    'if (found.name !== name) {',
    'if (found.name === name) {',
  ),
  one(
    'a checkpoint that a cancelled run leaves',
    'cancellations',
    'checkpoints/checkpoints.ts',
    'await undoCheckpoint(core, records, record.key, error);',
    '',
  ),
  one(
    'the merge that nobody waits for',
    'slow merges',
    'checkpoints/merges.ts',
    'if (isClean(status, files)) return;',
    'return;',
  ),
  {
    name: 'the merge lock that stays',
    part: 'merge lock',
    edits: [
      {
        file: 'checkpoints/merges.ts',
        from: '    await this.#calls.finish(await this.#calls.invoke(enableMerge, { VmId: vm }, signal), { signal });\n',
        to: '    await Promise.resolve(signal.aborted);\n',
      },
    ],
  },
  one('the merge lock set instead of lifted', 'merge lock', 'Merges.ps1', '([uint32]1)', '([uint32]0)'),
];

const changes: readonly Mutation[] = [
  one(
    'one question for changes, whatever it covered',
    'backups',
    'Changes.ps1',
    '        $position = $next\n',
    '        $position = $end\n',
  ),
  one(
    'no progress taken for no changes',
    'odd changes',
    'Changes.ps1',
    "        throw (New-ModuleError 'NoProgress'",
    "        $processed = $Length\n        $null = (New-ModuleError 'NoProgress'",
  ),
  {
    name: 'a job taken for no changes',
    part: 'odd changes',
    edits: [
      {
        file: 'Changes.ps1',
        from: 'if ([int64]$result.ReturnValue -ne 0)',
        to: 'if ([int64]$result.ReturnValue -lt 0)',
      },
      {
        file: 'Changes.ps1',
        from: "        throw (New-ModuleError 'NoProgress'",
        to: "        $processed = $Length\n        $null = (New-ModuleError 'NoProgress'",
      },
    ],
  },
  one(
    'arrays of different length cut to the shorter one',
    'odd changes',
    'Changes.ps1',
    "        throw (New-ModuleError 'ChangesUneven'",
    "        $offsets = [uint64[]]@($offsets[0..($lengths.Length - 1)])\n        $null = (New-ModuleError 'ChangesUneven'",
  ),
  {
    name: 'extents past the end of the disk',
    part: 'odd changes',
    edits: [
      { file: 'Changes.ps1', from: 'if ($lengths[$index] -lt $End - $from)', to: 'if ($true)' },
      {
        file: 'exports/extents.ts',
        from: 'Math.min(sizeBytes, Math.ceil(end / sectorBytes) * sectorBytes)',
        to: 'Math.ceil(end / sectorBytes) * sectorBytes',
      },
    ],
  },
];

const referencePoints: readonly Mutation[] = [
  one(
    'a reference point that stays',
    'backups',
    'ReferencePoints.ps1',
    "    $result = Invoke-HypervMethod $service 'DestroyReferencePoint' @{ AffectedReferencePoint = $point }\n    return ConvertTo-Started $result",
    "    return [ordered]@{ state = 'done' }",
  ),
  one(
    'a reference point that a cancelled run leaves',
    'cancellations',
    'checkpoints/endings.ts',
    '      if (point !== undefined && job.signal.aborted) await dropPoint(core, records, vmId, point.id);\n',
    '',
  ),
  one(
    'a reference point of no use that stays',
    'odd reference points',
    'checkpoints/converted-point.ts',
    '  if (proven !== undefined) await destroyPoint(core, record.vmId, proven.id, proven.trackingIds);\n',
    '',
  ),
  one(
    'tracking ids and disks of different number',
    'odd reference points',
    'checkpoints/tracked-disks.ts',
    'if (diskInstanceIds.length !== trackingIds.length) return undefined;',
    '',
  ),
  one(
    'tracking ids given to the wrong disks',
    'backups',
    'checkpoints/tracked-disks.ts',
    "validTrackingId(trackingIds[at] ?? '')",
    "validTrackingId(trackingIds[trackingIds.length - 1 - at] ?? '')",
  ),
  one(
    'reference points of others destroyed by the module',
    'foreigners',
    'ReferencePoints.ps1',
    'if (-not (Test-SameTexts $tracking $TrackingId))',
    'if ($false)',
  ),
  one(
    'reference points of others destroyed by the agent',
    'foreigners',
    'checkpoints/reference-points.ts',
    'return record !== undefined && isSame(record.point, found);',
    'return true;',
  ),
];

const jobs: readonly Mutation[] = [
  one(
    'any job that does not run any more has failed',
    'backups',
    'commands/jobs.ts',
    'if (!terminal.has(jobState))',
    'if (jobState === 4)',
  ),
  one(
    'any job that does not run any more is done',
    'failures',
    'commands/jobs.ts',
    "if (!terminal.has(jobState)) return 'running';",
    "return jobState === 4 ? 'running' : 'completed';",
  ),
  one(
    'stopping at job state 3',
    'failures',
    'commands/jobs.ts',
    "if (!terminal.has(jobState)) return 'running';",
    "if (jobState === 3) return 'completed';\n  if (!terminal.has(jobState)) return 'running';",
  ),
  one(
    'the error code of a completed job',
    'failures',
    'commands/jobs.ts',
    'if (errorCode !== 0 || completionStatus',
    'if (completionStatus',
  ),
  one(
    'a completed job with a warning goes on',
    'failures',
    'commands/jobs.ts',
    'new Set([completed, 8, 9, 10, completedWithWarnings])',
    'new Set([completed, 8, 9, 10])',
  ),
  one(
    'a job that vanished is done',
    'vanished jobs',
    'calls/job-watch.ts',
    "if (asked.job === null) return this.#unknown('it vanished before it told its result');",
    "if (asked.job === null) return { state: 'succeeded', warning: undefined };",
  ),
  one(
    'a job that was started is done',
    'backups',
    'Wmi.ps1',
    "if ([int64]$Result.ReturnValue -eq 0) {\n        return [ordered]@{ state = 'done' }",
    "if ([int64]$Result.ReturnValue -ge 0) {\n        return [ordered]@{ state = 'done' }",
  ),
  one(
    'a return code that nobody looks at',
    'failures',
    'Wmi.ps1',
    'if ($returnValue -eq 0 -or $returnValue -eq 4096) {',
    'if ($true) {',
  ),
  one(
    'a job that goes on after its run was cancelled',
    'cancellations',
    'calls/job-watch.ts',
    'if (this.#settleBy !== undefined) await this.#stop(asked.job);',
    '',
  ),
];

const restores: readonly Mutation[] = [
  one(
    'a planned VM that stays after a failed validation',
    'restores',
    'restores/planned.ts',
    "if (record === undefined || record.phase === 'files') return;",
    'if (record !== undefined) return;',
  ),
  one(
    'a planned VM that is not destroyed',
    'restores',
    'Restores.ps1',
    "return Invoke-PlannedMethod $VmId 'DestroySystem' 'AffectedSystem'",
    "return [ordered]@{ state = 'done' }",
  ),
  one(
    'a real VM destroyed instead of a planned one',
    'foreigners',
    'Restores.ps1',
    "        throw (New-ModuleError 'NotPlanned'",
    "        return (Get-VirtualMachine $VmId)\n        throw (New-ModuleError 'NotPlanned'",
  ),
  one('the network that stays connected', 'restores', 'Adapters.ps1', '        Set-Connection $connection $null\n', ''),
  one(
    'the network connected by the agent',
    'restores',
    'restores/planned.ts',
    'if (!connectNetwork) return warnings;',
    '',
  ),
  one(
    'the adapters of the storage network of the original VM in the restored one',
    'restores',
    'restores/planned.ts',
    'await this.#run(commands.startFibreChannelRemoval, { VmId: vmId }, signal);',
    '',
  ),
  one(
    'a copy that starts with the host',
    'restores',
    'Restores.ps1',
    "    Set-PropertyValue $settings 'AutomaticStartupAction' $script:NoAutomaticStart\n",
    '',
  ),
  one(
    'disks of the original VM in the restored one',
    'restores',
    'restores/planned.ts',
    'await this.#run(commands.startDiskChange, { VmId: vmId, Disk }, signal);',
    '',
  ),
  one(
    'the id of the original VM',
    'restores',
    'Restores.ps1',
    'GenerateNewSystemIdentifier = $NewId',
    'GenerateNewSystemIdentifier = $false',
  ),
  one(
    'a VM that is not validated',
    'restores',
    'Restores.ps1',
    "return Invoke-PlannedMethod $VmId 'ValidatePlannedSystem' 'PlannedSystem'",
    "return [ordered]@{ state = 'done' }",
  ),
];

const all: readonly Mutation[] = [...types, ...checkpoints, ...changes, ...referencePoints, ...jobs, ...restores];

/** Those that are tried everywhere; all are tried on CI, which has the time. */
const everywhere: ReadonlySet<string> = new Set([
  'int for uint16',
  'sint64 for uint64',
  'int for uint8 in an export',
  'a path for a reference',
  'the files that the VM writes to, instead of the frozen ones',
  'checkpoints of others destroyed by the module',
  'checkpoints of others destroyed by the agent',
  'one question for changes, whatever it covered',
  'a reference point that stays',
  'stopping at job state 3',
  'any job that does not run any more is done',
  'the error code of a completed job',
  'the network that stays connected',
]);

/** The mistakes to try. */
export const mutations = process.env['CI'] === undefined ? all.filter(({ name }) => everywhere.has(name)) : all;
