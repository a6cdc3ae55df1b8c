@{
    RootModule           = 'Tidemark.HyperV.psm1'
    ModuleVersion        = '1.0.0'
    GUID                 = '3d7c7f6e-0c2e-4b8f-9a51-6c1d6a6a2f4d'
    Author               = 'Tidemark'
    CompanyName          = 'Tidemark'
    Copyright            = '(c) Tidemark'
    Description          = 'What the Tidemark agent asks of Hyper-V.'
    PowerShellVersion    = '5.1'
    CompatiblePSEditions = @('Desktop', 'Core')
    FunctionsToExport    = @(
        'Invoke-TidemarkCommand'
        'Get-TidemarkHost'
        'Write-TidemarkEvent'
        'Get-TidemarkVm'
        'Get-TidemarkVss'
        'Get-TidemarkVirtualDisk'
        'Get-TidemarkJob'
        'Stop-TidemarkJob'
        'Get-TidemarkCheckpoint'
        'Start-TidemarkCheckpoint'
        'Resolve-TidemarkCheckpoint'
        'Rename-TidemarkCheckpoint'
        'Start-TidemarkCheckpointRemoval'
        'Get-TidemarkMerge'
        'Enable-TidemarkMerge'
        'Get-TidemarkReferencePoint'
        'Start-TidemarkConversion'
        'Resolve-TidemarkReferencePoint'
        'Start-TidemarkReferencePointRemoval'
        'Get-TidemarkChangedExtent'
    )
    CmdletsToExport      = @()
    VariablesToExport    = @()
    AliasesToExport      = @()
}
