<#
.SYNOPSIS
Installs, upgrades or uninstalls the Tidemark agent on a Hyper-V host.

.DESCRIPTION
Run it as an administrator, in the unpacked folder of the agent's package. Works on Server Core.

It checks this computer, copies the program, writes the settings, makes a certificate, installs the service
"Tidemark Agent", opens its port in the firewall for domain and private networks, starts it, and waits until it answers.
When anything fails, what was there before is put back.

In the end it shows the address and the fingerprint with which you add this host in VS Code.

.PARAMETER InstallPath
Folder of the program. C:\Program Files\Tidemark Agent when absent.

.PARAMETER DataPath
Folder of settings, certificate and logs. C:\ProgramData\Tidemark Agent when absent.

.PARAMETER Protocol
https (the default), or http: then data and commands are not encrypted.

.PARAMETER Port
Port to listen on. 8440 when absent.

.PARAMETER ListenAddress
Address of this computer to listen on. All of them when absent.

.PARAMETER Password
The password that daemons must know, at least 12 characters. Asked for twice when it is absent and needed.

.PARAMETER PasswordFile
File whose first line is the password, for unattended installations.

.PARAMETER RemovePasswordFile
Remove that file as soon as it is read.

.PARAMETER Threads
Reads of disks at a time, over all daemons. 4 when absent.

.PARAMETER NoFirewallRule
Leave the firewall as it is, now and at upgrades. With -NoFirewallRule:$false an upgrade opens it again.

.PARAMETER ServiceAccount
A group managed service account, DOMAIN\name$, or LocalSystem. When absent, the account that the service has, or LocalSystem.

.PARAMETER Upgrade
Fail when no agent is installed. Without it, an agent that is there is upgraded too.

.PARAMETER Uninstall
Remove the service and the program. Settings, certificate and logs stay.

.PARAMETER RemoveData
With -Uninstall: remove settings, password, certificate and logs too.

.PARAMETER Unattended
Ask nothing. What is needed and absent is an error.

.PARAMETER Provider
hyperv, or simulated: a trial on a computer without Hyper-V, with the host directory in -Root.

.PARAMETER Root
Directory of the simulated host.

.EXAMPLE
powershell.exe -ExecutionPolicy Bypass -File .\Install-TidemarkAgent.ps1

.EXAMPLE
powershell.exe -ExecutionPolicy Bypass -File .\Install-TidemarkAgent.ps1 -Unattended -PasswordFile C:\Temp\agent.pw -RemovePasswordFile -Port 9440

.EXAMPLE
powershell.exe -ExecutionPolicy Bypass -File .\Install-TidemarkAgent.ps1 -Uninstall -RemoveData
#>
[CmdletBinding(DefaultParameterSetName = 'Install')]
param(
    [Parameter(ParameterSetName = 'Install')] [string] $InstallPath = '',
    [Parameter(ParameterSetName = 'Install')] [string] $DataPath = '',
    [Parameter(ParameterSetName = 'Install')] [ValidateSet('', 'http', 'https')] [string] $Protocol = '',
    [Parameter(ParameterSetName = 'Install')] [ValidateRange(0, 65535)] [int] $Port = 0,
    [Parameter(ParameterSetName = 'Install')] [string] $ListenAddress = '',
    [Parameter(ParameterSetName = 'Install')] [securestring] $Password = $null,
    [Parameter(ParameterSetName = 'Install')] [string] $PasswordFile = '',
    [Parameter(ParameterSetName = 'Install')] [switch] $RemovePasswordFile,
    [Parameter(ParameterSetName = 'Install')] [ValidateRange(0, 16)] [int] $Threads = 0,
    [Parameter(ParameterSetName = 'Install')] [switch] $NoFirewallRule,
    [Parameter(ParameterSetName = 'Install')] [string] $ServiceAccount = '',
    [Parameter(ParameterSetName = 'Install')] [switch] $Upgrade,
    [Parameter(ParameterSetName = 'Install')] [ValidateSet('', 'hyperv', 'simulated')] [string] $Provider = '',
    [Parameter(ParameterSetName = 'Install')] [string] $Root = '',
    [Parameter(ParameterSetName = 'Uninstall', Mandatory = $true)] [switch] $Uninstall,
    [Parameter(ParameterSetName = 'Uninstall')] [switch] $RemoveData,
    [switch] $Unattended
)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

