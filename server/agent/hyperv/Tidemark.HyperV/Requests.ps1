# Reading a request. Not with ConvertFrom-Json: PowerShell 7 turns a text that looks like a date into one, and a VM may be called that.

if ($PSVersionTable.PSEdition -eq 'Desktop') {
    # In .NET Framework the JSON reader is in an assembly that Windows PowerShell does not load by itself.
    Add-Type -AssemblyName 'System.Runtime.Serialization'
}

# What was wrong with a request: error id BadRequest.
function New-RequestError {
    param([string]$Message)
    return New-ModuleError 'BadRequest' $Message
}

# The JSON of a request as values: texts, numbers, booleans, lists, tables. Nothing else, and no deeper than a request may be.
function ConvertFrom-RequestText {
    param([string]$Base64)
    $quotas = [System.Xml.XmlDictionaryReaderQuotas]::new()
    $quotas.MaxDepth = 8
    $quotas.MaxStringContentLength = 1048576
    $quotas.MaxArrayLength = 1048576
    $quotas.MaxBytesPerRead = 1048576
    $quotas.MaxNameTableCharCount = 65536
    $document = [System.Xml.XmlDocument]::new()
    # White space is part of names.
    $document.PreserveWhitespace = $true
    try {
        $bytes = [System.Convert]::FromBase64String($Base64)
        $reader = [System.Runtime.Serialization.Json.JsonReaderWriterFactory]::CreateJsonReader($bytes, $quotas)
        try {
            $document.Load($reader)
        }
        finally {
            $reader.Dispose()
        }
    }
    catch {
        throw (New-RequestError "A request is base64 of JSON: $($_.Exception.Message)")
    }
    if ($null -eq $document.get_DocumentElement()) {
        throw (New-RequestError 'A request is empty.')
    }
    return , (ConvertFrom-RequestNode $document.get_DocumentElement())
}

function ConvertFrom-RequestNode {
    param($Node)
    switch -CaseSensitive ($Node.GetAttribute('type')) {
        'object' {
            $table = [hashtable]::new([System.StringComparer]::Ordinal)
            foreach ($child in $Node.get_ChildNodes()) {
                $name = $child.get_LocalName()
                # A key that is no XML name comes as <a:item item="key">.
                if ($child.get_NamespaceURI() -ne '') {
                    $name = $child.GetAttribute('item')
                }
                if ($table.ContainsKey($name)) {
                    throw (New-RequestError 'A key is there twice.')
                }
                $table[$name] = ConvertFrom-RequestNode $child
            }
            return $table
        }
        'array' {
            $list = [System.Collections.Generic.List[object]]::new()
            foreach ($child in $Node.get_ChildNodes()) {
                $list.Add((ConvertFrom-RequestNode $child))
            }
            return , $list
        }
        'string' { return $Node.get_InnerText() }
        'boolean' { return $Node.get_InnerText() -ceq 'true' }
        'number' { return ConvertFrom-RequestNumber $Node.get_InnerText() }
    }
    # null, which is what no parameter takes.
    return $null
}

# Whole numbers only: sizes, offsets, counts.
function ConvertFrom-RequestNumber {
    param([string]$Text)
    if (-not [regex]::IsMatch($Text, '^-?[0-9]{1,16}\z')) {
        throw (New-RequestError 'A number is not a whole one.')
    }
    return [int64]::Parse($Text, [System.Globalization.CultureInfo]::InvariantCulture)
}

# A request: @{ id; command; arguments }, and nothing else in it.
function Read-Request {
    param($Value)
    if ($Value -isnot [hashtable] -or $Value.Count -ne 3) {
        throw (New-RequestError 'A request is an object with id, command and arguments.')
    }
    if ($Value['id'] -isnot [int64] -or $Value['command'] -isnot [string] -or $Value['arguments'] -isnot [hashtable]) {
        throw (New-RequestError 'A request is an object with id (number), command (text) and arguments (object).')
    }
    return $Value
}

# Whether a value from JSON is what a parameter of this type wants. PowerShell itself would make text of almost anything.
function Test-ArgumentType {
    param($Value, [type]$Type)
    if ($Type -eq [string]) {
        return $Value -is [string]
    }
    if ($Type -eq [bool]) {
        return $Value -is [bool]
    }
    if ($Type -eq [string[]] -or $Type -eq [hashtable[]]) {
        if ($Value -isnot [System.Collections.Generic.List[object]]) {
            return $false
        }
        $element = $Type.GetElementType()
        foreach ($item in $Value) {
            if (-not $element.IsInstanceOfType($item)) {
                return $false
            }
        }
        return $true
    }
    # [int], [uint64]: the numbers of a request are [int64]; the range is checked when they are bound.
    return $Value -is [int64]
}
