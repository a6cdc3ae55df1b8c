namespace Tidemark.TestHost.Cim;

/// <summary>
/// Which string parameters are instances written as text, and of which class. The schema says only <c>string</c>; these are the sentences
/// "embedded instance of the class …" of Microsoft's method pages, for the methods a backup and a restore call.
/// </summary>
internal static class EmbeddedInstances
{
    private static readonly Dictionary<string, string> Classes = new(StringComparer.OrdinalIgnoreCase)
    {
        ["Msvm_VirtualSystemSnapshotService.CreateSnapshot.SnapshotSettings"] = "Msvm_VirtualSystemSnapshotSettingData",
        ["Msvm_VirtualSystemSnapshotService.ConvertToReferencePoint.ReferencePointSettings"] = "Msvm_VirtualSystemReferencePointSettingData",
        ["Msvm_VirtualSystemReferencePointService.CreateReferencePoint.ReferencePointSettings"] = "Msvm_VirtualSystemReferencePointSettingData",
        ["Msvm_VirtualSystemReferencePointService.ExportReferencePoint.ExportSettingData"] = "Msvm_VirtualSystemReferencePointExportSettingData",
        ["Msvm_VirtualSystemManagementService.ExportSystemDefinition.ExportSettingData"] = "Msvm_VirtualSystemExportSettingData",
        ["Msvm_VirtualSystemManagementService.ModifyDiskMergeSettings.SettingData"] = "Msvm_DiskMergeSettingData",
        ["Msvm_VirtualSystemManagementService.ModifySystemSettings.SystemSettings"] = "CIM_VirtualSystemSettingData",
        ["Msvm_VirtualSystemManagementService.DefineSystem.SystemSettings"] = "Msvm_VirtualSystemSettingData",
        ["Msvm_VirtualSystemManagementService.DefineSystem.ResourceSettings"] = "CIM_ResourceAllocationSettingData",
        ["Msvm_VirtualSystemManagementService.DefinePlannedSystem.SystemSettings"] = "Msvm_VirtualSystemSettingData",
        ["Msvm_VirtualSystemManagementService.DefinePlannedSystem.ResourceSettings"] = "CIM_ResourceAllocationSettingData",
        ["Msvm_VirtualSystemManagementService.AddResourceSettings.ResourceSettings"] = "CIM_ResourceAllocationSettingData",
        ["Msvm_VirtualSystemManagementService.ModifyResourceSettings.ResourceSettings"] = "CIM_ResourceAllocationSettingData",
        ["Msvm_VirtualSystemManagementService.ModifyServiceSettings.SettingData"] = "Msvm_VirtualSystemManagementServiceSettingData",
        ["Msvm_ImageManagementService.GetVirtualHardDiskSettingData.SettingData"] = "Msvm_VirtualHardDiskSettingData",
        ["Msvm_ImageManagementService.SetVirtualHardDiskSettingData.VirtualDiskSettingData"] = "Msvm_VirtualHardDiskSettingData",
        ["Msvm_ImageManagementService.CreateVirtualHardDisk.VirtualDiskSettingData"] = "Msvm_VirtualHardDiskSettingData",
        ["Msvm_ImageManagementService.GetVirtualHardDiskState.State"] = "Msvm_VirtualHardDiskState",
        ["Msvm_ConcreteJob.GetError.Error"] = "Msvm_Error",
        ["Msvm_ConcreteJob.GetErrorEx.Errors"] = "Msvm_Error",
        ["Msvm_StorageJob.GetError.Error"] = "Msvm_Error",
        ["Msvm_StorageJob.GetErrorEx.Errors"] = "Msvm_Error",
    };

    /// <summary>The class of the instance that a parameter holds as text, or null for plain text.</summary>
    public static string? ClassOf(string className, string method, string parameter) => Classes.GetValueOrDefault($"{className}.{method}.{parameter}");
}
