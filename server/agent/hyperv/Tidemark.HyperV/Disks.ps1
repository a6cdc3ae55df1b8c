# Disks of a VM or of a checkpoint: drives and controllers (RASD) joined with files (SASD) by InstanceID, in memory.

$script:VirtualHardDisk = 'Microsoft:Hyper-V:Virtual Hard Disk'
$script:PhysicalDrive = 'Microsoft:Hyper-V:Physical Disk Drive'
$script:SyntheticDrive = 'Microsoft:Hyper-V:Synthetic Disk Drive'
$script:IdeController = 'Microsoft:Hyper-V:Emulated IDE Controller'
$script:ScsiController = 'Microsoft:Hyper-V:Synthetic SCSI Controller'
$script:PmemController = 'Microsoft:Hyper-V:Persistent Memory Controller'
# What holds no disk of the VM.
$script:RemovableMedia = @('Microsoft:Hyper-V:Virtual CD/DVD Disk', 'Microsoft:Hyper-V:Virtual Floppy Disk')
$script:FibreChannelPort = 'Microsoft:Hyper-V:Synthetic FibreChannel Port'

# Addresses are texts with a number; anything else counts as 0.
function ConvertTo-SmallNumber {
    param($Text)
    $number = 0
    if ([int]::TryParse([string]$Text, [ref]$number) -and $number -ge 0 -and $number -le 255) {
        return $number
    }
    return 0
}

# Controllers (kind and number) and drives by InstanceID, as @{ controllers; drives; physical }.
function New-DriveMap {
    param($Resources)
    $controllers = [hashtable]::new([System.StringComparer]::OrdinalIgnoreCase)
    $drives = [hashtable]::new([System.StringComparer]::OrdinalIgnoreCase)
    $physical = [System.Collections.Generic.List[object]]::new()
    # SCSI controllers have no address: their number is their place among those of the VM, as Hyper-V's own tools count.
    $scsiNumber = 0
    foreach ($resource in $Resources) {
        $subType = $resource.ResourceSubType
        if ($subType -eq $script:SyntheticDrive) {
            $drives[$resource.InstanceID] = $resource
        }
        elseif ($subType -eq $script:ScsiController) {
            $controllers[$resource.InstanceID] = @('SCSI', $scsiNumber)
            $scsiNumber++
        }
        elseif ($subType -eq $script:PhysicalDrive) {
            $physical.Add($resource)
        }
        elseif ($subType -eq $script:IdeController) {
            $controllers[$resource.InstanceID] = @('IDE', (ConvertTo-SmallNumber $resource.Address))
        }
        elseif ($subType -eq $script:PmemController) {
            $controllers[$resource.InstanceID] = @('PMEM', (ConvertTo-SmallNumber $resource.Address))
        }
    }
    return @{ controllers = $controllers; drives = $drives; physical = $physical }
}

# Adds a disk as commands/vms.ts reads it. The drive may be missing (then nobody knows where the disk hangs).
function Add-AttachedDisk {
    param($Disks, [string]$InstanceId, [string]$Kind, [string]$Path, $Drive, $Controllers, [bool]$Shared)
    $controller = $null
    $location = 0
    if ($null -ne $Drive) {
        $controller = $Controllers[(Get-PathInstanceId $Drive.Parent)]
        $location = ConvertTo-SmallNumber $Drive.AddressOnParent
    }
    if ($null -eq $controller) {
        $controller = @('other', 0)
    }
    $Disks.Add([ordered]@{
            instanceId       = $InstanceId
            kind             = $Kind
            path             = $Path
            controller       = $controller[0]
            controllerNumber = $controller[1]
            location         = $location
            shared           = $Shared
        })
}

# The disks, as a list. -Resources are RASDs, -Storage are SASDs, of one VM or checkpoint.
function Select-AttachedDisk {
    param($Resources, $Storage)
    $disks = [System.Collections.Generic.List[object]]::new()
    $map = New-DriveMap $Resources
    foreach ($file in $Storage) {
        # Whatever is not removable is a disk, also of a kind that we do not know: a disk left out silently would be data left out silently.
        if ($script:RemovableMedia -contains $file.ResourceSubType) {
            continue
        }
        $path = ''
        foreach ($first in $file.HostResource) {
            $path = [string]$first
            break
        }
        if ($path -eq '') {
            continue
        }
        $drive = $map.drives[(Get-PathInstanceId $file.Parent)]
        Add-AttachedDisk $disks $file.InstanceID 'virtual' $path $drive $map.controllers ([bool]$file.PersistentReservationsSupported)
    }
    foreach ($drive in $map.physical) {
        $path = [string](Get-FirstElement $drive.HostResource)
        # Its disk may be gone from the host; that the VM has such a drive must be seen all the same.
        if ($path -eq '') {
            $path = [string]$drive.InstanceID
        }
        Add-AttachedDisk $disks $drive.InstanceID 'physical' $path $drive $map.controllers $false
    }
    return , $disks
}

