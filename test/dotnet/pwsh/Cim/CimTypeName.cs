extern alias infrastructure;

using infrastructure::Microsoft.Management.Infrastructure;

namespace Tidemark.TestHost.Cim;

/// <summary>
/// The type of a property or parameter: its name in the schema (<c>uint16</c>, <c>ref:CIM_Job</c>, <c>object:Msvm_Error</c>) and whether it is an array.
/// </summary>
public sealed record CimTypeName(string Name, bool IsArray)
{
    private static readonly Dictionary<string, (CimType One, CimType Many, Type Net)> Scalars = new()
    {
        ["boolean"] = (CimType.Boolean, CimType.BooleanArray, typeof(bool)),
        ["uint8"] = (CimType.UInt8, CimType.UInt8Array, typeof(byte)),
        ["sint8"] = (CimType.SInt8, CimType.SInt8Array, typeof(sbyte)),
        ["uint16"] = (CimType.UInt16, CimType.UInt16Array, typeof(ushort)),
        ["sint16"] = (CimType.SInt16, CimType.SInt16Array, typeof(short)),
        ["uint32"] = (CimType.UInt32, CimType.UInt32Array, typeof(uint)),
        ["sint32"] = (CimType.SInt32, CimType.SInt32Array, typeof(int)),
        ["uint64"] = (CimType.UInt64, CimType.UInt64Array, typeof(ulong)),
        ["sint64"] = (CimType.SInt64, CimType.SInt64Array, typeof(long)),
        ["string"] = (CimType.String, CimType.StringArray, typeof(string)),
        ["datetime"] = (CimType.DateTime, CimType.DateTimeArray, typeof(DateTime)),
    };

    /// <summary>The class that a reference points to, or null when this is no reference.</summary>
    public string? ReferencedClass => Name.StartsWith("ref:", StringComparison.Ordinal) ? Name["ref:".Length..] : null;

    /// <summary>The class of an embedded instance given as an object, or null.</summary>
    public string? ObjectClass => Name.StartsWith("object:", StringComparison.Ordinal) ? Name["object:".Length..] : null;

    /// <summary>The class of a reference or of an embedded object.</summary>
    public string? InstanceClass => ReferencedClass ?? ObjectClass;

    /// <summary>The number that CIM gives the type.</summary>
    public CimType CimType =>
        ReferencedClass is not null ? (IsArray ? CimType.ReferenceArray : CimType.Reference)
        : ObjectClass is not null ? (IsArray ? CimType.InstanceArray : CimType.Instance)
        : IsArray ? Scalars[Name].Many : Scalars[Name].One;

    /// <summary>The .NET type of one value; a datetime may be a <see cref="TimeSpan"/> too.</summary>
    public Type NetType => InstanceClass is not null ? typeof(CimInstance) : Scalars[Name].Net;

    /// <summary>The name as it stands in the attribute <c>TYPE</c> of CIM's XML, and in messages.</summary>
    public override string ToString() => IsArray ? Name + "[]" : Name;
}
