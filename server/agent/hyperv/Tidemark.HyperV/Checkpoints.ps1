# Recovery checkpoints (Msvm_VirtualSystemSnapshotService). What is not a recovery checkpoint is never touched.

function New-CheckpointAnswer {
    param($Setting, $Disks)
    return [ordered]@{
        id        = [string]$Setting.InstanceID
        vmId      = ([string]$Setting.VirtualSystemIdentifier).ToUpperInvariant()
        name      = Limit-Text ([string]$Setting.ElementName) 4096
        createdAt = Format-UtcTime (Get-PropertyValue $Setting 'CreationTime' ([datetime]::new(1970, 1, 1, 0, 0, 0, [System.DateTimeKind]::Utc)))
        disks     = $Disks
    }
}

<#
.SYNOPSIS
All recovery checkpoints, those of one VM, or one (Msvm_VirtualSystemSettingData), with their frozen disks. An unknown id gives an empty list.
#>
function Get-TidemarkCheckpoint {
    [CmdletBinding()]
    param(
        [ValidatePattern('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z')][string]$VmId,
        [ValidatePattern('^[0-9A-Za-z:\\{}._-]{1,256}\z')][string]$CheckpointId
    )
    $where = @{ VirtualSystemType = $script:SnapshotRecovery }
    if ($PSBoundParameters.ContainsKey('VmId')) {
        $where.VirtualSystemIdentifier = $VmId.ToUpperInvariant()
    }
    if ($PSBoundParameters.ContainsKey('CheckpointId')) {
        $where.InstanceID = $CheckpointId
    }
    $checkpoints = New-AnswerList
    # There are few of them: an association query each is cheap.
    foreach ($setting in (Get-HypervInstance 'Msvm_VirtualSystemSettingData' $where)) {
        $checkpoints.Add((New-CheckpointAnswer $setting (Get-SettingsDisk $setting)))
    }
    return [ordered]@{ checkpoints = $checkpoints }
}

# Refuses a VM on which something runs: the method would fail, or worse, be queued behind a merge.
function Assert-VmIdle {
    param($Vm)
    $operation = Get-RunningOperation $Vm
    if ($null -ne $operation) {
        throw (New-ModuleError 'VmBusy' "Another operation ($operation) runs on the VM." $null $operation)
    }
}

<#
.SYNOPSIS
Makes a recovery checkpoint (CreateSnapshot of type 32768). Error id VmBusy, with OperationalStatus[1] as returnValue, while something else runs on the VM.
#>
function Start-TidemarkCheckpoint {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][ValidatePattern('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z')][string]$VmId,
        [Parameter(Mandatory)][ValidateSet('application', 'crash')][string]$Consistency,
        [Parameter(Mandatory)][ValidateSet('full', 'copy')][string]$GuestBackupType
    )
    $vm = Get-VirtualMachine $VmId
    Assert-VmIdle $vm
    $service = Get-HypervService 'Msvm_VirtualSystemSnapshotService'
    $before = Get-RecoveryCheckpointId $VmId
    # Pass-through and fibre channel disks would make it fail otherwise; the agent names them to the user.
    $settings = New-EmbeddedInstance 'Msvm_VirtualSystemSnapshotSettingData' @{
        ConsistencyLevel            = Get-ConsistencyLevel $Consistency
        IgnoreNonSnapshottableDisks = $true
        GuestBackupType             = [byte]@{ full = 1; copy = 2 }[$GuestBackupType]
    }
    $result = Invoke-HypervMethod $service 'CreateSnapshot' @{
        AffectedSystem   = $vm
        SnapshotSettings = ConvertTo-EmbeddedInstance $settings
        SnapshotType     = [uint16]32768
    }
    $created = $null
    if ([int64]$result.ReturnValue -eq 0) {
        $created = Get-CreatedId $result 'ResultingSnapshot'
        if ($null -eq $created) {
            $created = Select-NewId $before (Get-RecoveryCheckpointId $VmId)
        }
    }
    return [ordered]@{ before = $before; outcome = (ConvertTo-Started $result); created = $created }
}

# 1 application-consistent, 2 crash-consistent; uint8 in every class that has it.
function Get-ConsistencyLevel {
    param([string]$Consistency)
    if ($Consistency -eq 'application') {
        return [byte]1
    }
    return [byte]2
}

# The InstanceID of what a method made at once, or $null: some builds leave the reference empty.
function Get-CreatedId {
    param($Result, [string]$Name)
    $made = Get-OutValue $Result $Name
    if ($null -eq $made -or [string]$made.InstanceID -eq '') {
        return $null
    }
    return [string]$made.InstanceID
}

<#
.SYNOPSIS
The checkpoint that a job made: by Msvm_AffectedJobElement, which proves it, else the one that was not there before. Null when none or several could be it.
#>
function Resolve-TidemarkCheckpoint {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][ValidatePattern('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z')][string]$VmId,
        [Parameter(Mandatory)][ValidatePattern('^[0-9A-Za-z:\\{}._-]{1,256}\z')][string]$JobId,
        [Parameter(Mandatory)][AllowEmptyCollection()][string[]]$Before
    )
    $affected = New-AnswerList
    $job = Get-JobInstance $JobId
    if ($null -ne $job) {
        foreach ($setting in (Get-AssociatedInstance $job 'Msvm_AffectedJobElement' 'Msvm_VirtualSystemSettingData')) {
            # The VM's own settings may be affected too.
            if ((Test-RecoverySettings $setting) -and [string]$setting.VirtualSystemIdentifier -eq $VmId) {
                $affected.Add([string]$setting.InstanceID)
            }
        }
    }
    $created = Select-NewId $Before $affected
    $proven = $null -ne $created
    if (-not $proven) {
        $created = Select-NewId $Before (Get-RecoveryCheckpointId $VmId)
    }
    return [ordered]@{ checkpointId = $created; proven = $proven }
}

<#
.SYNOPSIS
Gives a recovery checkpoint its name (ModifySystemSettings).
#>
function Rename-TidemarkCheckpoint {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][ValidatePattern('^[0-9A-Za-z:\\{}._-]{1,256}\z')][string]$CheckpointId,
        [Parameter(Mandatory)][string]$Name
    )
    $setting = Get-CheckpointSettings $CheckpointId
    return Set-SystemName $setting $Name
}

# Changes the name in a VM's or checkpoint's settings.
function Set-SystemName {
    param($Setting, [string]$Name)
    $service = Get-HypervService 'Msvm_VirtualSystemManagementService'
    Set-PropertyValue $Setting 'ElementName' $Name
    $result = Invoke-HypervMethod $service 'ModifySystemSettings' @{ SystemSettings = ConvertTo-EmbeddedInstance $Setting }
    return ConvertTo-Started $result
}

<#
.SYNOPSIS
Removes a recovery checkpoint (DestroySnapshot). Refuses one that is not ours (error id NotOwnCheckpoint), unless -Unmarked is true: the agent made it and was cut off before it could name it.
#>
function Start-TidemarkCheckpointRemoval {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][ValidatePattern('^[0-9A-Za-z:\\{}._-]{1,256}\z')][string]$CheckpointId,
        [Parameter(Mandatory)][bool]$Unmarked
    )
    $setting = Get-CheckpointSettings $CheckpointId
    Assert-OwnCheckpoint $setting $Unmarked
    $service = Get-HypervService 'Msvm_VirtualSystemSnapshotService'
    $result = Invoke-HypervMethod $service 'DestroySnapshot' @{ AffectedSnapshot = $setting }
    return ConvertTo-Started $result
}
