# Jobs. Nothing here waits for one: the agent asks again.

# The job with that id: the image service has a class of its own, and neither is a kind of the other.
function Get-JobInstance {
    param([string]$JobId)
    $job = Get-SingleInstance 'Msvm_ConcreteJob' @{ InstanceID = $JobId }
    if ($null -ne $job) {
        return $job
    }
    return Get-SingleInstance 'Msvm_StorageJob' @{ InstanceID = $JobId }
}

# Whether WMI says that the object is not there (any more).
function Test-NotFound {
    param($ErrorRecord)
    return (Get-ExceptionResult $ErrorRecord.Exception $ErrorRecord.FullyQualifiedErrorId) -eq 2147749890
}

# The Msvm_Error texts of a job (GetErrorEx), at most 64.
function Get-JobError {
    param($Job)
    $errors = New-AnswerList
    try {
        $result = Invoke-CimMethod -InputObject $Job -MethodName 'GetErrorEx'
    }
    catch {
        # The job vanished since it was looked at.
        if (-not (Test-NotFound $_)) {
            throw
        }
        return , $errors
    }
    # Anything but 0 means that there is nothing to be had, not that the job failed in another way.
    if ([int64]$result.ReturnValue -ne 0) {
        return , $errors
    }
    foreach ($text in (Get-OutValue $result 'Errors')) {
        if ($null -eq $text -or $errors.Count -eq 64) {
            continue
        }
        $values = ConvertFrom-EmbeddedInstance $text
        $errors.Add([ordered]@{
                message   = Limit-Text ([string]$values['Message']) 65536
                messageId = Limit-Text ([string]$values['MessageID']) 65536
            })
    }
    return , $errors
}

# All that a method's job says about why the method was refused: the texts, the description, and the HRESULT of the image service.
function Get-FailureDetail {
    param($Job)
    try {
        # The reference that a method gives has the key only.
        $live = Get-CimInstance -InputObject $Job
    }
    catch {
        if (-not (Test-NotFound $_)) {
            throw
        }
        return , (New-AnswerList)
    }
    $details = Get-JobError $live
    $description = Limit-Text (Get-PropertyText $live 'ErrorDescription') 65536
    $completion = ConvertTo-UnsignedResult (Get-PropertyValue $live 'JobCompletionStatusCode' 0)
    $code = ''
    if ($completion -ne 0) {
        $code = '0x{0:X8}' -f $completion
    }
    if (($description -ne '' -or $code -ne '') -and $details.Count -lt 64) {
        $details.Add([ordered]@{ message = $description; messageId = $code })
    }
    return , $details
}

# Whether the job is over and was not simply fine: 7 Completed (with an error code), 8 Terminated, 9 Killed, 10 Exception, 32768 completed with warnings.
function Test-JobTrouble {
    param([int]$State, [int]$ErrorCode)
    if ($State -eq 7) {
        return $ErrorCode -ne 0
    }
    return @(8, 9, 10, 32768) -contains $State
}

<#
.SYNOPSIS
A job as it is now (Msvm_ConcreteJob or Msvm_StorageJob, GetErrorEx when it failed); null when there is none of that id any more.
#>
function Get-TidemarkJob {
    [CmdletBinding()]
    param([Parameter(Mandatory)][ValidatePattern('^[0-9A-Za-z:\\{}._-]{1,256}\z')][string]$JobId)
    $job = Get-JobInstance $JobId
    if ($null -eq $job) {
        return [ordered]@{ job = $null }
    }
    $state = [int]$job.JobState
    $errorCode = [int](Get-PropertyValue $job 'ErrorCode' 0)
    $errors = New-AnswerList
    if (Test-JobTrouble $state $errorCode) {
        $errors = Get-JobError $job
    }
    return [ordered]@{
        job = [ordered]@{
            jobState         = $state
            jobType          = [int](Get-PropertyValue $job 'JobType' 0)
            percent          = [System.Math]::Min(100, [int](Get-PropertyValue $job 'PercentComplete' 0))
            errorCode        = $errorCode
            errorDescription = Limit-Text (Get-PropertyText $job 'ErrorDescription') 65536
            cancellable      = [bool](Get-PropertyValue $job 'Cancellable' $false)
            completionStatus = ConvertTo-UnsignedResult (Get-PropertyValue $job 'JobCompletionStatusCode' 0)
            errors           = $errors
        }
    }
}

<#
.SYNOPSIS
Asks for the end of a job (RequestStateChange 4, Terminate). The answer is what the method returned; null when there is no such job.
#>
function Stop-TidemarkJob {
    [CmdletBinding()]
    param([Parameter(Mandatory)][ValidatePattern('^[0-9A-Za-z:\\{}._-]{1,256}\z')][string]$JobId)
    $job = Get-JobInstance $JobId
    if ($null -eq $job) {
        return [ordered]@{ returnValue = $null }
    }
    # Its codes are an own family (4097 not any more, 4099 busy), so this is not judged as other methods are.
    $result = Invoke-CimMethod -InputObject $job -MethodName 'RequestStateChange' -Arguments @{ RequestedState = [uint16]4 }
    return [ordered]@{ returnValue = [int64]$result.ReturnValue }
}
