# The adapters of a planned VM. A restored VM must not meet the original on the network, so all are taken off first.

# Virtual fibre channel: connections to virtual SANs, then the ports. Not every build has their classes, and under which of the two a build has its ports is not confirmed.
function Get-FibreChannelPart {
    param($Settings)
    $parts = New-AnswerList
    foreach ($class in @('Msvm_FcPortAllocationSettingData', 'Msvm_SyntheticFcPortSettingData')) {
        foreach ($part in (Get-OptionalComponent $Settings $class)) {
            $parts.Add($part)
        }
    }
    foreach ($resource in (Get-SettingsComponent $Settings 'Msvm_ResourceAllocationSettingData')) {
        if ([string]$resource.ResourceSubType -eq $script:FibreChannelPort) {
            $parts.Add($resource)
        }
    }
    return , $parts
}

# The switch of that name; $null when the host has none, or several of them.
function Find-Switch {
    param($Switches, [string]$Name)
    $found = $null
    foreach ($virtualSwitch in $Switches) {
        if ($Name -ne '' -and [string]::Equals([string]$virtualSwitch.ElementName, $Name, [System.StringComparison]::Ordinal)) {
            if ($null -ne $found) {
                return $null
            }
            $found = $virtualSwitch
        }
    }
    return $found
}

# A connection of an adapter to a switch, or to none: 2 enabled, 3 disabled.
function Set-Connection {
    param($Connection, $VirtualSwitch)
    if ($null -eq $VirtualSwitch) {
        Set-PropertyValue $Connection 'EnabledState' ([uint16]3)
        Set-PropertyValue $Connection 'HostResource' ([string[]]@())
        return
    }
    Set-PropertyValue $Connection 'EnabledState' ([uint16]2)
    Set-PropertyValue $Connection 'HostResource' ([string[]]@(Get-InstancePath $VirtualSwitch))
}

# Adds one adapter and gives its port: the one that was not there before.
function Add-AdapterPort {
    param($Settings, [string]$Name)
    $before = New-IdTable
    foreach ($port in (Get-AdapterPort $Settings)) {
        $before[[string]$port.InstanceID] = $true
    }
    $new = Get-Template 'Msvm_SyntheticEthernetPortSettingData' 'Microsoft:Hyper-V:Synthetic Ethernet Port'
    Set-PropertyValue $new 'ElementName' $Name
    Set-PropertyValue $new 'StaticMacAddress' $false
    # What the guest knows the adapter by; the template has none.
    Set-PropertyValue $new 'VirtualSystemIdentifiers' ([string[]]@([guid]::NewGuid().ToString('B')))
    Wait-ShortJob (Add-Device $Settings @($new))
    foreach ($port in (Get-AdapterPort $Settings)) {
        if (-not $before.ContainsKey([string]$port.InstanceID)) {
            return $port
        }
    }
    throw (New-ModuleError 'StepFailed' 'Hyper-V did not add a network adapter.')
}

<#
.SYNOPSIS
Adds network adapters to a planned VM that was defined anew (AddResourceSettings), each connected to the switch of that name, or to none.
#>
function Start-TidemarkAdapterAddition {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][ValidatePattern('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z')][string]$VmId,
        [Parameter(Mandatory)][AllowEmptyCollection()][ValidateCount(0, 64)][hashtable[]]$Adapter
    )
    $settings = Get-PlannedSettings $VmId
    $switches = Get-HypervInstance 'Msvm_VirtualEthernetSwitch'
    $connections = New-AnswerList
    foreach ($entry in $Adapter) {
        $virtualSwitch = Find-Switch $switches (Get-EntryText $entry 'switchName')
        $port = Add-AdapterPort $settings (Get-EntryText $entry 'name')
        $connection = Get-Template 'Msvm_EthernetPortAllocationSettingData' 'Microsoft:Hyper-V:Ethernet Connection'
        Set-PropertyValue $connection 'Parent' (Get-InstancePath $port)
        Set-Connection $connection $virtualSwitch
        $connections.Add($connection)
    }
    if ($connections.Count -eq 0) {
        return [ordered]@{ state = 'done' }
    }
    return ConvertTo-Started (Add-Device $settings $connections)
}

<#
.SYNOPSIS
Takes all network adapters of a planned VM off their switches, and gives them dynamic MAC addresses (ModifyResourceSettings).
#>
function Start-TidemarkDisconnection {
    [CmdletBinding()]
    param([Parameter(Mandatory)][ValidatePattern('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z')][string]$VmId)
    $settings = Get-PlannedSettings $VmId
    $changed = New-AnswerList
    foreach ($port in (Get-AdapterPort $settings)) {
        Set-PropertyValue $port 'StaticMacAddress' $false
        # What an adapter has that was never started: an address that the original may have too must not stay.
        Set-PropertyValue $port 'Address' '000000000000'
        $changed.Add($port)
    }
    foreach ($connection in (Get-SettingsComponent $settings 'Msvm_EthernetPortAllocationSettingData')) {
        Set-Connection $connection $null
        $changed.Add($connection)
    }
    return Edit-Device $changed
}

<#
.SYNOPSIS
Connects adapters of a planned VM (by the InstanceIDs of their ports), each to the switch of that name (ModifyResourceSettings); one whose switch the host does not have stays as it is.
#>
function Start-TidemarkConnection {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][ValidatePattern('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z')][string]$VmId,
        [Parameter(Mandatory)][AllowEmptyCollection()][hashtable[]]$Adapter
    )
    $settings = Get-PlannedSettings $VmId
    $switches = Get-HypervInstance 'Msvm_VirtualEthernetSwitch'
    $ports = Get-AdapterPort $settings
    $connectionOf = New-IdTable
    foreach ($connection in (Get-SettingsComponent $settings 'Msvm_EthernetPortAllocationSettingData')) {
        $connectionOf[(Get-PathInstanceId $connection.Parent)] = $connection
    }
    $changed = New-AnswerList
    foreach ($entry in $Adapter) {
        $port = Select-Device $ports (Get-EntryText $entry 'instanceId')
        $virtualSwitch = Find-Switch $switches (Get-EntryText $entry 'switchName')
        $connection = $connectionOf[[string]$port.InstanceID]
        if ($null -ne $virtualSwitch -and $null -ne $connection) {
            Set-Connection $connection $virtualSwitch
            $changed.Add($connection)
        }
    }
    return Edit-Device $changed
}

<#
.SYNOPSIS
Takes the virtual fibre channel adapters out of a planned VM (RemoveResourceSettings): their addresses (WWPNs) are those of the original VM.
#>
function Start-TidemarkFibreChannelRemoval {
    [CmdletBinding()]
    param([Parameter(Mandatory)][ValidatePattern('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z')][string]$VmId)
    return Remove-Device (Get-FibreChannelPart (Get-PlannedSettings $VmId))
}
