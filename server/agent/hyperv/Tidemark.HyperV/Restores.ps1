# Restoring: a planned VM is made, its parts are set right, it is validated and realised. Real VMs are refused by every function here.

# The planned VM. Error id NotPlanned for a real one: nothing here may change that.
function Get-PlannedMachine {
    param([string]$VmId)
    $planned = Get-SingleInstance 'Msvm_PlannedComputerSystem' @{ Name = $VmId.ToUpperInvariant() }
    if ($null -ne $planned) {
        return $planned
    }
    if ($null -ne (Get-SingleInstance 'Msvm_ComputerSystem' @{ Name = $VmId.ToUpperInvariant() })) {
        throw (New-ModuleError 'NotPlanned' "$VmId is a real VM, not a planned one.")
    }
    throw (New-ModuleError 'VmNotFound' "This host has no planned VM $VmId.")
}

# The settings of a planned VM.
function Get-PlannedSettings {
    param([string]$VmId)
    $null = Get-PlannedMachine $VmId
    $settings = Select-ActiveSettings (Get-SystemSettings $VmId) $script:SystemPlanned
    if ($null -eq $settings) {
        throw (New-ModuleError 'VmNotFound' "This host has no settings of the planned VM $VmId.")
    }
    return $settings
}

function Get-PlannedId {
    $ids = New-AnswerList
    foreach ($planned in (Get-HypervInstance 'Msvm_PlannedComputerSystem')) {
        $ids.Add(([string]$planned.Name).ToUpperInvariant())
    }
    return , $ids
}

# The answer of a method that makes a planned VM.
function New-PlannedAnswer {
    param($Before, $Result, [string]$Name)
    $created = $null
    if ([int64]$Result.ReturnValue -eq 0) {
        $made = Get-OutValue $Result $Name
        if ($null -ne $made -and [string]$made.Name -ne '') {
            $created = ([string]$made.Name).ToUpperInvariant()
        }
        else {
            $created = Select-NewId $Before (Get-PlannedId)
        }
    }
    return [ordered]@{ before = $Before; outcome = (ConvertTo-Started $Result); created = $created }
}

<#
.SYNOPSIS
Imports a VM's definition as a planned VM (ImportSystemDefinition). -NewId true gives it an id of its own.
#>
function Start-TidemarkImport {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][string]$DefinitionFile,
        [Parameter(Mandatory)][AllowEmptyString()][string]$SnapshotFolder,
        [Parameter(Mandatory)][bool]$NewId
    )
    $service = Get-HypervService 'Msvm_VirtualSystemManagementService'
    $before = Get-PlannedId
    $result = Invoke-HypervMethod $service 'ImportSystemDefinition' @{
        SystemDefinitionFile        = $DefinitionFile
        SnapshotFolder              = $SnapshotFolder
        GenerateNewSystemIdentifier = $NewId
    }
    return New-PlannedAnswer $before $result 'ImportedSystem'
}

<#
.SYNOPSIS
Defines a planned VM from a summary (DefinePlannedSystem), without disks and adapters. An empty -Version leaves the configuration version to the host.
#>
function Start-TidemarkDefinition {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][string]$Name,
        [Parameter(Mandatory)][ValidateRange(1, 2)][int]$Generation,
        [Parameter(Mandatory)][AllowEmptyString()][ValidatePattern('^([0-9]{1,3}\.[0-9]{1,3})?\z')][string]$Version,
        [Parameter(Mandatory)][ValidateRange(1, 4096)][int]$ProcessorCount,
        [Parameter(Mandatory)][ValidateRange(1048576, 70368744177664)][uint64]$MemoryBytes,
        [Parameter(Mandatory)][string]$Folder
    )
    $service = Get-HypervService 'Msvm_VirtualSystemManagementService'
    $values = @{
        ElementName            = $Name
        VirtualSystemSubType   = "Microsoft:Hyper-V:SubType:$Generation"
        AutomaticStartupAction = $script:NoAutomaticStart
    }
    if ($Version -ne '') {
        $values.Version = $Version
    }
    foreach ($root in $script:DataRoots) {
        $values[$root] = $Folder
    }
    $settings = New-EmbeddedInstance 'Msvm_VirtualSystemSettingData' $values
    $processor = Get-Template 'Msvm_ProcessorSettingData' 'Microsoft:Hyper-V:Processor'
    Set-PropertyValue $processor 'VirtualQuantity' ([uint64]$ProcessorCount)
    $memory = Get-Template 'Msvm_MemorySettingData' 'Microsoft:Hyper-V:Memory'
    $megabytes = [uint64][System.Math]::Floor($MemoryBytes / 1048576)
    # Fixed memory: all three alike.
    foreach ($property in @('VirtualQuantity', 'Reservation', 'Limit')) {
        Set-PropertyValue $memory $property $megabytes
    }
    Set-PropertyValue $memory 'DynamicMemoryEnabled' $false
    $before = Get-PlannedId
    $result = Invoke-HypervMethod $service 'DefinePlannedSystem' @{
        SystemSettings   = ConvertTo-EmbeddedInstance $settings
        ResourceSettings = [string[]]@((ConvertTo-EmbeddedInstance $processor), (ConvertTo-EmbeddedInstance $memory))
    }
    return New-PlannedAnswer $before $result 'ResultingSystem'
}

