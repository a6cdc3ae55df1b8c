using System.Reflection;
using System.Text.Json;

namespace Tidemark.TestHost.Cim;

/// <summary>The fake host as the cmdlets see it: its classes, and its objects. There is one a process.</summary>
internal sealed class CimHost
{
    private static readonly Lazy<CimHost> Instance = new(() => new CimHost(), LazyThreadSafetyMode.PublicationOnly);

    private readonly CimServer server = new();
    private readonly string computerName;
    private readonly Dictionary<string, CimSchema> namespaces;
    private readonly Dictionary<string, CimClass> classes = new(StringComparer.OrdinalIgnoreCase);

    private CimHost()
    {
        JsonElement build = server.Ask(new { op = "build" });
        computerName = build.GetProperty("computerName").GetString() ?? "";
        HashSet<string> hidden = build.GetProperty("hidden").EnumerateArray().Select(one => one.GetString() ?? "").ToHashSet(StringComparer.OrdinalIgnoreCase);
        using Stream hyperv = File.OpenRead(SchemaPath());
        namespaces = new(StringComparer.OrdinalIgnoreCase)
        {
            ["root/virtualization/v2"] = CimSchema.Parse(hyperv, hidden),
            ["root/cimv2"] = WindowsSchema(hidden),
        };
    }

    public static CimHost Current => Instance.Value;

    /// <summary><c>root\cimv2</c> when none is given; both kinds of slashes are the same.</summary>
    public static string NormaliseNamespace(string? name) => (name ?? "root/cimv2").Replace('\\', '/').ToLowerInvariant();

    public CimSchema Schema(string @namespace) =>
        namespaces.TryGetValue(@namespace, out CimSchema? schema)
            ? schema
            : throw CimFailure.Create(CimFailure.InvalidNamespace, $"Invalid namespace: {@namespace}");

    public CimClass Class(string @namespace, string className)
    {
        string key = $"{@namespace}:{className}";
        if (!classes.TryGetValue(key, out CimClass? found))
        {
            ClassSchema schema = Schema(@namespace).Get(className);
            found = new CimClass(schema, new CimSystemProperties(schema.Name, @namespace, computerName));
            classes[key] = found;
        }
        return found;
    }

    /// <summary>With <paramref name="properties"/> all others are null.</summary>
    public IEnumerable<CimInstance> Enumerate(string @namespace, string className, object[] where, IReadOnlyCollection<string>? properties)
    {
        CimClass asked = Class(@namespace, className);
        JsonElement answer = server.Ask(new { op = "enumerate", @namespace, className = asked.CimClassName, where, properties });
        HashSet<string>? wanted = properties?.ToHashSet(StringComparer.OrdinalIgnoreCase);
        return answer.GetProperty("instances").EnumerateArray().Select(one => FromWire(@namespace, one, wanted));
    }

    /// <summary>The object as it is now.</summary>
    public CimInstance Get(CimInstance instance)
    {
        string @namespace = instance.CimSystemProperties.Namespace;
        JsonElement answer = server.Ask(new { op = "get", @namespace, className = instance.ClassName, keys = Keys(instance) });
        return FromWire(@namespace, answer.GetProperty("instance"));
    }

    public IEnumerable<CimInstance> Associated(string @namespace, CimInstance source, string? association, string? resultClass) =>
        Instances(@namespace, server.Ask(new { op = "associated", @namespace, source = Reference(source), association, resultClass }));

    /// <summary>Calls a method; the arguments are checked already.</summary>
    public JsonElement Invoke(CimInstance target, string method, IReadOnlyDictionary<string, object?> arguments) =>
        server.Ask(new
        {
            op = "invoke",
            @namespace = target.CimSystemProperties.Namespace,
            className = target.ClassName,
            keys = Keys(target),
            method,
            arguments,
        });

