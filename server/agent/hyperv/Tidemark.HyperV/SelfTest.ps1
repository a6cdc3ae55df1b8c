# What `tidemark agent self-test` does to the VM that it made itself, and to no other: each function looks at the VM's name first. Answers are raw:
# a return value is told and not judged, because what Hyper-V returns is what is to be found out.

# The self-test gives its VM such a name; nobody else has a reason to.
$script:ScratchName = [regex]::new('^tidemark-self-test-[0-9a-f]{12}\z')
$script:ScratchExtents = 4096

# The VM, when it is one of the self-test.
function Get-ScratchVm {
    param([string]$VmId)
    $vm = Get-VirtualMachine $VmId
    if (-not $script:ScratchName.Match([string]$vm.ElementName).Success) {
        throw (New-ModuleError 'NotScratchVm' "The VM $VmId is not one of the self-test.")
    }
    return $vm
}

# Settings or a reference point, when they belong to such a VM.
function Get-ScratchPart {
    param([string]$VmId, [string]$Kind, [string]$Id)
    $null = Get-ScratchVm $VmId
    $where = @{ InstanceID = $Id; VirtualSystemIdentifier = $VmId.ToUpperInvariant() }
    if ($Kind -eq 'referencePoint') {
        $part = Get-SingleInstance 'Msvm_VirtualSystemReferencePoint' $where
    }
    else {
        $part = Get-SingleInstance 'Msvm_VirtualSystemSettingData' $where
    }
    if ($null -eq $part -or ($Kind -eq 'snapshot' -and -not (Test-SnapshotSettings $part))) {
        throw (New-ModuleError 'NotScratchVm' "The VM $VmId has no $Kind $Id.")
    }
    return $part
}

# Refuses a file that is no disk of the VM or of a checkpoint of it.
function Assert-ScratchDisk {
    param([string]$VmId, [string]$Path)
    $null = Get-ScratchVm $VmId
    foreach ($setting in (Get-SystemSettings $VmId)) {
        foreach ($disk in (Get-SettingsDisk $setting)) {
            if ([string]::Equals($disk.path, $Path, [System.StringComparison]::OrdinalIgnoreCase)) {
                return
            }
        }
    }
    throw (New-ModuleError 'NotScratchVm' 'The file is no disk of the VM of the self-test.')
}

# A method's result as it came: @{ result; answer }. An exception is an answer too.
function Invoke-RawMethod {
    param($Instance, [string]$Method, [hashtable]$Arguments)
    $answer = [ordered]@{ returnValue = $null; jobId = $null; error = $null; details = (New-AnswerList) }
    try {
        $result = Invoke-CimMethod -InputObject $Instance -MethodName $Method -Arguments $Arguments
    }
    catch {
        $answer.error = ConvertTo-ErrorAnswer $_
        return @{ result = $null; answer = $answer }
    }
    $answer.returnValue = [int64]$result.ReturnValue
    $job = Get-OutValue $result 'Job'
    if ($null -ne $job) {
        $answer.jobId = [string]$job.InstanceID
        if ($answer.returnValue -ne 0 -and $answer.returnValue -ne 4096) {
            $answer.details = Get-FailureDetail $job
        }
    }
    return @{ result = $result; answer = $answer }
}

<#
.SYNOPSIS
Changes the state of the self-test's VM (Msvm_ComputerSystem.RequestStateChange): 2 on, 3 off, 6 saved, 9 paused.
#>
function Start-TidemarkScratchState {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][ValidatePattern('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z')][string]$VmId,
        [Parameter(Mandatory)][ValidateSet(2, 3, 6, 9)][int]$State
    )
    $vm = Get-ScratchVm $VmId
    return (Invoke-RawMethod $vm 'RequestStateChange' @{ RequestedState = [uint16]$State }).answer
}

<#
.SYNOPSIS
Asks for a recovery checkpoint of the self-test's VM at a consistency level (CreateSnapshot).
#>
function Start-TidemarkScratchSnapshot {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][ValidatePattern('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z')][string]$VmId,
        [Parameter(Mandatory)][ValidateRange(0, 2)][int]$Level
    )
    $vm = Get-ScratchVm $VmId
    $service = Get-HypervService 'Msvm_VirtualSystemSnapshotService'
    $settings = New-EmbeddedInstance 'Msvm_VirtualSystemSnapshotSettingData' @{ ConsistencyLevel = [byte]$Level; IgnoreNonSnapshottableDisks = $true }
    return (Invoke-RawMethod $service 'CreateSnapshot' @{
            AffectedSystem   = $vm
            SnapshotSettings = ConvertTo-EmbeddedInstance $settings
            SnapshotType     = [uint16]32768
        }).answer
}

