# The host itself.

# Whether WMI says that the namespace or the class does not exist: the role is not installed.
function Test-RoleMissing {
    param($Exception)
    return @('InvalidNamespace', 'InvalidClass') -contains [string](Get-ExceptionValue $Exception 'NativeErrorCode') -or
        @(2147749902, 2147749904) -contains (Get-ExceptionResult $Exception)
}

<#
.SYNOPSIS
The host's facts (Win32_OperatingSystem, Msvm_VirtualSystemManagementServiceSettingData, and what the classes of this build know).
#>
function Get-TidemarkHost {
    [CmdletBinding()]
    param()
    $system = @(Get-CimInstance -Namespace 'root\cimv2' -ClassName 'Win32_OperatingSystem')[0]
    $answer = [ordered]@{
        name                        = [string]$system.CSName
        build                       = [int]$system.BuildNumber
        osName                      = [string]$system.Caption
        powershellVersion           = $PSVersionTable.PSVersion.ToString()
        hypervAvailable             = $false
        defaultVmFolder             = $null
        defaultDiskFolder           = $null
        hasGuestBackupType          = $false
        hasExcludedVirtualHardDisks = $false
    }
    $service = $null
    try {
        $service = Get-SingleInstance 'Msvm_VirtualSystemManagementService'
    }
    catch {
        if (-not (Test-RoleMissing $_.Exception)) {
            throw
        }
    }
    # Someone who is not elevated sees no error, only nothing.
    if ($null -eq $service) {
        return $answer
    }
    $answer.hypervAvailable = $true
    $settings = Get-SingleInstance 'Msvm_VirtualSystemManagementServiceSettingData'
    if ($null -ne $settings) {
        $answer.defaultVmFolder = Get-PropertyValue $settings 'DefaultExternalDataRoot'
        $answer.defaultDiskFolder = Get-PropertyValue $settings 'DefaultVirtualHardDiskPath'
    }
    $answer.hasGuestBackupType = Test-ClassProperty 'Msvm_VirtualSystemSnapshotSettingData' 'GuestBackupType'
    $answer.hasExcludedVirtualHardDisks = Test-ClassProperty 'Msvm_VirtualSystemExportSettingData' 'ExcludedVirtualHardDisks'
    return $answer
}

<#
.SYNOPSIS
Writes a line to the Application event log under the source that the installation made; writes nothing where that is missing.
#>
function Write-TidemarkEvent {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][ValidateRange(0, 65535)][int]$EventId,
        [Parameter(Mandatory)][ValidateSet('information', 'warning', 'error')][string]$Level,
        [Parameter(Mandatory)][AllowEmptyString()][string]$Message
    )
    $source = 'Tidemark Agent'
    if ([System.Environment]::OSVersion.Platform -ne [System.PlatformID]::Win32NT) {
        return [ordered]@{ written = $false }
    }
    # Not EventLog.SourceExists: it searches all logs and throws where one may not be read.
    $key = [Microsoft.Win32.Registry]::LocalMachine.OpenSubKey("SYSTEM\CurrentControlSet\Services\EventLog\Application\$source")
    if ($null -eq $key) {
        return [ordered]@{ written = $false }
    }
    $key.Dispose()
    $type = [System.Diagnostics.EventLogEntryType]$Level
    # A longer text than this is refused by the event log.
    [System.Diagnostics.EventLog]::WriteEntry($source, (Limit-Text $Message 31000), $type, $EventId)
    return [ordered]@{ written = $true }
}
