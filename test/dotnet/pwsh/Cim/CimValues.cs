using System.Globalization;
using System.Management.Automation;
using System.Text.Json;

namespace Tidemark.TestHost.Cim;

/// <summary>Values of CIM types: what a script may give, and what they look like on the wire to the fake host.</summary>
internal static class CimValues
{
    /// <summary>The value itself when it has exactly the type, else WMI's type mismatch. A boxed Int32 is no uint16, and text is no reference.</summary>
    public static object? Require(CimTypeName type, object? value, string what)
    {
        object? plain = value is PSObject wrapped ? wrapped.BaseObject : value;
        if (plain is null)
        {
            return null;
        }
        if (!type.IsArray)
        {
            return Fits(type, plain) ? plain : throw Mismatch(type, plain, what);
        }
        if (plain is Array array && array.Rank == 1 && IsTypedArray(type, array.GetType().GetElementType()))
        {
            foreach (object? one in array)
            {
                if (one is null || !Fits(type, one))
                {
                    throw Mismatch(type, one, what);
                }
            }
            return plain;
        }
        throw Mismatch(type, plain, what);
    }

    /// <summary>
    /// Refuses a number that the enumeration of the property does not list. Only for what a script sets: Hyper-V itself uses more numbers than are documented.
    /// </summary>
    public static void RequireListed(PropertySchema property, object? value, string what)
    {
        foreach (object? one in value as Array ?? new[] { value })
        {
            if (one is not null && property.Values?.Contains(Convert.ToString(one, CultureInfo.InvariantCulture) ?? "") == false)
            {
                throw CimFailure.Create(CimFailure.InvalidParameter, $"Invalid parameter: {what} cannot be {one}");
            }
        }
    }

    /// <summary>A value as the wire carries it; the caller writes references and embedded instances.</summary>
    public static object? ToWire(object? value, Func<CimInstance, object> instance) => value switch
    {
        null => null,
        ulong number => number.ToString(CultureInfo.InvariantCulture),
        long number => number.ToString(CultureInfo.InvariantCulture),
        DateTime time => time.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture),
        TimeSpan span => span.TotalSeconds.ToString("R", CultureInfo.InvariantCulture),
        CimInstance one => instance(one),
        Array many => many.Cast<object?>().Select(one => ToWire(one, instance)).ToArray(),
        _ => value,
    };

    /// <summary>A value from the wire in its .NET type. What does not fit is a defect of the fake host and says so.</summary>
    public static object? FromWire(CimTypeName type, JsonElement value, string what, Func<JsonElement, CimInstance> instance)
    {
        if (value.ValueKind == JsonValueKind.Null)
        {
            return null;
        }
        try
        {
            if (!type.IsArray)
            {
                return One(type, value, instance);
            }
            Array array = Array.CreateInstance(type.NetType, value.GetArrayLength());
            int index = 0;
            foreach (JsonElement one in value.EnumerateArray())
            {
                array.SetValue(One(type, one, instance), index++);
            }
            return array;
        }
        catch (Exception error) when (error is InvalidOperationException or FormatException or OverflowException)
        {
            throw new InvalidDataException($"the fake host gave {what}, which is {type}, the value {value.GetRawText()}", error);
        }
    }

    private static object One(CimTypeName type, JsonElement value, Func<JsonElement, CimInstance> instance) => type.Name switch
    {
        "boolean" => value.GetBoolean(),
        "uint8" => value.GetByte(),
        "sint8" => value.GetSByte(),
        "uint16" => value.GetUInt16(),
        "sint16" => value.GetInt16(),
        "uint32" => value.GetUInt32(),
        "sint32" => value.GetInt32(),
        "uint64" => ulong.Parse(Text(value), NumberStyles.None, CultureInfo.InvariantCulture),
        "sint64" => long.Parse(Text(value), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture),
        "datetime" => DateOrInterval(Text(value)),
        "string" => Text(value),
        _ => instance(value),
    };

    private static object DateOrInterval(string text) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double seconds)
            ? TimeSpan.FromSeconds(seconds)
            : DateTime.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind).ToLocalTime();

    private static string Text(JsonElement value) => value.GetString() ?? throw new FormatException("text expected");

    private static bool Fits(CimTypeName type, object value)
    {
        object plain = value is PSObject wrapped ? wrapped.BaseObject : value;
        return plain.GetType() == type.NetType || (type.Name == "datetime" && plain is TimeSpan);
    }

    private static bool IsTypedArray(CimTypeName type, Type? element) =>
        element == type.NetType || (type.Name == "datetime" && element == typeof(TimeSpan));

    private static Exception Mismatch(CimTypeName type, object? value, string what) =>
        CimFailure.Create(CimFailure.TypeMismatch, $"Type mismatch: {what} is {type}, not {value?.GetType().FullName ?? "null"}");
}
