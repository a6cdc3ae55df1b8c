# The disks and network adapters of a planned VM.

# How long a step inside one command may take: a planned VM's settings are changed at once, as a rule without a job.
$script:ShortJobMs = 30000

# The template that Hyper-V has for a kind of device. New devices are copies of it: its InstanceID stays, Hyper-V gives them one of their own.
function Get-Template {
    param([string]$Class, [string]$SubType)
    foreach ($template in (Get-HypervInstance $Class @{ ResourceSubType = $SubType })) {
        $id = [string]$template.InstanceID
        if ($id.StartsWith('Microsoft:Definition\', [System.StringComparison]::OrdinalIgnoreCase) -and
            $id.EndsWith('\Default', [System.StringComparison]::OrdinalIgnoreCase)) {
            return $template
        }
    }
    throw (New-ModuleError 'NoTemplate' "Hyper-V has no template of $SubType.")
}

# Adds devices and gives the method's result.
function Add-Device {
    param($Settings, $Devices)
    $texts = [System.Collections.Generic.List[string]]::new()
    foreach ($device in $Devices) {
        $texts.Add((ConvertTo-EmbeddedInstance $device))
    }
    $service = Get-HypervService 'Msvm_VirtualSystemManagementService'
    return Invoke-HypervMethod $service 'AddResourceSettings' @{ AffectedConfiguration = $Settings; ResourceSettings = $texts.ToArray() }
}

# Changes devices: -Devices are instances whose properties were changed here.
function Edit-Device {
    param($Devices)
    $texts = [System.Collections.Generic.List[string]]::new()
    foreach ($device in $Devices) {
        $texts.Add((ConvertTo-EmbeddedInstance $device))
    }
    if ($texts.Count -eq 0) {
        return [ordered]@{ state = 'done' }
    }
    $service = Get-HypervService 'Msvm_VirtualSystemManagementService'
    return ConvertTo-Started (Invoke-HypervMethod $service 'ModifyResourceSettings' @{ ResourceSettings = $texts.ToArray() })
}

# Removes devices, in this order: nothing may hang on what goes.
function Remove-Device {
    param($Devices)
    if ($Devices.Count -eq 0) {
        return [ordered]@{ state = 'done' }
    }
    $service = Get-HypervService 'Msvm_VirtualSystemManagementService'
    return ConvertTo-Started (Invoke-HypervMethod $service 'RemoveResourceSettings' @{ ResourceSettings = ConvertTo-ReferenceArray $Devices })
}

# Waits for a step that the next one builds on. The only wait in the module, and it is bounded.
function Wait-ShortJob {
    param($Result)
    $started = ConvertTo-Started $Result
    if ($started.state -eq 'done') {
        return
    }
    $clock = [System.Diagnostics.Stopwatch]::StartNew()
    while ($clock.ElapsedMilliseconds -lt $script:ShortJobMs) {
        $job = (Get-TidemarkJob -JobId $started.jobId).job
        # A job vanishes only after its end; what it should have made is looked for by the caller.
        if ($null -eq $job -or $job.jobState -eq 7 -or $job.jobState -eq 32768) {
            if ($null -ne $job -and $job.errorCode -ne 0) {
                throw (New-ModuleError 'StepFailed' $job.errorDescription 'AddResourceSettings' $job.errorCode $job.errors)
            }
            return
        }
        if (@(8, 9, 10) -contains $job.jobState) {
            throw (New-ModuleError 'StepFailed' $job.errorDescription 'AddResourceSettings' $job.errorCode $job.errors)
        }
        [System.Threading.Thread]::Sleep(100)
    }
    throw (New-ModuleError 'StepTooSlow' 'Hyper-V did not add a device in time.')
}

# The part with this InstanceID, or an error: an id of another VM is never taken.
function Select-Device {
    param($Devices, [string]$InstanceId)
    foreach ($device in $Devices) {
        if ([string]$device.InstanceID -eq $InstanceId) {
            return $device
        }
    }
    throw (New-ModuleError 'DeviceNotFound' "The planned VM has no device $InstanceId.")
}

# A text of a table that came with a request.
function Get-EntryText {
    param([hashtable]$Entry, [string]$Name)
    if ($Entry[$Name] -isnot [string]) {
        throw (New-ModuleError 'WrongArgument' "An entry wants the text $Name.")
    }
    return $Entry[$Name]
}

<#
.SYNOPSIS
Gives the disks of a planned VM their new files (ModifyResourceSettings).
#>
function Start-TidemarkDiskChange {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][ValidatePattern('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z')][string]$VmId,
        [Parameter(Mandatory)][AllowEmptyCollection()][hashtable[]]$Disk
    )
    $storage = Get-SettingsComponent (Get-PlannedSettings $VmId) 'Msvm_StorageAllocationSettingData'
    $changed = New-AnswerList
    foreach ($entry in $Disk) {
        $file = Select-Device $storage (Get-EntryText $entry 'instanceId')
        Set-PropertyValue $file 'HostResource' ([string[]]@(Get-EntryText $entry 'path'))
        $changed.Add($file)
    }
    return Edit-Device $changed
}

