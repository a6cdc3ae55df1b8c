extern alias infrastructure;

using System.Collections;
using infrastructure::Microsoft.Management.Infrastructure;

namespace Tidemark.TestHost.Cim;

/// <summary>A list of named things that is asked by name too, as the collections of CIM objects are; a name that is not there gives null.</summary>
public sealed class NamedCollection<T>(IEnumerable<T> items, Func<T, string> name) : IEnumerable<T>
    where T : class
{
    private readonly List<T> list = [.. items];

    public int Count => list.Count;

    public T? this[string key] => list.Find(item => name(item).Equals(key, StringComparison.OrdinalIgnoreCase));

    public IEnumerator<T> GetEnumerator() => list.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}

/// <summary>A property of an instance. Its value always has the exact .NET type of its CIM type.</summary>
public sealed class CimProperty
{
    private readonly PropertySchema schema;
    private readonly string className;
    private object? value;
    private bool modified;

    internal CimProperty(string className, PropertySchema schema, object? value)
    {
        this.className = className;
        this.schema = schema;
        this.value = value;
    }

    public string Name => schema.Name;

    public CimType CimType => schema.Type.CimType;

    public CimFlags Flags =>
        CimFlags.Property | (schema.IsKey ? CimFlags.Key : CimFlags.None) | (schema.IsReadOnly ? CimFlags.ReadOnly : CimFlags.None)
        | (modified ? CimFlags.None : CimFlags.NotModified) | (value is null ? CimFlags.NullValue : CimFlags.None);

    /// <summary>The value; a script may set it, also where the class calls the property read-only: only the short form <c>$i.Name = …</c> is refused then.</summary>
    public object? Value
    {
        get => value;
        set
        {
            object? typed = CimValues.Require(schema.Type, value, $"{className}.{Name}");
            CimValues.RequireListed(schema, typed, $"{className}.{Name}");
            this.value = typed;
            modified = true;
        }
    }

    internal PropertySchema Schema => schema;
}

/// <summary>
/// The properties of one instance, asked by name; a name that is not there gives null. Each is made when it is asked for: a class has a hundred,
/// a host thousands of instances, and scripts look at a few.
/// </summary>
public sealed class CimProperties : IEnumerable<CimProperty>
{
    private readonly string className;
    private readonly IReadOnlyDictionary<string, PropertySchema> schemas;
    private readonly IReadOnlyDictionary<string, object?> values;
    private readonly Dictionary<string, CimProperty> made = new(StringComparer.OrdinalIgnoreCase);

    internal CimProperties(string className, IReadOnlyDictionary<string, PropertySchema> schemas, IReadOnlyDictionary<string, object?> values)
    {
        this.className = className;
        this.schemas = schemas;
        this.values = values;
    }

    public int Count => schemas.Count;

    public CimProperty? this[string key]
    {
        get
        {
            if (!made.TryGetValue(key, out CimProperty? found) && schemas.TryGetValue(key, out PropertySchema? schema))
            {
                found = new CimProperty(className, schema, values.GetValueOrDefault(schema.Name));
                made[key] = found;
            }
            return found;
        }
    }

    public IEnumerator<CimProperty> GetEnumerator() => schemas.Keys.Select(name => this[name]).OfType<CimProperty>().GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}

/// <summary><c>CimSystemProperties</c>.</summary>
public sealed record CimSystemProperties(string ClassName, string Namespace, string ServerName);

/// <summary>
/// An instance as scripts see it: every property directly (see <see cref="CimInstanceAdapter"/>), and <c>CimClass</c>,
/// <c>CimInstanceProperties</c>, <c>CimSystemProperties</c>.
/// </summary>
public sealed class CimInstance
{
    internal CimInstance(CimClass cimClass, CimProperties properties)
    {
        CimClass = cimClass;
        CimInstanceProperties = properties;
    }

    public CimClass CimClass { get; }

    public CimProperties CimInstanceProperties { get; }

    public CimSystemProperties CimSystemProperties => CimClass.CimSystemProperties;

    internal string ClassName => CimClass.CimClassName;

    /// <summary>The key properties that have values, by which the host finds the object.</summary>
    internal IEnumerable<CimProperty> Keys => CimInstanceProperties.Where(property => property.Schema.IsKey && property.Value is not null);

    public override string ToString()
    {
        string keys = string.Join(", ", Keys.Select(key => $"{key.Name} = \"{key.Value}\""));
        return keys.Length == 0 ? ClassName : $"{ClassName} ({keys})";
    }
}
