using System.Text.Json;

namespace Tidemark.TestHost.Cim;

/// <summary>One property of a class. <c>Values</c> are those of its enumeration, as decimal numbers; null when it is none.</summary>
public sealed record PropertySchema(string Name, CimTypeName Type, bool IsKey, bool IsReadOnly, IReadOnlySet<string>? Values);

/// <summary>One parameter of a method. <c>Direction</c> is <c>in</c>, <c>out</c> (or <c>out,optional</c>) or <c>inout</c>.</summary>
public sealed record ParameterSchema(string Name, CimTypeName Type, string Direction)
{
    public bool IsIn => Direction is "in" or "inout";

    public bool IsOut => Direction != "in";
}

/// <summary>A method of a class; every one returns a number.</summary>
public sealed record MethodSchema(string Name, IReadOnlyList<ParameterSchema> Parameters)
{
    public ParameterSchema? Parameter(string name) =>
        Parameters.FirstOrDefault(parameter => parameter.Name.Equals(name, StringComparison.OrdinalIgnoreCase));
}

/// <summary>A class with all that it inherits. Names are compared without regard to case, as WMI does.</summary>
public sealed record ClassSchema(
    string Name,
    string? Parent,
    IReadOnlyDictionary<string, PropertySchema> Properties,
    IReadOnlyDictionary<string, MethodSchema> Methods,
    IReadOnlyDictionary<string, string> AssociationEnds)
{
    public bool IsAssociation => AssociationEnds.Count > 0;
}

/// <summary>The classes of one namespace, without what the build of the fake host lacks. A class is read when it is asked for.</summary>
public sealed class CimSchema
{
    private readonly Dictionary<string, ClassSchema> classes = new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<string, JsonElement> all = new(StringComparer.OrdinalIgnoreCase);
    private readonly IReadOnlySet<string> hidden;

    private CimSchema(IReadOnlySet<string> hidden) => this.hidden = hidden;

    /// <summary>Reads a schema file; <paramref name="hidden"/> are <c>Class</c>, <c>Class.Property</c> or <c>Class.Method</c> that are not there.</summary>
    public static CimSchema Parse(Stream json, IReadOnlySet<string> hidden)
    {
        CimSchema schema = new(hidden);
        foreach (JsonProperty one in JsonDocument.Parse(json).RootElement.EnumerateObject())
        {
            if (!hidden.Contains(one.Name))
            {
                schema.all[one.Name] = one.Value;
            }
        }
        return schema;
    }

    public ClassSchema? Find(string className)
    {
        if (!classes.TryGetValue(className, out ClassSchema? found) && all.ContainsKey(className))
        {
            found = Read(all.Keys.First(name => name.Equals(className, StringComparison.OrdinalIgnoreCase)));
            classes[found.Name] = found;
        }
        return found;
    }

    /// <summary>The class, or the error that WMI gives for one that it does not know.</summary>
    public ClassSchema Get(string className) =>
        Find(className) ?? throw CimFailure.Create(CimFailure.InvalidClass, $"Invalid class: {className}");

    /// <summary>Whether <paramref name="className"/> is <paramref name="ancestor"/> or inherits from it.</summary>
    public bool IsA(string className, string ancestor) =>
        Lineage(className).Any(one => one.Name.Equals(ancestor, StringComparison.OrdinalIgnoreCase));

    /// <summary>A class and its ancestors, from the class up.</summary>
    private IEnumerable<(string Name, JsonElement Class)> Lineage(string className)
    {
        for (string? name = className; name is not null && all.TryGetValue(name, out JsonElement one); name = one.GetProperty("extends").GetString())
        {
            yield return (name, one);
        }
    }

    private ClassSchema Read(string className)
    {
        Dictionary<string, PropertySchema> properties = new(StringComparer.OrdinalIgnoreCase);
        Dictionary<string, MethodSchema> methods = new(StringComparer.OrdinalIgnoreCase);
        Dictionary<string, string> ends = new(StringComparer.OrdinalIgnoreCase);
        IReadOnlySet<string>? keys = null;
        // What a class says of a property wins over what its parent says.
        foreach ((string name, JsonElement one) in Lineage(className))
        {
            keys ??= CimKeys.Known(name);
            ReadProperties(one, className, properties, hidden);
            ReadMethods(one, className, methods, hidden);
            ReadEnds(one, ends);
        }
        if (keys is not null)
        {
            foreach (string property in properties.Keys.ToArray())
            {
                properties[property] = properties[property] with { IsKey = keys.Contains(property) };
            }
        }
        return new ClassSchema(className, all[className].GetProperty("extends").GetString(), properties, methods, ends);
    }

    private static void ReadProperties(JsonElement from, string className, Dictionary<string, PropertySchema> properties, IReadOnlySet<string> hidden)
    {
        foreach (JsonProperty property in from.GetProperty("properties").EnumerateObject())
        {
            if (!hidden.Contains($"{className}.{property.Name}"))
            {
                bool readOnly = property.Value.TryGetProperty("access", out JsonElement access) && access.GetString() == "read-only";
                HashSet<string>? values = property.Value.TryGetProperty("values", out JsonElement listed)
                    ? [.. listed.EnumerateObject().Select(value => value.Name)]
                    : null;
                properties.TryAdd(property.Name, new PropertySchema(property.Name, ReadType(property.Value), Flag(property.Value, "key"), readOnly, values));
            }
        }
    }

    private static void ReadMethods(JsonElement from, string className, Dictionary<string, MethodSchema> methods, IReadOnlySet<string> hidden)
    {
        foreach (JsonProperty method in from.GetProperty("methods").EnumerateObject())
        {
            if (!hidden.Contains($"{className}.{method.Name}"))
            {
                ParameterSchema[] parameters = [.. method.Value.GetProperty("parameters").EnumerateArray().Select(parameter =>
                    new ParameterSchema(Text(parameter, "name"), ReadType(parameter), Text(parameter, "dir")))];
                methods.TryAdd(method.Name, new MethodSchema(method.Name, parameters));
            }
        }
    }

    private static void ReadEnds(JsonElement from, Dictionary<string, string> ends)
    {
        if (from.TryGetProperty("association", out JsonElement association))
        {
            foreach (JsonProperty end in association.EnumerateObject())
            {
                ends.TryAdd(end.Name, end.Value.GetString() ?? "");
            }
        }
    }

    private static CimTypeName ReadType(JsonElement from) => new(Text(from, "type"), Flag(from, "array"));

    private static string Text(JsonElement from, string name) =>
        from.GetProperty(name).GetString() ?? throw new InvalidDataException($"the schema has no {name}");

    private static bool Flag(JsonElement from, string name) => from.TryGetProperty(name, out JsonElement value) && value.GetBoolean();
}