<#
.SYNOPSIS
Asks for a reference point of the self-test's VM by a type number (CreateReferencePoint).
#>
function Start-TidemarkScratchReferencePoint {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][ValidatePattern('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z')][string]$VmId,
        [Parameter(Mandatory)][ValidateRange(0, 2)][int]$Type
    )
    $vm = Get-ScratchVm $VmId
    $service = Get-HypervService 'Msvm_VirtualSystemReferencePointService'
    $settings = New-EmbeddedInstance 'Msvm_VirtualSystemReferencePointSettingData' @{ ConsistencyLevel = [byte]2 }
    return (Invoke-RawMethod $service 'CreateReferencePoint' @{
            AffectedSystem         = $vm
            ReferencePointSettings = ConvertTo-EmbeddedInstance $settings
            ReferencePointType     = [uint16]$Type
        }).answer
}

# Destroys a snapshot or a reference point of the self-test's VM.
function Remove-ScratchPart {
    param([string]$Kind, $Part)
    if ($Kind -eq 'snapshot') {
        $service = Get-HypervService 'Msvm_VirtualSystemSnapshotService'
        return Invoke-RawMethod $service 'DestroySnapshot' @{ AffectedSnapshot = $Part }
    }
    $service = Get-HypervService 'Msvm_VirtualSystemReferencePointService'
    return Invoke-RawMethod $service 'DestroyReferencePoint' @{ AffectedReferencePoint = $Part }
}

<#
.SYNOPSIS
Destroys a snapshot or reference point of the self-test's VM, and then once more (DestroySnapshot, DestroyReferencePoint): what is answered about what is not there.
#>
function Remove-TidemarkScratchPart {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][ValidatePattern('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z')][string]$VmId,
        [Parameter(Mandatory)][ValidateSet('snapshot', 'referencePoint')][string]$Kind,
        [Parameter(Mandatory)][ValidatePattern('^[0-9A-Za-z:\\{}._-]{1,256}\z')][string]$Id
    )
    $part = Get-ScratchPart $VmId $Kind $Id
    $first = Remove-ScratchPart $Kind $part
    if ($null -ne $first.result -and @(0, 4096) -contains $first.answer.returnValue) {
        Wait-ShortJob $first.result
    }
    $second = Remove-ScratchPart $Kind $part
    return [ordered]@{ first = $first.answer; second = $second.answer }
}

<#
.SYNOPSIS
Asks once what changed on a disk of the self-test's VM (GetVirtualDiskChanges): return value, processed length, and the ranges as they came.
#>
function Get-TidemarkScratchChange {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][ValidatePattern('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z')][string]$VmId,
        [Parameter(Mandatory)][string]$Path,
        [Parameter(Mandatory)][string]$Since,
        [Parameter(Mandatory)][ValidateRange(0, 70368744177664)][uint64]$Offset,
        [Parameter(Mandatory)][ValidateRange(1, 70368744177664)][uint64]$Length
    )
    Assert-ScratchDisk $VmId $Path
    $service = Get-HypervService 'Msvm_ImageManagementService'
    $asked = Invoke-RawMethod $service 'GetVirtualDiskChanges' @{ Path = $Path; LimitId = $Since; ByteOffset = $Offset; ByteLength = $Length }
    $processed = $null
    $ranges = 0
    $extents = New-AnswerList
    if ($null -ne $asked.result) {
        $processed = Get-OutValue $asked.result 'ProcessedByteLength'
        $offsets = New-NumberArray (Get-OutValue $asked.result 'ChangedByteOffsets')
        $lengths = New-NumberArray (Get-OutValue $asked.result 'ChangedByteLengths')
        $ranges = $offsets.Length
        for ($index = 0; $index -lt $ranges -and $index -lt $lengths.Length -and $index -lt $script:ScratchExtents; $index++) {
            $extents.Add($offsets[$index])
            $extents.Add($lengths[$index])
        }
    }
    return [ordered]@{ answer = $asked.answer; processedBytes = $processed; ranges = $ranges; extents = $extents }
}

<#
.SYNOPSIS
Enlarges or compacts a disk of the self-test's VM (ResizeVirtualHardDisk, CompactVirtualHardDisk).
#>
function Start-TidemarkScratchDiskChange {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][ValidatePattern('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z')][string]$VmId,
        [Parameter(Mandatory)][string]$Path,
        [Parameter(Mandatory)][ValidateSet('resize', 'compact')][string]$Action,
        [Parameter(Mandatory)][ValidateRange(0, 70368744177664)][uint64]$SizeBytes
    )
    Assert-ScratchDisk $VmId $Path
    $service = Get-HypervService 'Msvm_ImageManagementService'
    if ($Action -eq 'resize') {
        return (Invoke-RawMethod $service 'ResizeVirtualHardDisk' @{ Path = $Path; MaxInternalSize = $SizeBytes }).answer
    }
    # 0: all of it.
    return (Invoke-RawMethod $service 'CompactVirtualHardDisk' @{ Path = $Path; Mode = [uint16]0 }).answer
}

