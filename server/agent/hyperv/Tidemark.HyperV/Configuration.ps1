# The configuration of a VM at a checkpoint, in words: what a restore without the host's own files goes by.

# The name of the switch that an adapter hangs at, or $null for none.
function Get-SwitchName {
    param($Connection, $Switches)
    # 2 enabled, 3 disabled: a connection that is disabled keeps its switch in some builds.
    if ([int](Get-PropertyValue $Connection 'EnabledState' 2) -ne 2) {
        return $null
    }
    $path = [string](Get-FirstElement $Connection.HostResource)
    if ($path -eq '') {
        return $null
    }
    $match = [regex]::Match($path, '[.,]Name="([^"]*)"', [System.Text.RegularExpressions.RegexOptions]::IgnoreCase)
    if ($match.Success) {
        foreach ($virtualSwitch in $Switches) {
            if ([string]$virtualSwitch.Name -eq $match.Groups[1].Value) {
                return [string]$virtualSwitch.ElementName
            }
        }
    }
    # The switch is gone, or another one by now; Hyper-V remembers what it was called.
    $last = Get-PropertyText $Connection 'LastKnownSwitchName'
    if ($last -eq '') {
        return $null
    }
    return $last
}

# The network adapters among the parts of some settings: synthetic ones, then legacy ones.
function Get-AdapterPort {
    param($Setting)
    $ports = New-AnswerList
    foreach ($class in @('Msvm_SyntheticEthernetPortSettingData', 'Msvm_EmulatedEthernetPortSettingData')) {
        foreach ($port in (Get-SettingsComponent $Setting $class)) {
            $ports.Add($port)
        }
    }
    return , $ports
}

function Get-AdapterSummary {
    param($Setting)
    $adapters = New-AnswerList
    $ports = Get-AdapterPort $Setting
    if ($ports.Count -eq 0) {
        return , $adapters
    }
    $switches = Get-HypervInstance 'Msvm_VirtualEthernetSwitch'
    $switchOf = New-IdTable
    foreach ($connection in (Get-SettingsComponent $Setting 'Msvm_EthernetPortAllocationSettingData')) {
        $switchOf[(Get-PathInstanceId $connection.Parent)] = Get-SwitchName $connection $switches
    }
    foreach ($port in $ports) {
        $adapters.Add([ordered]@{
                name       = Limit-Text (Get-PropertyText $port 'ElementName') 4096
                switchName = $switchOf[[string]$port.InstanceID]
            })
    }
    return , $adapters
}

# VirtualQuantity of the one part of a class.
function Get-Quantity {
    param($Setting, [string]$Class)
    foreach ($part in (Get-SettingsComponent $Setting $Class)) {
        return [uint64]$part.VirtualQuantity
    }
    throw (New-ModuleError 'NoSettings' "The checkpoint has no $Class.")
}

<#
.SYNOPSIS
The VM's configuration at a checkpoint: a summary (settings of processor, memory and network), and where its files are (ConfigurationDataRoot, ConfigurationFile, GuestStateFile).
#>
function Get-TidemarkConfiguration {
    [CmdletBinding()]
    param([Parameter(Mandatory)][ValidatePattern('^[0-9A-Za-z:\\{}._-]{1,256}\z')][string]$CheckpointId)
    $setting = Get-CheckpointSettings $CheckpointId
    # The checkpoint's own name is not the VM's.
    $vm = Get-VirtualMachine ([string]$setting.VirtualSystemIdentifier)
    return [ordered]@{
        name              = [string]$vm.ElementName
        subType           = [string]$setting.VirtualSystemSubType
        version           = [string]$setting.Version
        processorCount    = Get-Quantity $setting 'Msvm_ProcessorSettingData'
        # In units of 2^20 bytes.
        memoryBytes       = (Get-Quantity $setting 'Msvm_MemorySettingData') * 1048576
        adapters          = Get-AdapterSummary $setting
        configurationRoot = Get-PropertyText $setting 'ConfigurationDataRoot'
        configurationFile = Get-PropertyText $setting 'ConfigurationFile'
        guestStateRoot    = Get-PropertyText $setting 'GuestStateDataRoot'
        guestStateFile    = Get-PropertyText $setting 'GuestStateFile'
    }
}
