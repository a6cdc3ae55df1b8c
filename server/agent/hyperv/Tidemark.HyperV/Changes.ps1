# What changed on a disk since a tracking id (Msvm_ImageManagementService.GetVirtualDiskChanges).

# How often one command asks: the agent's own limits of time and of cancelling need commands that end soon.
$script:MaxChangeCalls = 64

# One call, checked: @{ processed; offsets; lengths }.
function Get-ChangeBatch {
    param($Service, [string]$Path, [string]$Since, [uint64]$Offset, [uint64]$Length)
    # TargetSnapshotId is for VHD Sets only.
    $result = Invoke-HypervMethod $Service 'GetVirtualDiskChanges' @{
        Path       = $Path
        LimitId    = $Since
        ByteOffset = $Offset
        ByteLength = $Length
    }
    # With a job there would be no arrays, and no arrays must never look like no changes.
    if ([int64]$result.ReturnValue -ne 0) {
        throw (New-ModuleError 'ChangesAsJob' 'The changes of a disk came as a job, which has no result.' 'GetVirtualDiskChanges' ([int64]$result.ReturnValue))
    }
    $processed = Get-OutValue $result 'ProcessedByteLength'
    if ($null -eq $processed -or [uint64]$processed -eq 0) {
        throw (New-ModuleError 'NoProgress' 'The changes of a disk were asked for, and none of the range was looked at.' 'GetVirtualDiskChanges' 0)
    }
    $offsets = New-NumberArray (Get-OutValue $result 'ChangedByteOffsets')
    $lengths = New-NumberArray (Get-OutValue $result 'ChangedByteLengths')
    if ($offsets.Length -ne $lengths.Length) {
        throw (New-ModuleError 'ChangesUneven' 'The changes of a disk came with more offsets than lengths, or fewer.' 'GetVirtualDiskChanges' 0)
    }
    [System.Array]::Sort($offsets, $lengths)
    return @{ processed = [System.Math]::Min([uint64]$processed, $Length); offsets = $offsets; lengths = $lengths }
}

function New-NumberArray {
    param($Values)
    if ($null -eq $Values) {
        return , [uint64[]]::new(0)
    }
    return , [uint64[]]@($Values)
}

# Appends the ranges of a batch, clipped to start..end, to a list that alternates start and end of extents; what touches or overlaps becomes one.
# They come sorted, and each batch begins where the one before ended.
function Add-ChangeBatch {
    param([System.Collections.Generic.List[uint64]]$Extents, $Batch, [uint64]$Start, [uint64]$End)
    $offsets = $Batch.offsets
    $lengths = $Batch.lengths
    for ($index = 0; $index -lt $offsets.Length; $index++) {
        $from = $offsets[$index]
        if ($from -ge $End -or $lengths[$index] -eq 0) {
            continue
        }
        # Never by adding first: a length near 2^64 must not wrap.
        $to = $End
        if ($lengths[$index] -lt $End - $from) {
            $to = $from + $lengths[$index]
        }
        if ($from -lt $Start) {
            $from = $Start
        }
        if ($to -le $from) {
            continue
        }
        $last = $Extents.Count - 1
        if ($last -gt 0 -and $from -le $Extents[$last]) {
            if ($to -gt $Extents[$last]) {
                $Extents[$last] = $to
            }
            continue
        }
        $Extents.Add($from)
        $Extents.Add($to)
    }
}

# The extents as the agent reads them, offset and length in turn, at most so many; how far they go is in 'end'.
function Select-Extents {
    param([System.Collections.Generic.List[uint64]]$Extents, [int]$MaxExtents, [uint64]$End)
    $list = [System.Collections.Generic.List[object]]::new()
    $index = 0
    while ($index -lt $Extents.Count -and $index -lt 2 * $MaxExtents) {
        $list.Add($Extents[$index])
        $list.Add($Extents[$index + 1] - $Extents[$index])
        $index += 2
    }
    if ($index -lt $Extents.Count) {
        # Everything up to the first extent that is left out has been told.
        $End = $Extents[$index]
    }
    return @{ extents = $list; end = $End }
}

<#
.SYNOPSIS
The extents of a disk that changed since a tracking id, from an offset on (GetVirtualDiskChanges, as often as needed: the processed length is the only sign that there is more).
#>
function Get-TidemarkChangedExtent {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][string]$Path,
        [Parameter(Mandatory)][string]$Since,
        [Parameter(Mandatory)][ValidateRange(0, 70368744177664)][uint64]$Offset,
        [Parameter(Mandatory)][ValidateRange(1, 70368744177664)][uint64]$Length,
        [Parameter(Mandatory)][ValidateRange(1, 524288)][int]$MaxExtents
    )
    $service = Get-HypervService 'Msvm_ImageManagementService'
    $extents = [System.Collections.Generic.List[uint64]]::new()
    $position = $Offset
    $end = $Offset + $Length
    for ($call = 0; $call -lt $script:MaxChangeCalls -and $position -lt $end -and $extents.Count -le 2 * $MaxExtents; $call++) {
        $batch = Get-ChangeBatch $service $Path $Since $position ($end - $position)
        $next = $position + $batch.processed
        # What a range says beyond the processed length is said again by the next call.
        Add-ChangeBatch $extents $batch $position $next
        $position = $next
    }
    $answer = Select-Extents $extents $MaxExtents $position
    return [ordered]@{ extents = $answer.extents; processedBytes = $answer.end - $Offset }
}
