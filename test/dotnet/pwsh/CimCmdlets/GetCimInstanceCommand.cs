using System.Management.Automation;
using Tidemark.TestHost.Cim;

namespace Microsoft.Management.Infrastructure.CimCmdlets;

/// <summary><c>Get-CimInstance</c>: all instances of a class and its subclasses, those that match a filter, or the present state of one.</summary>
[Cmdlet(VerbsCommon.Get, "CimInstance", DefaultParameterSetName = ByClass)]
public sealed class GetCimInstanceCommand : CimCommand
{
    private const string ByClass = "ClassName";
    private const string ByInstance = "InputObject";

    [Parameter(Mandatory = true, Position = 0, ParameterSetName = ByClass)]
    public string ClassName { get; set; } = "";

    [Parameter(ParameterSetName = ByClass)]
    public string? Namespace { get; set; }

    [Parameter(ParameterSetName = ByClass)]
    public string? Filter { get; set; }

    /// <summary>The properties to fetch; all others are null then, keys too.</summary>
    [Parameter(ParameterSetName = ByClass)]
    public string[]? Property { get; set; }

    [Parameter(Mandatory = true, ParameterSetName = ByInstance)]
    public CimInstance? InputObject { get; set; }

    private protected override void Run()
    {
        if (InputObject is not null)
        {
            WriteObject(Wmi.Get(InputObject));
            return;
        }
        string place = CimHost.NormaliseNamespace(Namespace);
        ClassSchema schema = Wmi.Schema(place).Get(ClassName);
        HashSet<string>? wanted = Wanted(schema);
        object[] where = Filter is null ? [] : CimFilter.Parse(Filter, schema);
        foreach (CimInstance instance in Wmi.Enumerate(place, ClassName, where))
        {
            WriteObject(wanted is null ? instance : Only(instance, wanted));
        }
    }

    private HashSet<string>? Wanted(ClassSchema schema)
    {
        foreach (string name in Property ?? [])
        {
            if (!schema.Properties.ContainsKey(name))
            {
                throw CimFailure.Create(CimFailure.InvalidQuery, $"Invalid query: {schema.Name} has no property '{name}'");
            }
        }
        return Property?.ToHashSet(StringComparer.OrdinalIgnoreCase);
    }

    private static CimInstance Only(CimInstance instance, HashSet<string> wanted) =>
        new(instance.CimClass, instance.CimInstanceProperties.Select(property =>
            new CimProperty(instance.ClassName, property.Schema, wanted.Contains(property.Name) ? property.Value : null)));
}
