# VMs. The whole host is asked with one query a class and joined in memory: an association query a VM takes too long with 1,000 VMs.

# All that is read of these classes: an instance has up to a hundred properties, and a large host thousands of instances.
$script:SettingsProperties = @('InstanceID', 'VirtualSystemIdentifier', 'VirtualSystemType', 'VirtualSystemSubType', 'Version')
$script:StorageProperties = @('InstanceID', 'Parent', 'HostResource', 'ResourceSubType', 'PersistentReservationsSupported')
$script:ResourceProperties = @('InstanceID', 'Parent', 'HostResource', 'ResourceSubType', 'Address', 'AddressOnParent')

# "Microsoft:<GUID>" of the VM or checkpoint that a part belongs to: what is before the first backslash of its InstanceID. The templates of Hyper-V ("Microsoft:Definition\...") fall out of every join by it.
function Get-OwnerId {
    param([string]$InstanceId)
    $end = $InstanceId.IndexOf('\')
    if ($end -lt 0) {
        return $InstanceId
    }
    return $InstanceId.Substring(0, $end)
}

# Parts by their owner: a table of lists.
function Group-ByOwner {
    param($Instances, [string]$Property, [bool]$IsPath)
    $groups = New-IdTable
    foreach ($instance in $Instances) {
        $owner = [string]$instance.$Property
        if ($IsPath) {
            $end = $owner.IndexOf('\')
            if ($end -ge 0) {
                $owner = $owner.Substring(0, $end)
            }
        }
        $group = $groups[$owner]
        if ($null -eq $group) {
            $group = [System.Collections.Generic.List[object]]::new()
            $groups[$owner] = $group
        }
        $group.Add($instance)
    }
    return $groups
}

# One VM as commands/vms.ts reads it; -Settings are all its settings, -Disks those of the VM itself.
function New-VmAnswer {
    param($Vm, $Active, $Settings, $Disks, [bool]$FibreChannel)
    $snapshotTypes = [System.Collections.Generic.List[object]]::new()
    foreach ($setting in $Settings) {
        if (Test-SnapshotSettings $setting) {
            $snapshotTypes.Add([string]$setting.VirtualSystemType)
        }
    }
    return [ordered]@{
        id                = ([string]$Vm.Name).ToUpperInvariant()
        name              = [string]$Vm.ElementName
        enabledState      = [int]$Vm.EnabledState
        healthState       = [int]$Vm.HealthState
        operationalStatus = New-AnswerList $Vm.OperationalStatus
        # Deprecated, so it may go some day.
        replicationMode   = [int](Get-PropertyValue $Vm 'ReplicationMode' 0)
        subType           = [string]$Active.VirtualSystemSubType
        version           = [string]$Active.Version
        disks             = $Disks
        snapshotTypes     = $snapshotTypes
        fibreChannel      = $FibreChannel
    }
}

# The virtual fibre channel ports of all VMs. Not every build has the class.
function Get-FibreChannelPort {
    try {
        return , (Get-HypervInstance 'Msvm_SyntheticFcPortSettingData' $null @('InstanceID'))
    }
    catch {
        if (-not (Test-NoClass $_)) {
            throw
        }
        return , (New-AnswerList)
    }
}

# Whether there are virtual fibre channel ports. Both classes are asked: which of the two a build uses is not confirmed.
function Test-FibreChannel {
    param($Resources, $Ports)
    if ($null -ne $Ports -and @($Ports).Count -gt 0) {
        return $true
    }
    foreach ($resource in $Resources) {
        if ($resource.ResourceSubType -eq $script:FibreChannelPort) {
            return $true
        }
    }
    return $false
}

# Adds a VM to the answer: to its vms, or, when its settings cannot be read, to its unreadable ones: it must not hide the others. -Parts are its resources, storage and ports.
function Add-VmAnswer {
    param($Answer, $System, $Active, $Settings, $Parts)
    try {
        if ($null -eq $Active) {
            throw (New-ModuleError 'NoSettings' 'Hyper-V shows no settings of this VM.')
        }
        $disks = Select-AttachedDisk $Parts.resources $Parts.storage
        $fibreChannel = Test-FibreChannel $Parts.resources $Parts.ports
        $Answer.vms.Add((New-VmAnswer $System $Active $Settings $disks $fibreChannel))
    }
    catch {
        $Answer.unreadable.Add([ordered]@{
                id      = ([string]$System.Name).ToUpperInvariant()
                name    = Limit-Text ([string]$System.ElementName) 4096
                message = Limit-Text $_.Exception.Message 65536
            })
    }
}

function Add-AllVm {
    param($Answer)
    $systems = Get-HypervInstance 'Msvm_ComputerSystem'
    $settingsOf = Group-ByOwner (Get-HypervInstance 'Msvm_VirtualSystemSettingData' $null $script:SettingsProperties) 'VirtualSystemIdentifier' $false
    $storageOf = Group-ByOwner (Get-HypervInstance 'Msvm_StorageAllocationSettingData' $null $script:StorageProperties) 'InstanceID' $true
    $resourcesOf = Group-ByOwner (Get-HypervInstance 'Msvm_ResourceAllocationSettingData' $null $script:ResourceProperties) 'InstanceID' $true
    $portsOf = Group-ByOwner (Get-FibreChannelPort) 'InstanceID' $true
    foreach ($system in $systems) {
        if (-not (Test-Guid $system.Name)) {
            continue
        }
        $settings = $settingsOf[[string]$system.Name]
        $active = Select-ActiveSettings $settings $script:SystemRealized
        $parts = $null
        if ($null -ne $active) {
            $owner = Get-OwnerId $active.InstanceID
            $parts = @{ resources = $resourcesOf[$owner]; storage = $storageOf[$owner]; ports = $portsOf[$owner] }
        }
        Add-VmAnswer $Answer $system $active $settings $parts
    }
}

function Add-OneVm {
    param($Answer, [string]$VmId)
    $system = Get-SingleInstance 'Msvm_ComputerSystem' @{ Name = $VmId.ToUpperInvariant() }
    if ($null -eq $system) {
        return
    }
    $settings = Get-SystemSettings $VmId
    $active = Select-ActiveSettings $settings $script:SystemRealized
    $parts = $null
    if ($null -ne $active) {
        $parts = @{
            resources = Get-SettingsComponent $active 'Msvm_ResourceAllocationSettingData'
            storage   = Get-SettingsComponent $active 'Msvm_StorageAllocationSettingData'
            ports     = Get-OptionalComponent $active 'Msvm_SyntheticFcPortSettingData'
        }
    }
    Add-VmAnswer $Answer $system $active $settings $parts
}

<#
.SYNOPSIS
All VMs of the host, or one (Msvm_ComputerSystem with its Msvm_VirtualSystemSettingData and disks). An unknown id gives an empty list; VMs whose settings cannot be read are in 'unreadable'.
#>
function Get-TidemarkVm {
    [CmdletBinding()]
    param([ValidatePattern('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z')][string]$VmId)
    $answer = [ordered]@{ vms = (New-AnswerList); unreadable = (New-AnswerList) }
    if ($PSBoundParameters.ContainsKey('VmId')) {
        Add-OneVm $answer $VmId
    }
    else {
        Add-AllVm $answer
    }
    return $answer
}

<#
.SYNOPSIS
The state of the guest's volume shadow copy service (Msvm_VssComponent); null where the VM has none.
#>
function Get-TidemarkVss {
    [CmdletBinding()]
    param([Parameter(Mandatory)][ValidatePattern('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z')][string]$VmId)
    $component = Get-SingleInstance 'Msvm_VssComponent' @{ SystemName = $VmId.ToUpperInvariant() }
    if ($null -eq $component) {
        return [ordered]@{ vss = $null }
    }
    return [ordered]@{
        vss = [ordered]@{
            enabledState      = [int]$component.EnabledState
            operationalStatus = New-AnswerList $component.OperationalStatus
        }
    }
}
