namespace Tidemark.TestHost.Cim;

/// <summary>
/// The key properties of the classes that are asked for. The schema's own marks come from the reference, which has gaps and slips
/// there (it gives Msvm_ComputerSystem the key InstanceID); these are the keys of the object paths that Hyper-V itself writes.
/// </summary>
internal static class CimKeys
{
    private static readonly Dictionary<string, string[]> ByClass = new(StringComparer.OrdinalIgnoreCase)
    {
        ["CIM_System"] = ["CreationClassName", "Name"],
        ["CIM_Service"] = ["CreationClassName", "Name", "SystemCreationClassName", "SystemName"],
        ["CIM_LogicalDevice"] = ["CreationClassName", "DeviceID", "SystemCreationClassName", "SystemName"],
        ["CIM_SettingData"] = ["InstanceID"],
        ["CIM_Job"] = ["InstanceID"],
        ["Msvm_VirtualSystemReferencePoint"] = ["InstanceID", "VirtualSystemIdentifier"],
    };

    /// <summary>The keys of the class itself, or null when its parent or the schema decides.</summary>
    public static IReadOnlySet<string>? Known(string className) =>
        ByClass.TryGetValue(className, out string[]? keys) ? keys.ToHashSet(StringComparer.OrdinalIgnoreCase) : null;
}