$shortestPassword = 12
$oldestBuild = 14393

function Stop-Installation {
    param([string] $Message, [string] $Hint)
    [Console]::Error.WriteLine("Tidemark: $Message")
    [Console]::Error.WriteLine("  $Hint")
    exit 2
}

# What must be right before the program can be started at all; it checks the rest itself.
function Assert-Computer {
    if ($PSVersionTable.PSVersion -lt [version] '5.1') {
        Stop-Installation "This is PowerShell $($PSVersionTable.PSVersion)." 'The agent needs Windows PowerShell 5.1 or newer.'
    }
    if (-not [Environment]::Is64BitOperatingSystem) {
        Stop-Installation 'This Windows is not a 64-bit one.' 'The agent runs on 64-bit Windows only.'
    }
    if (-not [Environment]::Is64BitProcess) {
        Stop-Installation 'This is the 32-bit PowerShell.' 'Run this in the 64-bit Windows PowerShell.'
    }
    $build = [Environment]::OSVersion.Version.Build
    if ($build -lt $oldestBuild) {
        Stop-Installation "This Windows is too old: build $build." "The agent needs Windows Server 2016 (build $oldestBuild) or newer."
    }
    $me = [Security.Principal.WindowsPrincipal] [Security.Principal.WindowsIdentity]::GetCurrent()
    if (-not $me.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
        Stop-Installation 'This is not run as an administrator.' 'Open PowerShell with "Run as administrator" and try again.'
    }
    foreach ($name in 'node.exe', 'nssm.exe', 'server\tidemark.js') {
        if (-not (Test-Path -LiteralPath (Join-Path $PSScriptRoot $name) -PathType Leaf)) {
            Stop-Installation "The file $name is missing beside this script." 'Unpack the whole package again.'
        }
    }
}

# What an installation wrote to the registry; an empty text when there is nothing of that name.
function Get-Remembered {
    param([string] $Name)
    $key = 'HKLM:\SOFTWARE\Tidemark\Agent'
    if (-not (Test-Path -LiteralPath $key)) { return '' }
    $property = (Get-ItemProperty -LiteralPath $key).PSObject.Properties[$Name]
    if ($null -eq $property) { return '' }
    return [string] $property.Value
}

function ConvertFrom-SecureText {
    param([securestring] $Secure)
    $pointer = [Runtime.InteropServices.Marshal]::SecureStringToBSTR($Secure)
    try { return [Runtime.InteropServices.Marshal]::PtrToStringBSTR($pointer) }
    finally { [Runtime.InteropServices.Marshal]::ZeroFreeBSTR($pointer) }
}

function Read-NewPassword {
    Write-Host 'Choose a password for this agent. Whoever knows it can read and restore every VM of this host.'
    Write-Host "At least $shortestPassword characters; a long random one is best. You type it once more in VS Code."
    for (;;) {
        $first = ConvertFrom-SecureText (Read-Host -Prompt 'Password' -AsSecureString)
        if ($first.Length -lt $shortestPassword) {
            Write-Host "It is shorter than $shortestPassword characters. Try again."
            continue
        }
        $second = ConvertFrom-SecureText (Read-Host -Prompt 'The same again' -AsSecureString)
        if ($first -ceq $second) { return $first }
        Write-Host 'They differ. Try again.'
    }
}

# The password as text, or $null when the one that is set stays, or when a file has it.
function Resolve-Password {
    if ($null -ne $Password) { return ConvertFrom-SecureText $Password }
    if ($PasswordFile -ne '') { return $null }
    $known = Get-Remembered 'DataPath'
    if ($known -ne '' -and (Test-Path -LiteralPath (Join-Path $known 'credential.json'))) { return $null }
    if ($Unattended) {
        Stop-Installation 'A password is needed.' 'Give -PasswordFile FILE, or -Password with a secure string.'
    }
    return Read-NewPassword
}

# One argument as CommandLineToArgvW reads it: quotes, and the backslashes before them, are escaped.
function ConvertTo-Argument {
    param([string] $Text)
    $escaped = [regex]::Replace($Text, '(\\*)("|$)', {
            param($match)
            $slashes = $match.Groups[1].Value
            if ($match.Groups[2].Value -eq '"') { return $slashes + $slashes + '\"' }
            return $slashes + $slashes
        })
    return '"' + $escaped + '"'
}