<#
.SYNOPSIS
Takes disks out of a planned VM, each with its drive (RemoveResourceSettings).
#>
function Start-TidemarkDiskRemoval {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][ValidatePattern('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z')][string]$VmId,
        [Parameter(Mandatory)][AllowEmptyCollection()][string[]]$InstanceId
    )
    $settings = Get-PlannedSettings $VmId
    $drives = Get-SettingsComponent $settings 'Msvm_ResourceAllocationSettingData'
    $storage = Get-SettingsComponent $settings 'Msvm_StorageAllocationSettingData'
    $removed = New-AnswerList
    foreach ($id in $InstanceId) {
        $physical = $false
        foreach ($drive in $drives) {
            if ([string]$drive.InstanceID -eq $id -and [string]$drive.ResourceSubType -eq $script:PhysicalDrive) {
                $removed.Add($drive)
                $physical = $true
            }
        }
        if (-not $physical) {
            $file = Select-Device $storage $id
            # First what lies in the drive, then the drive.
            $removed.Add($file)
            $removed.Add((Select-Device $drives (Get-PathInstanceId $file.Parent)))
        }
    }
    return Remove-Device $removed
}

# Where the n-th disk of a new VM goes: generation 1 boots from IDE, which has four places.
function Get-DiskPlace {
    param([int]$Index, [int]$Generation)
    if ($Generation -eq 1 -and $Index -lt 4) {
        return @{ type = $script:IdeController; number = [int][System.Math]::Floor($Index / 2); location = $Index % 2 }
    }
    $rest = $Index
    if ($Generation -eq 1) {
        $rest = $Index - 4
    }
    return @{ type = $script:ScsiController; number = [int][System.Math]::Floor($rest / 64); location = $rest % 64 }
}

# The controllers of a type, in the order in which they count.
function Get-Controller {
    param($Settings, [string]$SubType)
    $controllers = New-AnswerList
    foreach ($resource in (Get-SettingsComponent $Settings 'Msvm_ResourceAllocationSettingData')) {
        if ([string]$resource.ResourceSubType -eq $SubType) {
            $controllers.Add($resource)
        }
    }
    return , $controllers
}

# Adds SCSI controllers until there are so many.
function Add-ScsiController {
    param($Settings, [int]$Count)
    $missing = $Count - (Get-Controller $Settings $script:ScsiController).Count
    if ($missing -le 0) {
        return
    }
    $new = New-AnswerList
    for ($index = 0; $index -lt $missing; $index++) {
        $new.Add((Get-Template 'Msvm_ResourceAllocationSettingData' $script:ScsiController))
    }
    Wait-ShortJob (Add-Device $Settings $new)
}

# The drive at a place of a controller.
function Find-Drive {
    param($Drives, [string]$ControllerId, [int]$Location)
    foreach ($drive in $Drives) {
        if ([string]$drive.ResourceSubType -eq $script:SyntheticDrive -and
            (Get-PathInstanceId $drive.Parent) -eq $ControllerId -and [string]$drive.AddressOnParent -eq [string]$Location) {
            return $drive
        }
    }
    throw (New-ModuleError 'StepFailed' 'Hyper-V did not add the drive for a disk.')
}

<#
.SYNOPSIS
Adds drives with these files to a planned VM that was defined anew (AddResourceSettings: controllers, drives, then the files).
#>
function Start-TidemarkDiskAddition {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][ValidatePattern('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z')][string]$VmId,
        [Parameter(Mandatory)][ValidateRange(1, 2)][int]$Generation,
        [Parameter(Mandatory)][AllowEmptyCollection()][ValidateCount(0, 256)][string[]]$Path
    )
    $settings = Get-PlannedSettings $VmId
    if ($Path.Count -eq 0) {
        return [ordered]@{ state = 'done' }
    }
    $last = Get-DiskPlace ($Path.Count - 1) $Generation
    if ($last.type -eq $script:ScsiController) {
        Add-ScsiController $settings ($last.number + 1)
    }
    $controllers = @{}
    foreach ($type in @($script:IdeController, $script:ScsiController)) {
        $controllers[$type] = Get-Controller $settings $type
    }
    $places = New-AnswerList
    $drives = New-AnswerList
    for ($index = 0; $index -lt $Path.Count; $index++) {
        $place = Get-DiskPlace $index $Generation
        if ($place.number -ge $controllers[$place.type].Count) {
            throw (New-ModuleError 'DeviceNotFound' "The planned VM lacks a $($place.type).")
        }
        $place.controller = $controllers[$place.type][$place.number]
        $places.Add($place)
        $drive = Get-Template 'Msvm_ResourceAllocationSettingData' $script:SyntheticDrive
        Set-PropertyValue $drive 'Parent' (Get-InstancePath $place.controller)
        Set-PropertyValue $drive 'AddressOnParent' ([string]$place.location)
        $drives.Add($drive)
    }
    Wait-ShortJob (Add-Device $settings $drives)
    $added = Get-SettingsComponent $settings 'Msvm_ResourceAllocationSettingData'
    $files = New-AnswerList
    for ($index = 0; $index -lt $Path.Count; $index++) {
        $holder = Find-Drive $added $places[$index].controller.InstanceID $places[$index].location
        $file = Get-Template 'Msvm_StorageAllocationSettingData' $script:VirtualHardDisk
        Set-PropertyValue $file 'Parent' (Get-InstancePath $holder)
        Set-PropertyValue $file 'HostResource' ([string[]]@($Path[$index]))
        $files.Add($file)
    }
    return ConvertTo-Started (Add-Device $settings $files)
}
