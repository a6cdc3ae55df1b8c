# One request in, one line out. Text is never evaluated: a request names a function of a closed list, and its arguments are bound by splatting.

# 512 KiB, a bit less: a multiple of 3, so that the base64 of the pages may be joined as well as decoded one by one.
$script:PageBytes = 524286
# The last answer: its id and the bytes of its JSON.
$script:AnswerId = [int64]-1
$script:AnswerBytes = [byte[]]::new(0)
# Asks for another page of it: the one command that is no function.
$script:PageCommand = 'Get-TidemarkAnswerPage'

# The functions that may be asked for: name -> parameters (name -> type) and the mandatory ones. Filled once, when the module is loaded.
$script:Commands = [hashtable]::new([System.StringComparer]::Ordinal)

# Takes a function into the list. Its parameters are those it declares itself: common ones (-ErrorAction, -OutVariable) cannot be asked for.
function Add-DispatcherCommand {
    param([string]$Name)
    $command = $ExecutionContext.InvokeCommand.GetCommand($Name, [System.Management.Automation.CommandTypes]::Function)
    $parameters = [hashtable]::new([System.StringComparer]::Ordinal)
    $mandatory = [System.Collections.Generic.List[string]]::new()
    foreach ($declared in $command.ScriptBlock.Ast.Body.ParamBlock.Parameters) {
        $parameter = $declared.Name.VariablePath.UserPath
        $metadata = $command.Parameters[$parameter]
        $parameters[$parameter] = $metadata.ParameterType
        foreach ($attribute in $metadata.Attributes) {
            if ($attribute -is [System.Management.Automation.ParameterAttribute] -and $attribute.Mandatory) {
                $mandatory.Add($parameter)
            }
        }
    }
    $script:Commands[$Name] = @{ parameters = $parameters; mandatory = $mandatory; function = $command }
}

# Checks the arguments of a request, and gives them as a table to splat.
function Select-Argument {
    param([string]$Name, $Parameters, $Mandatory, [hashtable]$Arguments)
    $bound = @{}
    foreach ($argument in $Arguments.Keys) {
        if (-not $Parameters.ContainsKey($argument)) {
            throw (New-ModuleError 'WrongArgument' "$Name has no parameter of that name.")
        }
        $type = $Parameters[$argument]
        $value = $Arguments[$argument]
        if (-not (Test-ArgumentType $value $type)) {
            throw (New-ModuleError 'WrongArgument' "$Name wants another type of value for $argument.")
        }
        if ($type.IsArray) {
            $value = $value.ToArray() -as $type
        }
        $bound[$argument] = $value
    }
    foreach ($parameter in $Mandatory) {
        # PowerShell would ask the user for it, who is not there.
        if (-not $bound.ContainsKey($parameter)) {
            throw (New-ModuleError 'WrongArgument' "$Name wants $parameter.")
        }
    }
    return $bound
}

# Runs what a request asks for.
function Invoke-ListedCommand {
    param([hashtable]$Request)
    $name = $Request['command']
    $command = $script:Commands[$name]
    if ($null -eq $command) {
        throw (New-ModuleError 'UnknownCommand' 'There is no such command.')
    }
    $arguments = Select-Argument $name $command.parameters $command.mandatory $Request['arguments']
    return & $command.function @arguments
}

# An answer as the bytes of its JSON.
function ConvertTo-AnswerBytes {
    param($Answer)
    return , [System.Text.Encoding]::UTF8.GetBytes((ConvertTo-Json -InputObject $Answer -Depth 10 -Compress))
}

# The line of a page of these bytes.
function Format-AnswerLine {
    param([int64]$Id, [byte[]]$Bytes, [int64]$Page)
    $pages = [System.Math]::Max([int64]1, [int64][System.Math]::Ceiling($Bytes.Length / $script:PageBytes))
    if ($Page -lt 0 -or $Page -ge $pages) {
        throw (New-ModuleError 'NoSuchPage' 'The answer has no such page.')
    }
    $offset = [int]($Page * $script:PageBytes)
    $count = [System.Math]::Min($script:PageBytes, $Bytes.Length - $offset)
    return "tidemark $Id $Page $pages " + [System.Convert]::ToBase64String($Bytes, $offset, $count)
}

# The line of a page of the last answer, for the request that asks for it. That answer stays.
function Get-AnswerPage {
    param([int64]$Id, [hashtable]$Arguments)
    $parameters = @{ AnswerId = [int64]; Page = [int64] }
    $checked = Select-Argument $script:PageCommand $parameters @($parameters.Keys) $Arguments
    if ($script:AnswerId -lt 0 -or $checked['AnswerId'] -ne $script:AnswerId) {
        throw (New-ModuleError 'NoSuchAnswer' 'That answer is not held any more.')
    }
    return Format-AnswerLine $Id $script:AnswerBytes $checked['Page']
}

<#
.SYNOPSIS
Answers one request (base64 of the JSON {"id", "command", "arguments"}) with one line: tidemark <id> <page> <pages> <base64>. Every failure is an answer too.
#>
function Invoke-TidemarkCommand {
    [CmdletBinding()]
    param([Parameter(Mandatory)][AllowEmptyString()][string]$Request)
    $id = [int64]0
    $isPage = $false
    try {
        $read = Read-Request (ConvertFrom-RequestText $Request)
        $id = $read['id']
        $isPage = $read['command'] -ceq $script:PageCommand
        if ($isPage) {
            return Get-AnswerPage $id $read['arguments']
        }
        $script:AnswerId = [int64]-1
        $script:AnswerBytes = ConvertTo-AnswerBytes ([ordered]@{ result = (Invoke-ListedCommand $read) })
    }
    catch {
        $bytes = ConvertTo-AnswerBytes ([ordered]@{ error = (ConvertTo-ErrorAnswer $_) })
        if ($isPage) {
            return Format-AnswerLine $id $bytes 0
        }
        $script:AnswerBytes = $bytes
    }
    finally {
        # PowerShell keeps every error with all it holds.
        $global:Error.Clear()
    }
    $script:AnswerId = $id
    return Format-AnswerLine $id $script:AnswerBytes 0
}
