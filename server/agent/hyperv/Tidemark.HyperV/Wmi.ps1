# The only place that calls WMI: CIM cmdlets, local, without a session (no WinRM, no second hop).

$script:HypervNamespace = 'root\virtualization\v2'

# Text as a WQL literal. Backslashes are escapes in WQL. Nothing else in the module builds WQL out of values.
function ConvertTo-WqlLiteral {
    param([string]$Text)
    return "'" + $Text.Replace('\', '\\').Replace("'", "\'") + "'"
}

# Instances of a class, those of its subclasses too; with -Where only those whose properties have these values; with -Property only these properties have values: for
# questions that thousands of instances answer.
function Get-HypervInstance {
    param([string]$Class, [System.Collections.IDictionary]$Where = $null, [string[]]$Property = $null)
    $question = @{ Namespace = $script:HypervNamespace; ClassName = $Class }
    if ($null -ne $Where) {
        $terms = [System.Collections.Generic.List[string]]::new()
        foreach ($name in $Where.Keys) {
            $terms.Add($name + '=' + (ConvertTo-WqlLiteral $Where[$name]))
        }
        $question['Filter'] = [string]::Join(' AND ', $terms.ToArray())
    }
    if ($null -ne $Property) {
        $question['Property'] = $Property
    }
    # A list of the whole array at once: adding one by one takes longer than the question.
    return , [System.Collections.Generic.List[object]]::new([object[]]@(Get-CimInstance @question))
}

# Whether WMI says that this build has no such class (0x80041010).
function Test-NoClass {
    param($ErrorRecord)
    return (Get-ExceptionResult $ErrorRecord.Exception $ErrorRecord.FullyQualifiedErrorId) -eq 2147749904
}

# The one instance that the filter leaves, or $null.
function Get-SingleInstance {
    param([string]$Class, [System.Collections.IDictionary]$Where = $null)
    $found = Get-HypervInstance $Class $Where
    if ($found.Count -eq 0) {
        return $null
    }
    return $found[0]
}

# A service of Hyper-V (each has one instance). None at all: the account is not elevated or the role is missing, and WMI says so only by silence.
function Get-HypervService {
    param([string]$Class)
    $service = Get-SingleInstance $Class
    if ($null -eq $service) {
        throw (New-ModuleError 'HypervNotAvailable' "$Class has no instance: this account may not see Hyper-V, or the role is not installed.")
    }
    return $service
}

# What is at the other end of an association.
function Get-AssociatedInstance {
    param($Instance, [string]$Association, [string]$ResultClass)
    $list = [System.Collections.Generic.List[object]]::new()
    foreach ($other in @(Get-CimAssociatedInstance -InputObject $Instance -Association $Association -ResultClassName $ResultClass)) {
        $list.Add($other)
    }
    return , $list
}

# An out parameter of a method; $null when the result does not have it.
function Get-OutValue {
    param($Result, [string]$Name)
    $property = $Result.PSObject.Properties[$Name]
    if ($null -eq $property -or $null -eq $property.Value) {
        return $null
    }
    # The comma keeps arrays whole.
    return , $property.Value
}

# Calls a method and judges its return value: Invoke-CimMethod does not throw for one that is not 0. 0 is done, 4096 is a job, all others are errors.
function Invoke-HypervMethod {
    param($Instance, [string]$Method, [hashtable]$Arguments)
    $result = Invoke-CimMethod -InputObject $Instance -MethodName $Method -Arguments $Arguments
    $returnValue = [int64]$result.ReturnValue
    if ($returnValue -eq 0 -or $returnValue -eq 4096) {
        return $result
    }
    $details = New-AnswerList
    $job = Get-OutValue $result 'Job'
    if ($null -ne $job) {
        $details = Get-FailureDetail $job
    }
    throw (New-ModuleError 'WmiMethodFailed' "$Method returned $returnValue." $Method $returnValue $details)
}

# 4096: the id of the job that runs. The reference has its key only, which is all that is wanted.
function ConvertTo-Started {
    param($Result)
    if ([int64]$Result.ReturnValue -eq 0) {
        return [ordered]@{ state = 'done' }
    }
    $job = Get-OutValue $Result 'Job'
    if ($null -eq $job) {
        throw (New-ModuleError 'JobMissing' 'Hyper-V said that a job was started, but not which one.' $null 4096)
    }
    return [ordered]@{ state = 'started'; jobId = [string]$job.InstanceID }
}

# Whether the class has the property on this build.
function Test-ClassProperty {
    param([string]$Class, [string]$Property)
    $known = Get-CimClass -Namespace $script:HypervNamespace -ClassName $Class
    return $null -ne $known.CimClassProperties[$Property]
}

# The path of an instance as WMI writes it (__PATH), which the CIM cmdlets do not give: for parameters and properties that are text and want a path.
function Get-InstancePath {
    param($Instance)
    $keys = [System.Collections.Generic.SortedDictionary[string, string]]::new([System.StringComparer]::Ordinal)
    foreach ($property in $Instance.CimInstanceProperties) {
        # By name, because the flags are an enumeration of Microsoft.Management.Infrastructure.
        if (([string]$property.Flags) -match '\bKey\b') {
            $keys[$property.Name] = '"' + ([string]$property.Value).Replace('\', '\\').Replace('"', '\"') + '"'
        }
    }
    $terms = [System.Collections.Generic.List[string]]::new()
    foreach ($name in $keys.Keys) {
        $terms.Add($name + '=' + $keys[$name])
    }
    $server = [string]$Instance.CimSystemProperties.ServerName
    if ($server -eq '') {
        $server = [System.Environment]::MachineName
    }
    return '\\' + $server + '\' + $script:HypervNamespace + ':' + $Instance.CimSystemProperties.ClassName + '.' + [string]::Join(',', $terms.ToArray())
}

$script:InstanceIdInPath = [regex]::new('InstanceID="((?:[^"\\]|\\.)*)"', [System.Text.RegularExpressions.RegexOptions]::IgnoreCase)

# The InstanceID in a path (Parent, HostResource), unescaped; '' when it has none. Paths differ in server name and case: only this may be compared.
function Get-PathInstanceId {
    param([string]$Path)
    $match = $script:InstanceIdInPath.Match($Path)
    if (-not $match.Success) {
        return ''
    }
    return $match.Groups[1].Value.Replace('\"', '"').Replace('\\', '\')
}
