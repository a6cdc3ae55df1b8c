# Errors: thrown with an id, answered with everything that classifies them. Nothing is told by English words.

# An error of the module itself. Throw what this gives.
function New-ModuleError {
    param([string]$Id, [string]$Message, $Method = $null, $ReturnValue = $null, $Details = $null)
    $exception = [System.InvalidOperationException]::new($Message)
    $exception.Data['method'] = $Method
    $exception.Data['returnValue'] = $ReturnValue
    $exception.Data['details'] = $Details
    return [System.Management.Automation.ErrorRecord]::new($exception, $Id, [System.Management.Automation.ErrorCategory]::InvalidOperation, $null)
}

# A property of an exception that only some have (CimException: StatusCode, MessageId, NativeErrorCode, ErrorData).
function Get-ExceptionValue {
    param($Exception, [string]$Name)
    $property = $Exception.PSObject.Properties[$Name]
    if ($null -eq $property) {
        return $null
    }
    return $property.Value
}

# The HRESULT: a CimException has WMI's own in StatusCode or in MessageId ("HRESULT 0x80041003"), while its HResult only says that it is an exception.
function Get-ExceptionResult {
    param($Exception, [string]$ErrorId = '')
    $status = Get-ExceptionValue $Exception 'StatusCode'
    if ($null -ne $status -and $status -is [ValueType]) {
        $number = ConvertTo-UnsignedResult $status
        if ($number -ge 2147483648) {
            return $number
        }
    }
    # The same text begins FullyQualifiedErrorId.
    $match = [regex]::Match([string](Get-ExceptionValue $Exception 'MessageId') + ' ' + $ErrorId, 'HRESULT 0x([0-9A-Fa-f]{8})')
    if ($match.Success) {
        return [int64][Convert]::ToUInt32($match.Groups[1].Value, 16)
    }
    return ConvertTo-UnsignedResult $Exception.HResult
}

# The Msvm_Error that WMI may have hung on the exception.
function Get-ExceptionDetail {
    param($Exception)
    $list = New-AnswerList
    $data = Get-ExceptionValue $Exception 'ErrorData'
    if ($null -ne $data -and $null -ne $data.PSObject.Properties['CimInstanceProperties']) {
        $message = Get-PropertyText $data 'Message'
        if ($message -ne '') {
            $list.Add([ordered]@{ message = (Limit-Text $message 65536); messageId = (Get-PropertyText $data 'MessageID') })
        }
    }
    return , $list
}

# What was caught, as commands/answer.ts reads it.
function ConvertTo-ErrorAnswer {
    param($ErrorRecord)
    $exception = $ErrorRecord.Exception
    $details = $exception.Data['details']
    if ($null -eq $details) {
        $details = Get-ExceptionDetail $exception
    }
    return [ordered]@{
        message         = Limit-Text $exception.Message 65536
        type            = $exception.GetType().FullName
        hresult         = Get-ExceptionResult $exception $ErrorRecord.FullyQualifiedErrorId
        errorId         = Limit-Text $ErrorRecord.FullyQualifiedErrorId 65536
        category        = [string]$ErrorRecord.CategoryInfo.Category
        nativeErrorCode = [string](Get-ExceptionValue $exception 'NativeErrorCode')
        method          = $exception.Data['method']
        returnValue     = $exception.Data['returnValue']
        details         = $details
    }
}