# The disks of one VM or checkpoint, through the association.
function Get-SettingsDisk {
    param($Setting)
    $resources = Get-SettingsComponent $Setting 'Msvm_ResourceAllocationSettingData'
    $storage = Get-SettingsComponent $Setting 'Msvm_StorageAllocationSettingData'
    return , (Select-AttachedDisk $resources $storage)
}

<#
.SYNOPSIS
Describes disk files (Msvm_ImageManagementService.GetVirtualHardDiskSettingData). One that cannot be described has its reason in 'error'.
#>
function Get-TidemarkVirtualDisk {
    [CmdletBinding()]
    param([Parameter(Mandatory)][AllowEmptyCollection()][string[]]$Path)
    $service = Get-HypervService 'Msvm_ImageManagementService'
    $disks = New-AnswerList
    foreach ($file in $Path) {
        $facts = $null
        $reason = ''
        try {
            $facts = Get-DiskFileFacts $service $file
        }
        catch {
            if (-not (Test-FileFailure $_)) {
                throw
            }
            $reason = Limit-Text (Join-ErrorText $_) 65536
        }
        $disks.Add([ordered]@{ path = $file; disk = $facts; error = $reason })
    }
    return [ordered]@{ disks = $disks }
}

# Whether an error is about the file that was asked for. When WMI itself fails, all files would fail alike.
function Test-FileFailure {
    param($ErrorRecord)
    if (@('WmiMethodFailed', 'DiskNotDescribed', 'NoInstance') -contains $ErrorRecord.FullyQualifiedErrorId) {
        return $true
    }
    $number = Get-ExceptionResult $ErrorRecord.Exception $ErrorRecord.FullyQualifiedErrorId
    $facility = [System.Math]::Floor($number / 65536)
    $code = $number % 65536
    # 0xC03A: virtual disks. 0x8007: Windows' own errors; 14 is out of memory, 1700 to 1799 are of RPC.
    return $facility -eq 49210 -or ($facility -eq 32775 -and $code -ne 14 -and ($code -lt 1700 -or $code -gt 1799))
}

function Get-DiskFileFacts {
    param($Service, [string]$File)
    $result = Invoke-HypervMethod $Service 'GetVirtualHardDiskSettingData' @{ Path = $File }
    $text = [string](Get-OutValue $result 'SettingData')
    if ($text -eq '') {
        throw (New-ModuleError 'DiskNotDescribed' 'Hyper-V gave no description of this file.' 'GetVirtualHardDiskSettingData' ([int64]$result.ReturnValue))
    }
    $values = ConvertFrom-EmbeddedInstance $text
    return [ordered]@{
        path                = $File
        format              = [int]$values['Format']
        type                = [int]$values['Type']
        parentPath          = [string]$values['ParentPath']
        sizeBytes           = [uint64]$values['MaxInternalSize']
        logicalSectorBytes  = [int]$values['LogicalSectorSize']
        physicalSectorBytes = [int]$values['PhysicalSectorSize']
        virtualDiskId       = [string]$values['VirtualDiskId']
    }
}

# The message of an error with its HRESULT and the texts of Hyper-V that came with it.
function Join-ErrorText {
    param($ErrorRecord)
    $texts = [System.Collections.Generic.List[string]]::new()
    $texts.Add($ErrorRecord.Exception.Message)
    $number = Get-ExceptionResult $ErrorRecord.Exception $ErrorRecord.FullyQualifiedErrorId
    # 0x8013....: .NET's own, which says nothing.
    if ([System.Math]::Floor($number / 65536) -ne 32787) {
        $texts.Add('(0x{0:X8})' -f $number)
    }
    $details = $ErrorRecord.Exception.Data['details']
    if ($null -ne $details) {
        foreach ($detail in $details) {
            $texts.Add(($detail.message + ' ' + $detail.messageId).Trim())
        }
    }
    return [string]::Join(' ', $texts.ToArray())
}
