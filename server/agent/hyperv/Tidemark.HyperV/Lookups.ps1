# Finding VMs, checkpoints and settings by id. Ids are checked by their parameters' patterns before they come here.

$script:SystemRealized = 'Microsoft:Hyper-V:System:Realized'
$script:SystemPlanned = 'Microsoft:Hyper-V:System:Planned'
$script:SnapshotPrefix = 'Microsoft:Hyper-V:Snapshot:'
$script:SnapshotRecovery = 'Microsoft:Hyper-V:Snapshot:Recovery'
# What marks a checkpoint as ours.
$script:OwnPrefix = 'Tidemark '

# Whether this is a GUID, as the names of VMs are. The host's own entry has the computer's name; its caption is translated.
function Test-Guid {
    param([string]$Text)
    $guid = [guid]::Empty
    return [guid]::TryParseExact($Text, 'D', [ref]$guid)
}

# The VM (realised, never a planned one).
function Get-VirtualMachine {
    param([string]$VmId)
    $vm = Get-SingleInstance 'Msvm_ComputerSystem' @{ Name = $VmId.ToUpperInvariant() }
    if ($null -eq $vm) {
        throw (New-ModuleError 'VmNotFound' "This host has no VM $VmId.")
    }
    return $vm
}

# All settings of a VM: its own and those of its checkpoints.
function Get-SystemSettings {
    param([string]$VmId)
    return , (Get-HypervInstance 'Msvm_VirtualSystemSettingData' @{ VirtualSystemIdentifier = $VmId.ToUpperInvariant() })
}

# The VM's own settings among them, of the type asked for (realised or planned), or $null.
function Select-ActiveSettings {
    param($Settings, [string]$Type)
    foreach ($setting in $Settings) {
        if ([string]::Equals([string]$setting.VirtualSystemType, $Type, [System.StringComparison]::OrdinalIgnoreCase)) {
            return $setting
        }
    }
    return $null
}

# Whether the settings are those of a checkpoint of any kind.
function Test-SnapshotSettings {
    param($Setting)
    return ([string]$Setting.VirtualSystemType).StartsWith($script:SnapshotPrefix, [System.StringComparison]::OrdinalIgnoreCase)
}

# Whether they are those of a recovery checkpoint.
function Test-RecoverySettings {
    param($Setting)
    return [string]::Equals([string]$Setting.VirtualSystemType, $script:SnapshotRecovery, [System.StringComparison]::OrdinalIgnoreCase)
}

# The ids of the VM's recovery checkpoints.
function Get-RecoveryCheckpointId {
    param([string]$VmId)
    $ids = New-AnswerList
    foreach ($setting in (Get-SystemSettings $VmId)) {
        if (Test-RecoverySettings $setting) {
            $ids.Add([string]$setting.InstanceID)
        }
    }
    return , $ids
}

# The settings of a recovery checkpoint. Other checkpoints are not ours to touch, so they are not found.
function Get-CheckpointSettings {
    param([string]$CheckpointId)
    $setting = Get-SingleInstance 'Msvm_VirtualSystemSettingData' @{ InstanceID = $CheckpointId }
    if ($null -eq $setting -or -not (Test-RecoverySettings $setting)) {
        throw (New-ModuleError 'CheckpointNotFound' "This host has no recovery checkpoint $CheckpointId.")
    }
    return $setting
}

# Refuses a checkpoint that is not ours. Other backup products have theirs on the same VM.
function Assert-OwnCheckpoint {
    param($Setting, [bool]$Unmarked = $false)
    if ($Unmarked) {
        return
    }
    if (-not ([string]$Setting.ElementName).StartsWith($script:OwnPrefix, [System.StringComparison]::Ordinal)) {
        throw (New-ModuleError 'NotOwnCheckpoint' "The checkpoint $($Setting.InstanceID) was not made by Tidemark.")
    }
}

# The parts of a VM's or checkpoint's settings, of one class.
function Get-SettingsComponent {
    param($Setting, [string]$Class)
    return , (Get-AssociatedInstance $Setting 'Msvm_VirtualSystemSettingDataComponent' $Class)
}

# As Get-SettingsComponent, of a class that not every build has: without it there is no such part.
function Get-OptionalComponent {
    param($Setting, [string]$Class)
    try {
        return , (Get-SettingsComponent $Setting $Class)
    }
    catch {
        if (-not (Test-NoClass $_)) {
            throw
        }
        return , (New-AnswerList)
    }
}

# The one id that is in -After and not in -Before, or $null when there is none or more than one: then no one can say which it is.
function Select-NewId {
    param($Before, $After)
    $known = New-IdTable
    foreach ($id in $Before) {
        $known[$id] = $true
    }
    $created = $null
    foreach ($id in $After) {
        if (-not $known.ContainsKey($id)) {
            if ($null -ne $created) {
                return $null
            }
            $created = $id
        }
    }
    return $created
}
