# What helps to understand a failure: lines for the agent's log, bounded in number and length.

$script:DiagnosticLines = 1024
$script:DiagnosticLength = 1000
$script:EventsPerLog = 15

# A line of diagnostics, if there is still room. Line breaks would look like lines of their own in a log.
function Add-DiagnosticLine {
    param($Lines, [string]$Text)
    if ($Lines.Count -lt $script:DiagnosticLines) {
        $Lines.Add((Limit-Text ($Text -replace '[\r\n]+', ' ') $script:DiagnosticLength))
    }
}

# Runs one part; that it failed is a line too: diagnostics must not end where it gets interesting.
function Add-DiagnosticPart {
    param($Lines, [string]$Title, [scriptblock]$Part)
    try {
        & $Part
    }
    catch {
        Add-DiagnosticLine $Lines "${Title}: $($_.Exception.Message)"
    }
}

function Add-SettingsLine {
    param($Lines, $Setting)
    Add-DiagnosticLine $Lines "settings $($Setting.InstanceID) $($Setting.VirtualSystemType) parent=$(Get-PathInstanceId (Get-PropertyText $Setting 'Parent')) name=$($Setting.ElementName)"
    foreach ($disk in (Get-SettingsDisk $Setting)) {
        Add-DiagnosticLine $Lines "  $($disk.kind) $($disk.controller) $($disk.controllerNumber):$($disk.location) $($disk.path)"
    }
}

# The last warnings and errors of a log. Not every build has every log, and PowerShell 7 elsewhere than on Windows has none.
function Add-EventLine {
    param($Lines, [string]$Log)
    $reader = $ExecutionContext.InvokeCommand.GetCommand('Get-WinEvent', [System.Management.Automation.CommandTypes]::Cmdlet)
    if ($null -eq $reader) {
        return
    }
    # 2 error, 3 warning. SilentlyContinue: that there are none is an error to this cmdlet.
    $events = & $reader -FilterHashtable @{ LogName = $Log; Level = @(2, 3) } -MaxEvents $script:EventsPerLog -ErrorAction SilentlyContinue
    foreach ($entry in @($events)) {
        if ($null -ne $entry) {
            Add-DiagnosticLine $Lines "event $Log $(Format-UtcTime $entry.TimeCreated) $($entry.Id) $($entry.Message)"
        }
    }
}

<#
.SYNOPSIS
What the host says about a VM: settings with disks, reference points, merge settings, the last events of the Hyper-V logs.
#>
function Get-TidemarkDiagnostic {
    [CmdletBinding()]
    param([Parameter(Mandatory)][ValidatePattern('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z')][string]$VmId)
    $lines = New-AnswerList
    Add-DiagnosticPart $lines 'vm' {
        $vm = Get-VirtualMachine $VmId
        Add-DiagnosticLine $lines "vm $VmId state=$($vm.EnabledState) health=$($vm.HealthState) status=$([string]::Join(',', @($vm.OperationalStatus))) name=$($vm.ElementName)"
    }
    Add-DiagnosticPart $lines 'settings' {
        foreach ($setting in (Get-SystemSettings $VmId)) {
            Add-SettingsLine $lines $setting
        }
    }
    Add-DiagnosticPart $lines 'reference points' {
        foreach ($point in (Get-TidemarkReferencePoint -VmId $VmId).referencePoints) {
            Add-DiagnosticLine $lines "reference point $($point.id) type=$($point.type) disks=$($point.diskInstanceIds.Count) tracking=$($point.trackingIds.Count)"
        }
    }
    Add-DiagnosticPart $lines 'merging' {
        $merge = Get-MergeSettings $VmId
        if ($null -ne $merge) {
            Add-DiagnosticLine $lines "merging $($merge.InstanceID) enabled=$($merge.EnabledState)"
        }
    }
    foreach ($log in @('Microsoft-Windows-Hyper-V-VMMS-Admin', 'Microsoft-Windows-Hyper-V-VMMS-Storage', 'Microsoft-Windows-Hyper-V-Worker-Admin', 'Microsoft-Windows-VHDMP-Operational')) {
        Add-DiagnosticPart $lines $log { Add-EventLine $lines $log }
    }
    return [ordered]@{ lines = $lines }
}
