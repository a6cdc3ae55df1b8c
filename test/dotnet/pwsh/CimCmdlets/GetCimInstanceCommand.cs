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
        object[] where = Filter is null ? [] : CimFilter.Parse(Filter, schema);
        foreach (CimInstance instance in Wmi.Enumerate(place, ClassName, where, Wanted(schema)))
        {
            WriteObject(instance);
        }
    }

    /// <summary>The names as the class has them.</summary>
    private string[]? Wanted(ClassSchema schema) => Property?.Select(name =>
        schema.Properties.TryGetValue(name, out PropertySchema? property)
            ? property.Name
            : throw CimFailure.Create(CimFailure.InvalidQuery, $"Invalid query: {schema.Name} has no property '{name}'")).ToArray();
}
