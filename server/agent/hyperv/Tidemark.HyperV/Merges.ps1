# Whether disks of checkpoints still merge, and the lock that keeps them from it.

# The merge settings of a VM (Msvm_DiskMergeSettingData), or $null. There is no documented association from the VM: the VM's GUID is looked for in the InstanceID.
function Get-MergeSettings {
    param([string]$VmId)
    foreach ($settings in (Get-HypervInstance 'Msvm_DiskMergeSettingData')) {
        if (([string]$settings.InstanceID).IndexOf($VmId, [System.StringComparison]::OrdinalIgnoreCase) -ge 0) {
            return $settings
        }
    }
    return $null
}

<#
.SYNOPSIS
What tells whether the VM's chain of disks is clean: OperationalStatus[1], the files it writes to, the number of checkpoints, Msvm_DiskMergeSettingData.
#>
function Get-TidemarkMerge {
    [CmdletBinding()]
    param([Parameter(Mandatory)][ValidatePattern('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z')][string]$VmId)
    $vm = Get-VirtualMachine $VmId
    $settings = Get-SystemSettings $VmId
    $active = Select-ActiveSettings $settings $script:SystemRealized
    if ($null -eq $active) {
        throw (New-ModuleError 'VmNotFound' "This host has no settings of the VM $VmId.")
    }
    $paths = New-AnswerList
    foreach ($disk in (Get-SettingsDisk $active)) {
        if ($disk.kind -eq 'virtual') {
            $paths.Add($disk.path)
        }
    }
    $snapshots = 0
    foreach ($setting in $settings) {
        if (Test-SnapshotSettings $setting) {
            $snapshots++
        }
    }
    $merge = Get-MergeSettings $VmId
    return [ordered]@{
        operation   = Get-RunningOperation $vm
        activePaths = $paths
        snapshots   = $snapshots
        disabled    = $null -ne $merge -and [int64](Get-PropertyValue $merge 'EnabledState' 1) -eq 0
    }
}

<#
.SYNOPSIS
Lets the VM's disks merge again (ModifyDiskMergeSettings with EnabledState 1): an export without storage forbids it until the service restarts.
#>
function Enable-TidemarkMerge {
    [CmdletBinding()]
    param([Parameter(Mandatory)][ValidatePattern('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z')][string]$VmId)
    $merge = Get-MergeSettings $VmId
    # No such object: nothing forbids merging.
    if ($null -eq $merge) {
        return [ordered]@{ state = 'done' }
    }
    Set-PropertyValue $merge 'EnabledState' ([uint32]1)
    $service = Get-HypervService 'Msvm_VirtualSystemManagementService'
    $result = Invoke-HypervMethod $service 'ModifyDiskMergeSettings' @{ SettingData = ConvertTo-EmbeddedInstance $merge }
    return ConvertTo-Started $result
}