# A copy must not start with the host, beside the original: 2 is none.
$script:NoAutomaticStart = [uint16]2

# Every folder of a VM; older builds lack some.
$script:DataRoots = @('ConfigurationDataRoot', 'SnapshotDataRoot', 'SuspendDataRoot', 'SwapFileDataRoot', 'LogDataRoot', 'GuestStateDataRoot')

<#
.SYNOPSIS
The planned VM that a job made: by Msvm_AffectedJobElement, else the one that was not there before. Null when none or several could be it.
#>
function Resolve-TidemarkPlannedVm {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][ValidatePattern('^[0-9A-Za-z:\\{}._-]{1,256}\z')][string]$JobId,
        [Parameter(Mandatory)][AllowEmptyCollection()][string[]]$Before
    )
    $affected = New-AnswerList
    $job = Get-JobInstance $JobId
    if ($null -ne $job) {
        foreach ($planned in (Get-AssociatedInstance $job 'Msvm_AffectedJobElement' 'Msvm_PlannedComputerSystem')) {
            $affected.Add(([string]$planned.Name).ToUpperInvariant())
        }
    }
    $created = Select-NewId $Before $affected
    if ($null -eq $created) {
        $created = Select-NewId $Before (Get-PlannedId)
    }
    return [ordered]@{ vmId = $created }
}

<#
.SYNOPSIS
All planned VMs of the host, whoever made them (Msvm_PlannedComputerSystem).
#>
function Find-TidemarkPlannedVm {
    [CmdletBinding()]
    param()
    $vms = New-AnswerList
    foreach ($planned in (Get-HypervInstance 'Msvm_PlannedComputerSystem')) {
        $vms.Add([ordered]@{
                id   = ([string]$planned.Name).ToUpperInvariant()
                name = Limit-Text ([string]$planned.ElementName) 4096
            })
    }
    return [ordered]@{ vms = $vms }
}

<#
.SYNOPSIS
The disks and network adapters of a planned VM, and whether it has virtual fibre channel adapters.
#>
function Get-TidemarkPlannedVm {
    [CmdletBinding()]
    param([Parameter(Mandatory)][ValidatePattern('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z')][string]$VmId)
    $settings = Get-PlannedSettings $VmId
    $adapters = New-AnswerList
    foreach ($port in (Get-AdapterPort $settings)) {
        $adapters.Add([string]$port.InstanceID)
    }
    return [ordered]@{
        disks        = (Get-SettingsDisk $settings)
        adapterIds   = $adapters
        fibreChannel = (Get-FibreChannelPart $settings).Count -gt 0
    }
}

<#
.SYNOPSIS
Gives a planned VM its name, and the folder of all its files; it will not start with the host (ModifySystemSettings).
#>
function Rename-TidemarkPlannedVm {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][ValidatePattern('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z')][string]$VmId,
        [Parameter(Mandatory)][string]$Name,
        [Parameter(Mandatory)][string]$Folder
    )
    $settings = Get-PlannedSettings $VmId
    foreach ($root in $script:DataRoots) {
        if ($null -ne $settings.CimInstanceProperties[$root]) {
            Set-PropertyValue $settings $root $Folder
        }
    }
    Set-PropertyValue $settings 'AutomaticStartupAction' $script:NoAutomaticStart
    return Set-SystemName $settings $Name
}

# Calls one of the methods that take a planned VM and nothing else.
function Invoke-PlannedMethod {
    param([string]$VmId, [string]$Method, [string]$Parameter)
    $planned = Get-PlannedMachine $VmId
    $service = Get-HypervService 'Msvm_VirtualSystemManagementService'
    return ConvertTo-Started (Invoke-HypervMethod $service $Method @{ $Parameter = $planned })
}

<#
.SYNOPSIS
Checks whether a planned VM can become a real one (ValidatePlannedSystem); problems are the job's errors.
#>
function Start-TidemarkValidation {
    [CmdletBinding()]
    param([Parameter(Mandatory)][ValidatePattern('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z')][string]$VmId)
    return Invoke-PlannedMethod $VmId 'ValidatePlannedSystem' 'PlannedSystem'
}

<#
.SYNOPSIS
Makes a planned VM a real one, which is off (RealizePlannedSystem).
#>
function Start-TidemarkRealization {
    [CmdletBinding()]
    param([Parameter(Mandatory)][ValidatePattern('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z')][string]$VmId)
    return Invoke-PlannedMethod $VmId 'RealizePlannedSystem' 'PlannedSystem'
}

<#
.SYNOPSIS
Removes a planned VM (DestroySystem); its files stay. Refuses a real one (error id NotPlanned).
#>
function Start-TidemarkPlannedRemoval {
    [CmdletBinding()]
    param([Parameter(Mandatory)][ValidatePattern('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z')][string]$VmId)
    return Invoke-PlannedMethod $VmId 'DestroySystem' 'AffectedSystem'
}