# Runs the program of the package. Its steps go to the console, its result to the output. The password is never an argument: it goes through the standard input.
function Invoke-Agent {
    param([string[]] $Arguments, [string] $InputLine)
    $start = New-Object System.Diagnostics.ProcessStartInfo
    $start.FileName = Join-Path $PSScriptRoot 'node.exe'
    $entry = Join-Path $PSScriptRoot 'server\tidemark.js'
    $start.Arguments = (@($entry) + $Arguments | ForEach-Object { ConvertTo-Argument $_ }) -join ' '
    $start.UseShellExecute = $false
    $start.RedirectStandardInput = $true
    $start.RedirectStandardOutput = $true
    $start.StandardOutputEncoding = [Text.Encoding]::UTF8
    $process = [System.Diagnostics.Process]::Start($start)
    try {
        if ($InputLine -ne '') {
            $bytes = [Text.Encoding]::UTF8.GetBytes($InputLine + "`n")
            $process.StandardInput.BaseStream.Write($bytes, 0, $bytes.Length)
            [Array]::Clear($bytes, 0, $bytes.Length)
        }
        $process.StandardInput.Close()
        $text = $process.StandardOutput.ReadToEnd().TrimEnd()
        if ($text -ne '') { Write-Output $text }
        $process.WaitForExit()
        $script:agentExitCode = $process.ExitCode
    }
    finally { $process.Dispose() }
}

function Get-InstallArguments {
    param([bool] $PasswordByInput)
    $result = @('agent', 'install')
    $given = @{
        '--install-path'    = $InstallPath
        '--data-path'       = $DataPath
        '--protocol'        = $Protocol
        '--listen-address'  = $ListenAddress
        '--service-account' = $ServiceAccount
        '--provider'        = $Provider
        '--root'            = $Root
        '--password-file'   = $PasswordFile
    }
    if ($Port -ne 0) { $given['--port'] = [string] $Port }
    if ($Threads -ne 0) { $given['--threads'] = [string] $Threads }
    if ($PasswordByInput) { $given['--password-file'] = '-' }
    foreach ($name in $given.Keys) {
        if ($given[$name] -ne '') { $result += @($name, $given[$name]) }
    }
    if ($RemovePasswordFile) { $result += '--remove-password-file' }
    if ($NoFirewallRule) { $result += '--no-firewall-rule' }
    elseif ($isFirewallRuleWanted) { $result += '--firewall-rule' }
    return $result
}

function Install-Agent {
    if ($Upgrade -and (Get-Remembered 'InstallPath') -eq '') {
        Stop-Installation 'No Tidemark agent is installed here.' 'Install it without -Upgrade.'
    }
    if ($null -ne $Password -and $PasswordFile -ne '') {
        Stop-Installation '-Password and -PasswordFile do not fit together.' 'Give one of them.'
    }
    $text = Resolve-Password
    if ($null -eq $text) { Invoke-Agent -Arguments (Get-InstallArguments $false) -InputLine '' }
    else { Invoke-Agent -Arguments (Get-InstallArguments $true) -InputLine $text }
}

function Uninstall-Agent {
    $arguments = @('agent', 'uninstall')
    if ($RemoveData) { $arguments += '--remove-data' }
    # A folder in which a program works cannot be removed.
    Set-Location -LiteralPath $env:SystemRoot
    [Environment]::CurrentDirectory = $env:SystemRoot
    Invoke-Agent -Arguments $arguments -InputLine ''
    # The installed program could not remove itself while it ran.
    if ($script:agentExitCode -eq 0 -and $script:isInstalledHere) {
        Remove-Item -LiteralPath $PSScriptRoot -Recurse -Force
    }
}

$agentExitCode = 1
$isFirewallRuleWanted = $PSBoundParameters.ContainsKey('NoFirewallRule') -and -not $NoFirewallRule
Assert-Computer
$isInstalledHere = (Get-Remembered 'InstallPath') -eq $PSScriptRoot
if ($Uninstall) { Uninstall-Agent } else { Install-Agent }
exit $agentExitCode
