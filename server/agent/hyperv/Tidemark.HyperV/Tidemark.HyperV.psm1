# Tidemark.HyperV: what the Tidemark agent asks of Hyper-V. Windows PowerShell 5.1 and PowerShell 7.
# The files are plain ASCII: Windows PowerShell reads a file without a byte order mark in the machine's code page.
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$WarningPreference = 'SilentlyContinue'

# A fixed list, not whatever lies in the folder: a file put there by somebody else is not run.
foreach ($part in @(
        'Values'
        'Errors'
        'Wmi'
        'Embedded'
        'Lookups'
        'Host'
        'Disks'
        'Vms'
        'Jobs'
        'Checkpoints'
        'Merges'
        'Configuration'
        'ReferencePoints'
        'Changes'
        'Exports'
        'Restores'
        'Devices'
        'Adapters'
        'Diagnostics'
        'Health'
        'Requests'
        'Dispatcher'
    )) {
    . ([System.IO.Path]::Combine($PSScriptRoot, "$part.ps1"))
}

# The commands that the dispatcher takes; the manifest exports the same ones.
foreach ($command in @(
        'Get-TidemarkHost'
        'Write-TidemarkEvent'
        'Get-TidemarkVm'
        'Get-TidemarkVss'
        'Get-TidemarkVirtualDisk'
        'Get-TidemarkJob'
        'Stop-TidemarkJob'
        'Get-TidemarkCheckpoint'
        'Start-TidemarkCheckpoint'
        'Resolve-TidemarkCheckpoint'
        'Rename-TidemarkCheckpoint'
        'Start-TidemarkCheckpointRemoval'
        'Get-TidemarkMerge'
        'Enable-TidemarkMerge'
        'Get-TidemarkConfiguration'
        'Get-TidemarkReferencePoint'
        'Start-TidemarkConversion'
        'Resolve-TidemarkReferencePoint'
        'Start-TidemarkReferencePointRemoval'
        'Get-TidemarkChangedExtent'
        'Start-TidemarkExport'
        'Start-TidemarkImport'
        'Start-TidemarkDefinition'
        'Resolve-TidemarkPlannedVm'
        'Find-TidemarkPlannedVm'
        'Get-TidemarkPlannedVm'
        'Start-TidemarkDiskChange'
        'Start-TidemarkDiskRemoval'
        'Start-TidemarkDiskAddition'
        'Start-TidemarkAdapterAddition'
        'Start-TidemarkDisconnection'
        'Start-TidemarkConnection'
        'Rename-TidemarkPlannedVm'
        'Start-TidemarkValidation'
        'Start-TidemarkRealization'
        'Start-TidemarkPlannedRemoval'
        'Get-TidemarkDiagnostic'
        'Get-TidemarkHealth'
    )) {
    Add-DispatcherCommand $command
}
