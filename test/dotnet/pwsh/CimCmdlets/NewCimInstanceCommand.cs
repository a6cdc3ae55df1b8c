using System.Collections;
using System.Management.Automation;
using Tidemark.TestHost.Cim;

namespace Microsoft.Management.Infrastructure.CimCmdlets;

/// <summary><c>New-CimInstance -ClientOnly</c>: an instance that exists only here, to be written as text.</summary>
[Cmdlet(VerbsCommon.New, "CimInstance", DefaultParameterSetName = ByName)]
public sealed class NewCimInstanceCommand : CimCommand
{
    private const string ByName = "ClassName";
    private const string ByClass = "CimClass";

    [Parameter(Mandatory = true, Position = 0, ParameterSetName = ByName)]
    public string ClassName { get; set; } = "";

    [Parameter(ParameterSetName = ByName)]
    public string? Namespace { get; set; }

    [Parameter(Mandatory = true, ParameterSetName = ByClass)]
    public CimClass? CimClass { get; set; }

    [Parameter]
    public IDictionary? Property { get; set; }

    /// <summary>Creating objects on the host this way is nothing a backup does: it must be given.</summary>
    [Parameter(Mandatory = true)]
    public SwitchParameter ClientOnly { get; set; }

    private protected override void Run()
    {
        CimClass target = CimClass ?? Wmi.Class(CimHost.NormaliseNamespace(Namespace), ClassName);
        CimInstance instance = new(target, new CimProperties(target.CimClassName, target.Schema.Properties, new Dictionary<string, object?>()));
        foreach (DictionaryEntry entry in Property ?? new Hashtable())
        {
            string name = entry.Key.ToString() ?? "";
            CimProperty property = instance.CimInstanceProperties[name] ?? throw Unknown(target, name);
            property.Value = Unwrap(entry.Value);
        }
        WriteObject(instance);
    }

    private static ArgumentException Unknown(CimClass target, string name) =>
        new($"The property '{name}' is not in the class '{target.CimClassName}'.");
}
