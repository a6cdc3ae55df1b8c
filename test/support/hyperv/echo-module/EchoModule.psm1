# The dispatcher of the agent's module with functions that only tests have: what goes in comes back as it arrived.
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

$folder = [System.IO.Path]::Combine($PSScriptRoot, '..', '..', '..', '..', 'server', 'agent', 'hyperv', 'Tidemark.HyperV')
foreach ($part in @('Values', 'Errors', 'Requests', 'Dispatcher')) {
    . ([System.IO.Path]::Combine($folder, "$part.ps1"))
}

# The text, and each of its UTF-16 units as a number: whatever the way back makes of it, the numbers say what arrived.
function Get-TidemarkEcho {
    param([Parameter(Mandatory)][AllowEmptyString()][string]$Text)
    $units = New-AnswerList
    foreach ($unit in $Text.ToCharArray()) {
        $units.Add([int]$unit)
    }
    return [ordered]@{ text = $Text; units = $units }
}

# A PowerShell that behaves badly.
function Get-TidemarkScripted {
    param([Parameter(Mandatory)][string]$How, [string]$Text = '')
    switch ($How) {
        'hang' { [System.Threading.Thread]::Sleep(-1) }
        'die' { [System.Diagnostics.Process]::GetCurrentProcess().Kill() }
        'exit' { [System.Environment]::Exit(0) }
        'error stream' { [Console]::Error.WriteLine('Gr' + [char]0xFC + 'n ' + $Text) }
        'noise' { [Console]::Out.WriteLine($Text) }
        'throw' { throw $Text }
        'long' { $Text = [string]::new([char]0x20AC, 1000000) }
    }
    return [ordered]@{ text = $Text }
}

Add-DispatcherCommand 'Get-TidemarkEcho'
Add-DispatcherCommand 'Get-TidemarkScripted'
Export-ModuleMember -Function 'Invoke-TidemarkCommand'