<#
.SYNOPSIS
Exports a checkpoint of the self-test's VM with a backup intent (ExportSystemDefinition).
#>
function Start-TidemarkScratchExport {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][ValidatePattern('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z')][string]$VmId,
        [Parameter(Mandatory)][ValidatePattern('^[0-9A-Za-z:\\{}._-]{1,256}\z')][string]$CheckpointId,
        [Parameter(Mandatory)][string]$Directory,
        [ValidatePattern('^[0-9A-Za-z:\\{}._-]{1,256}\z')][string]$BaseReferencePointId,
        [Parameter(Mandatory)][ValidateRange(0, 1)][int]$BackupIntent
    )
    $vm = Get-ScratchVm $VmId
    $setting = Get-ScratchPart $VmId 'snapshot' $CheckpointId
    $service = Get-HypervService 'Msvm_VirtualSystemManagementService'
    $values = @{
        CopySnapshotConfiguration  = [byte]3
        SnapshotVirtualSystem      = Get-InstancePath $setting
        CopyVmStorage              = $true
        CopyVmRuntimeInformation   = $true
        CreateVmExportSubdirectory = $false
        BackupIntent               = [byte]$BackupIntent
    }
    if ($PSBoundParameters.ContainsKey('BaseReferencePointId')) {
        $values.DifferentialBackupBase = Get-InstancePath (Get-ScratchPart $VmId 'referencePoint' $BaseReferencePointId)
    }
    $settings = New-EmbeddedInstance 'Msvm_VirtualSystemExportSettingData' $values
    return (Invoke-RawMethod $service 'ExportSystemDefinition' @{
            ComputerSystem    = $vm
            ExportDirectory   = $Directory
            ExportSettingData = ConvertTo-EmbeddedInstance $settings
        }).answer
}

<#
.SYNOPSIS
What this host says of itself where the documentation does not: merge settings of the self-test's VM, properties that older builds lack, properties of Get-VHD.
#>
function Get-TidemarkScratchFact {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][ValidatePattern('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z')][string]$VmId,
        [Parameter(Mandatory)][string]$Path
    )
    $vm = Get-ScratchVm $VmId
    Assert-ScratchDisk $VmId $Path
    $merge = Get-MergeSettings $VmId
    $mergeId = $null
    if ($null -ne $merge) {
        $mergeId = [string]$merge.InstanceID
    }
    $active = Select-ActiveSettings (Get-SystemSettings $VmId) $script:SystemRealized
    return [ordered]@{
        mergeInstanceId    = $mergeId
        mergeOfVm          = (Get-AssociatedInstance $vm 'Msvm_SettingsDefineState' 'Msvm_DiskMergeSettingData').Count
        guestBackupType    = Test-ClassProperty 'Msvm_VirtualSystemSnapshotSettingData' 'GuestBackupType'
        excludedDisks      = Test-ClassProperty 'Msvm_VirtualSystemExportSettingData' 'ExcludedVirtualHardDisks'
        guestStateFile     = Test-ClassProperty 'Msvm_VirtualSystemSettingData' 'GuestStateFile'
        guestStateFileName = Get-PropertyText $active 'GuestStateFile'
        getVhdProperties   = Get-VhdPropertyName $Path
    }
}

# The names of the properties that Get-VHD shows of a disk; $null where that cmdlet is missing.
function Get-VhdPropertyName {
    param([string]$Path)
    $reader = $ExecutionContext.InvokeCommand.GetCommand('Get-VHD', [System.Management.Automation.CommandTypes]::Cmdlet)
    if ($null -eq $reader) {
        return $null
    }
    $names = New-AnswerList
    foreach ($property in (& $reader -Path $Path).PSObject.Properties) {
        $names.Add([string]$property.Name)
    }
    return , $names
}

<#
.SYNOPSIS
Removes the self-test's VM, which must be off (DestroySystem); its disk files stay.
#>
function Start-TidemarkScratchRemoval {
    [CmdletBinding()]
    param([Parameter(Mandatory)][ValidatePattern('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z')][string]$VmId)
    $vm = Get-ScratchVm $VmId
    $service = Get-HypervService 'Msvm_VirtualSystemManagementService'
    return ConvertTo-Started (Invoke-HypervMethod $service 'DestroySystem' @{ AffectedSystem = $vm })
}
