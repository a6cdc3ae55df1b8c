# Export of a checkpoint to a directory.

# The reference point that a differential export counts from.
function Get-BaseReferencePoint {
    param([string]$VmId, [string]$ReferencePointId)
    $point = Get-SingleInstance 'Msvm_VirtualSystemReferencePoint' @{
        InstanceID              = $ReferencePointId
        VirtualSystemIdentifier = $VmId.ToUpperInvariant()
    }
    if ($null -eq $point) {
        throw (New-ModuleError 'ReferencePointNotFound' "The VM has no reference point $ReferencePointId.")
    }
    return $point
}

<#
.SYNOPSIS
Exports a checkpoint into an empty directory of our own (ExportSystemDefinition, CopySnapshotConfiguration 3). Without storage it locks the merging of the VM's disks: Enable-TidemarkMerge must follow.
#>
function Start-TidemarkExport {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][ValidatePattern('^[0-9A-Za-z:\\{}._-]{1,256}\z')][string]$CheckpointId,
        [Parameter(Mandatory)][string]$Directory,
        [ValidatePattern('^[0-9A-Za-z:\\{}._-]{1,256}\z')][string]$BaseReferencePointId,
        [AllowEmptyCollection()][string[]]$ExcludedDisk = @(),
        [Parameter(Mandatory)][bool]$CopyStorage
    )
    $setting = Get-CheckpointSettings $CheckpointId
    $vm = Get-VirtualMachine ([string]$setting.VirtualSystemIdentifier)
    $service = Get-HypervService 'Msvm_VirtualSystemManagementService'
    $values = @{
        # 3: one checkpoint, for a backup; the exported configuration keeps the VM's id.
        CopySnapshotConfiguration           = [byte]3
        # Text with a path, not a reference.
        SnapshotVirtualSystem               = Get-InstancePath $setting
        CopyVmStorage                       = $CopyStorage
        CopyVmRuntimeInformation            = $true
        # Names of VMs may hold what a folder's name may not, and may repeat.
        CreateVmExportSubdirectory          = $false
        BackupIntent                        = [byte]0
        # Otherwise a differencing disk is made for each disk that is left out.
        DisableDifferentialOfIgnoredStorage = $true
    }
    if ($PSBoundParameters.ContainsKey('BaseReferencePointId')) {
        $values.DifferentialBackupBase = Get-InstancePath (Get-BaseReferencePoint $setting.VirtualSystemIdentifier $BaseReferencePointId)
    }
    if ($ExcludedDisk.Count -gt 0) {
        if (-not (Test-ClassProperty 'Msvm_VirtualSystemExportSettingData' 'ExcludedVirtualHardDisks')) {
            throw (New-ModuleError 'ExclusionNotSupported' 'This build of Windows cannot leave disks out of an export.')
        }
        $values.ExcludedVirtualHardDisks = [string[]]$ExcludedDisk
    }
    $settings = New-EmbeddedInstance 'Msvm_VirtualSystemExportSettingData' $values
    $result = Invoke-HypervMethod $service 'ExportSystemDefinition' @{
        ComputerSystem    = $vm
        ExportDirectory   = $Directory
        ExportSettingData = ConvertTo-EmbeddedInstance $settings
    }
    return ConvertTo-Started $result
}
