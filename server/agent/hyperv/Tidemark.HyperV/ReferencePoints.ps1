# Reference points (Msvm_VirtualSystemReferencePoint): what remains of a checkpoint for the next incremental.

<#
.SYNOPSIS
All reference points, or those of one VM.
#>
function Get-TidemarkReferencePoint {
    [CmdletBinding()]
    param([ValidatePattern('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z')][string]$VmId)
    $where = $null
    if ($PSBoundParameters.ContainsKey('VmId')) {
        $where = @{ VirtualSystemIdentifier = $VmId.ToUpperInvariant() }
    }
    $points = New-AnswerList
    foreach ($point in (Get-HypervInstance 'Msvm_VirtualSystemReferencePoint' $where)) {
        $points.Add([ordered]@{
                id              = [string]$point.InstanceID
                vmId            = ([string]$point.VirtualSystemIdentifier).ToUpperInvariant()
                type            = [int](Get-PropertyValue $point 'ReferencePointType' 0)
                # Both as they are: when their lengths differ, no position means anything, and that is for the agent to see.
                diskInstanceIds = New-AnswerList $point.VirtualDiskIdentifiers
                trackingIds     = New-AnswerList $point.ResilientChangeTrackingIdentifiers
            })
    }
    return [ordered]@{ referencePoints = $points }
}

function Get-ReferencePointId {
    param([string]$VmId)
    $ids = New-AnswerList
    foreach ($point in (Get-HypervInstance 'Msvm_VirtualSystemReferencePoint' @{ VirtualSystemIdentifier = $VmId.ToUpperInvariant() })) {
        $ids.Add([string]$point.InstanceID)
    }
    return , $ids
}

<#
.SYNOPSIS
Turns a recovery checkpoint into a reference point (ConvertToReferencePoint). Refuses one that is not ours (error id NotOwnCheckpoint).
#>
function Start-TidemarkConversion {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][ValidatePattern('^[0-9A-Za-z:\\{}._-]{1,256}\z')][string]$CheckpointId,
        [Parameter(Mandatory)][ValidateSet('application', 'crash')][string]$Consistency
    )
    $setting = Get-CheckpointSettings $CheckpointId
    Assert-OwnCheckpoint $setting
    $vmId = [string]$setting.VirtualSystemIdentifier
    $service = Get-HypervService 'Msvm_VirtualSystemSnapshotService'
    $before = Get-ReferencePointId $vmId
    $settings = New-EmbeddedInstance 'Msvm_VirtualSystemReferencePointSettingData' @{ ConsistencyLevel = Get-ConsistencyLevel $Consistency }
    $result = Invoke-HypervMethod $service 'ConvertToReferencePoint' @{
        AffectedSnapshot       = $setting
        ReferencePointSettings = ConvertTo-EmbeddedInstance $settings
    }
    $created = $null
    if ([int64]$result.ReturnValue -eq 0) {
        # Some builds leave it empty: the agent then takes the only new one, but knows that it may be another.
        $created = Get-CreatedId $result 'ResultingReferencePoint'
    }
    return [ordered]@{ before = $before; outcome = (ConvertTo-Started $result); created = $created }
}

<#
.SYNOPSIS
The reference point that a job made: by Msvm_AffectedJobElement, which proves it, else the one that was not there before. Null when none or several could be it.
#>
function Resolve-TidemarkReferencePoint {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][ValidatePattern('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z')][string]$VmId,
        [Parameter(Mandatory)][ValidatePattern('^[0-9A-Za-z:\\{}._-]{1,256}\z')][string]$JobId,
        [Parameter(Mandatory)][AllowEmptyCollection()][string[]]$Before
    )
    $affected = New-AnswerList
    $job = Get-JobInstance $JobId
    if ($null -ne $job) {
        foreach ($point in (Get-AssociatedInstance $job 'Msvm_AffectedJobElement' 'Msvm_VirtualSystemReferencePoint')) {
            if ([string]$point.VirtualSystemIdentifier -eq $VmId) {
                $affected.Add([string]$point.InstanceID)
            }
        }
    }
    $created = Select-NewId $Before $affected
    $proven = $null -ne $created
    if (-not $proven) {
        $created = Select-NewId $Before (Get-ReferencePointId $VmId)
    }
    return [ordered]@{ referencePointId = $created; proven = $proven }
}

<#
.SYNOPSIS
Removes a reference point (DestroyReferencePoint). Refuses one whose tracking ids are not these (error id NotThisReferencePoint): others have theirs on the same VM, and they carry no name.
#>
function Start-TidemarkReferencePointRemoval {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][ValidatePattern('^[0-9A-Za-z:\\{}._-]{1,256}\z')][string]$ReferencePointId,
        [Parameter(Mandatory)][ValidatePattern('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z')][string]$VmId,
        [Parameter(Mandatory)][AllowEmptyCollection()][AllowEmptyString()][string[]]$TrackingId
    )
    $point = Get-SingleInstance 'Msvm_VirtualSystemReferencePoint' @{
        InstanceID              = $ReferencePointId
        VirtualSystemIdentifier = $VmId.ToUpperInvariant()
    }
    if ($null -eq $point) {
        throw (New-ModuleError 'ReferencePointNotFound' "The VM has no reference point $ReferencePointId.")
    }
    $tracking = [string[]](New-AnswerList $point.ResilientChangeTrackingIdentifiers).ToArray()
    if (-not (Test-SameTexts $tracking $TrackingId)) {
        throw (New-ModuleError 'NotThisReferencePoint' "The reference point $ReferencePointId has other tracking ids.")
    }
    $service = Get-HypervService 'Msvm_VirtualSystemReferencePointService'
    $result = Invoke-HypervMethod $service 'DestroyReferencePoint' @{ AffectedReferencePoint = $point }
    return ConvertTo-Started $result
}
