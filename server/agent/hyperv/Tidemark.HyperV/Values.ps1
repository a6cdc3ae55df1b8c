# Values as the agent reads them: JSON must come out the same in 5.1 and 7.

# A list for an answer. Never an array: 5.1 unrolls arrays of one element that pass through a pipeline, and writes arrays that a
# cmdlet gave as {"value":[...],"Count":n}.
function New-AnswerList {
    param($Items)
    $list = [System.Collections.Generic.List[object]]::new()
    if ($null -ne $Items) {
        foreach ($item in @($Items)) {
            $list.Add($item)
        }
    }
    return , $list
}

# A property that may be null or, on older builds, not there at all (strict mode throws for those).
function Get-PropertyValue {
    param($Instance, [string]$Name, $Default = $null)
    $property = $Instance.CimInstanceProperties[$Name]
    if ($null -eq $property -or $null -eq $property.Value) {
        return $Default
    }
    return $property.Value
}

# As Get-PropertyValue, for text: null becomes empty text.
function Get-PropertyText {
    param($Instance, [string]$Name)
    return [string](Get-PropertyValue $Instance $Name '')
}

# The first element of a property that is an array (HostResource), or $null.
function Get-FirstElement {
    param($Array)
    if ($null -eq $Array) {
        return $null
    }
    foreach ($element in $Array) {
        return $element
    }
    return $null
}

# What the system is doing: OperationalStatus[1], or $null when nothing runs. Some builds leave a 0 there.
function Get-RunningOperation {
    param($System)
    $status = @(Get-PropertyValue $System 'OperationalStatus' @())
    if ($status.Count -lt 2 -or $null -eq $status[1] -or $status[1] -eq 0) {
        return $null
    }
    return [int]$status[1]
}

# RFC 3339, UTC. By hand: 5.1 writes dates as "\/Date(ms)\/", and the culture must not matter.
function Format-UtcTime {
    param([datetime]$Time)
    return $Time.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", [System.Globalization.CultureInfo]::InvariantCulture)
}

# An HRESULT as an unsigned number: .NET holds it as a signed one.
function ConvertTo-UnsignedResult {
    param($Value)
    $number = [int64]$Value
    if ($number -lt 0) {
        $number += 4294967296
    }
    if ($number -lt 0 -or $number -gt 4294967295) {
        return [int64]0
    }
    return $number
}

# Hashtables for ids: hosts and tools write GUIDs in both cases; @{} would compare by the culture in 5.1.
function New-IdTable {
    return [hashtable]::new([System.StringComparer]::OrdinalIgnoreCase)
}

# Whether two lists hold the same texts, in any order, and equally often.
function Test-SameTexts {
    param([string[]]$Left, [string[]]$Right)
    if ($Left.Count -ne $Right.Count) {
        return $false
    }
    $sortedLeft = [string[]]$Left.Clone()
    $sortedRight = [string[]]$Right.Clone()
    [System.Array]::Sort($sortedLeft, [System.StringComparer]::Ordinal)
    [System.Array]::Sort($sortedRight, [System.StringComparer]::Ordinal)
    for ($index = 0; $index -lt $sortedLeft.Count; $index++) {
        if (-not [string]::Equals($sortedLeft[$index], $sortedRight[$index], [System.StringComparison]::Ordinal)) {
            return $false
        }
    }
    return $true
}

# Text cut to a length, so that no text of the host makes an answer without bounds.
function Limit-Text {
    param([string]$Text, [int]$Length)
    if ($null -eq $Text) {
        return ''
    }
    if ($Text.Length -le $Length) {
        return $Text
    }
    return $Text.Substring(0, $Length)
}