    /// <summary>An instance of <c>{"className":…,"properties":{…}}</c>: what is not named is null, what the class does not have is a defect of the fake host.</summary>
    public CimInstance FromWire(string @namespace, JsonElement from, HashSet<string>? wanted = null)
    {
        CimClass cimClass = Class(@namespace, ClassName(from));
        JsonElement properties = from.GetProperty("properties");
        return new CimInstance(cimClass, new CimProperties(cimClass.CimClassName, cimClass.Schema.Properties, ReadValues(cimClass, properties, wanted)));
    }

    /// <summary>A reference, <c>{"className":…,"keys":{…}}</c>: an instance that has its keys and no other property, as WMI gives it.</summary>
    public CimInstance ReferenceFromWire(string @namespace, JsonElement from)
    {
        CimClass cimClass = Class(@namespace, ClassName(from));
        Dictionary<string, object?> values = ReadValues(cimClass, from.GetProperty("keys"));
        Dictionary<string, PropertySchema> keys = values.Keys.ToDictionary(
            name => name, name => cimClass.Schema.Properties[name] with { IsKey = true }, StringComparer.OrdinalIgnoreCase);
        return new CimInstance(cimClass, new CimProperties(cimClass.CimClassName, keys, values));
    }

    /// <summary>A reference as the wire carries it.</summary>
    public object Reference(CimInstance instance) => new { className = instance.ClassName, keys = Keys(instance) };

    private Dictionary<string, object?> ReadValues(CimClass cimClass, JsonElement from, HashSet<string>? wanted = null)
    {
        Dictionary<string, object?> values = new(StringComparer.OrdinalIgnoreCase);
        foreach (JsonProperty value in from.EnumerateObject())
        {
            PropertySchema property = cimClass.Schema.Properties.GetValueOrDefault(value.Name)
                ?? throw new InvalidDataException($"the fake host gave {cimClass.CimClassName} the property {value.Name}, which this build does not have");
            if (wanted?.Contains(property.Name) == false)
            {
                continue;
            }
            values[property.Name] = ReadValue(cimClass.CimSystemProperties.Namespace, property.Type, value.Value, $"{cimClass.CimClassName}.{property.Name}");
        }
        return values;
    }

    /// <summary>A value of the wire. Embedded instances of string properties and parameters become text.</summary>
    public object? ReadValue(string @namespace, CimTypeName type, JsonElement value, string what) =>
        CimValues.FromWire(type, value, what, one =>
            type.ReferencedClass is null ? FromWire(@namespace, one) : ReferenceFromWire(@namespace, one));

    private static string ClassName(JsonElement from) =>
        from.GetProperty("className").GetString() ?? throw new InvalidDataException("an instance without className");

    private IEnumerable<CimInstance> Instances(string @namespace, JsonElement answer) =>
        answer.GetProperty("instances").EnumerateArray().Select(one => FromWire(@namespace, one));

    private Dictionary<string, object?> Keys(CimInstance instance)
    {
        Dictionary<string, object?> keys = instance.Keys.ToDictionary(key => key.Name, key => CimValues.ToWire(key.Value, Reference));
        return keys.Count > 0
            ? keys
            : throw CimFailure.Create(CimFailure.InvalidParameter, $"Invalid parameter: this {instance.ClassName} has no key values, so it names no object");
    }

    /// <summary>What Windows itself has: the few classes of <c>root\cimv2</c> that are asked for.</summary>
    internal static CimSchema WindowsSchema(IReadOnlySet<string> hidden)
    {
        using Stream json = Assembly.GetExecutingAssembly().GetManifestResourceStream("cimv2.json") ?? throw new FileNotFoundException("cimv2.json");
        return CimSchema.Parse(json, hidden);
    }

    /// <summary><c>TIDEMARK_FAKE_SCHEMA</c>, or the copy beside this program.</summary>
    private static string SchemaPath() =>
        Environment.GetEnvironmentVariable("TIDEMARK_FAKE_SCHEMA") ?? Path.Combine(AppContext.BaseDirectory, "schema.json");
}
