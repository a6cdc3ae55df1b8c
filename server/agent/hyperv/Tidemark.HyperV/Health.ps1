# What `tidemark agent doctor` asks besides what a backup asks: of all VMs at once, and read only.

$script:GuidInText = [regex]::new('[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}')
# The HRESULTs of an account that may not log on as a service, as they stand in the events of Hyper-V in every language.
$script:LogonRefused = [regex]::new('0x8007052F|0x80070569', [System.Text.RegularExpressions.RegexOptions]::IgnoreCase)
$script:LogonEvents = 200

# The state of VSS of every VM that has the component.
function Get-AllVss {
    $list = New-AnswerList
    foreach ($component in (Get-HypervInstance 'Msvm_VssComponent')) {
        # The templates of Hyper-V belong to no VM.
        if (Test-Guid $component.SystemName) {
            $list.Add([ordered]@{
                    vmId              = ([string]$component.SystemName).ToUpperInvariant()
                    enabledState      = [int]$component.EnabledState
                    operationalStatus = New-AnswerList $component.OperationalStatus
                })
        }
    }
    return , $list
}

# The VMs whose disks may not merge.
function Get-MergeLockedVm {
    $list = New-AnswerList
    foreach ($settings in (Get-HypervInstance 'Msvm_DiskMergeSettingData')) {
        $match = $script:GuidInText.Match([string]$settings.InstanceID)
        if ($match.Success -and [int64](Get-PropertyValue $settings 'EnabledState' 1) -eq 0) {
            $list.Add($match.Value.ToUpperInvariant())
        }
    }
    return , $list
}

# The number behind the build (UBR), which tells the month's update; $null elsewhere than on Windows.
function Get-UpdateRevision {
    if ([System.Environment]::OSVersion.Platform -ne [System.PlatformID]::Win32NT) {
        return $null
    }
    $key = [Microsoft.Win32.Registry]::LocalMachine.OpenSubKey('SOFTWARE\Microsoft\Windows NT\CurrentVersion')
    if ($null -eq $key) {
        return $null
    }
    $revision = $key.GetValue('UBR')
    $key.Dispose()
    return $revision
}

# How many of the last errors of a log say that the VMs' account may not log on as a service; $null where events cannot be read.
function Get-LogonRefusal {
    $reader = $ExecutionContext.InvokeCommand.GetCommand('Get-WinEvent', [System.Management.Automation.CommandTypes]::Cmdlet)
    if ($null -eq $reader) {
        return $null
    }
    $count = 0
    $last = $null
    foreach ($log in @('Microsoft-Windows-Hyper-V-VMMS-Admin', 'Microsoft-Windows-Hyper-V-Worker-Admin')) {
        # SilentlyContinue: that a log has no such events is an error to this cmdlet.
        $events = & $reader -FilterHashtable @{ LogName = $log; Level = 2 } -MaxEvents $script:LogonEvents -ErrorAction SilentlyContinue
        foreach ($entry in @($events)) {
            if ($null -ne $entry -and $script:LogonRefused.Match([string]$entry.Message).Success) {
                $count++
                $time = Format-UtcTime $entry.TimeCreated
                if ($null -eq $last -or $time -gt $last) {
                    $last = $time
                }
            }
        }
    }
    return [ordered]@{ count = $count; lastAt = $last }
}

# The rights of a file in SDDL, where names of accounts are not translated; $null when they cannot be read.
function Get-FileRights {
    param([string]$File)
    $reader = $ExecutionContext.InvokeCommand.GetCommand('Get-Acl', [System.Management.Automation.CommandTypes]::Cmdlet)
    if ($null -eq $reader) {
        return $null
    }
    try {
        return Limit-Text ([string](& $reader -LiteralPath $File).Sddl) 65536
    }
    catch {
        return $null
    }
}

<#
.SYNOPSIS
The health of the host: Msvm_VssComponent and Msvm_DiskMergeSettingData of all VMs, the number of the last update, refused log-ons in the events of Hyper-V, and the rights of files.
#>
function Get-TidemarkHealth {
    [CmdletBinding()]
    param([Parameter(Mandatory)][AllowEmptyCollection()][ValidateCount(0, 32)][string[]]$Path)
    $rights = New-AnswerList
    foreach ($file in $Path) {
        $rights.Add([ordered]@{ path = $file; sddl = (Get-FileRights $file) })
    }
    return [ordered]@{
        vss            = Get-AllVss
        mergeLocked    = Get-MergeLockedVm
        updateRevision = Get-UpdateRevision
        logonRefusal   = Get-LogonRefusal
        rights         = $rights
    }
}
