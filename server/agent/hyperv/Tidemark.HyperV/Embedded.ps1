# Instances as text and back: string parameters that are "embedded instances" take CIM XML.

# The only place that turns an instance into text.
function ConvertTo-EmbeddedInstance {
    param($Instance)
    $serializer = [Microsoft.Management.Infrastructure.Serialization.CimSerializer]::Create()
    try {
        $bytes = $serializer.Serialize($Instance, [Microsoft.Management.Infrastructure.Serialization.InstanceSerializationOptions]::None)
        return [System.Text.Encoding]::Unicode.GetString($bytes)
    }
    finally {
        $serializer.Dispose()
    }
}

# A new instance that exists in this process only, with those of the values whose property this build has (GuestBackupType, ExcludedVirtualHardDisks and others are younger than Server 2016).
function New-EmbeddedInstance {
    param([string]$Class, [hashtable]$Values)
    $definition = Get-CimClass -Namespace $script:HypervNamespace -ClassName $Class
    $known = @{}
    foreach ($name in $Values.Keys) {
        if ($null -ne $definition.CimClassProperties[$name]) {
            $known[$name] = $Values[$name]
        }
    }
    return New-CimInstance -CimClass $definition -ClientOnly -Property $known
}

# Changes a property of an instance in this process; the Modify... methods take it from there.
function Set-PropertyValue {
    param($Instance, [string]$Name, $Value)
    # Without PowerShell's own wrapper, which values that came out of a function may have: the type must be just the one that WMI wants.
    $Instance.CimInstanceProperties[$Name].Value = $Value.PSObject.BaseObject
}

# Reads an instance that came as CIM XML: a table of its properties by name, texts, arrays as lists. Without DTDs: no entity is ever expanded, no file ever opened.
function ConvertFrom-EmbeddedInstance {
    param([string]$Text)
    $settings = [System.Xml.XmlReaderSettings]::new()
    $settings.DtdProcessing = [System.Xml.DtdProcessing]::Prohibit
    $settings.XmlResolver = $null
    # Messages of Hyper-V may hold characters that XML 1.0 forbids.
    $settings.CheckCharacters = $false
    $document = [System.Xml.XmlDocument]::new()
    $document.XmlResolver = $null
    $reader = [System.Xml.XmlReader]::Create([System.IO.StringReader]::new($Text), $settings)
    try {
        $document.Load($reader)
    }
    finally {
        $reader.Dispose()
    }
    $values = @{}
    $instance = $document.SelectSingleNode('descendant-or-self::INSTANCE')
    if ($null -eq $instance) {
        throw (New-ModuleError 'NoInstance' 'Hyper-V gave a text that holds no instance.')
    }
    foreach ($property in $instance.SelectNodes('PROPERTY')) {
        $value = $property.SelectSingleNode('VALUE')
        if ($null -ne $value) {
            $values[$property.GetAttribute('NAME')] = $value.get_InnerText()
        }
    }
    foreach ($property in $instance.SelectNodes('PROPERTY.ARRAY')) {
        $list = New-AnswerList
        foreach ($value in $property.SelectNodes('VALUE.ARRAY/VALUE')) {
            $list.Add($value.get_InnerText())
        }
        $values[$property.GetAttribute('NAME')] = $list
    }
    return $values
}

# Instances for a parameter that is an array of references: the CIM cmdlets take only an array of just this type.
function ConvertTo-ReferenceArray {
    param($Instances)
    return , ([Microsoft.Management.Infrastructure.CimInstance[]]@($Instances))
}
