using System.Management.Automation;
using Tidemark.TestHost.Cim;

namespace Microsoft.Management.Infrastructure.CimCmdlets;

/// <summary><c>Get-CimClass</c>, for one class by its full name.</summary>
[Cmdlet(VerbsCommon.Get, "CimClass")]
public sealed class GetCimClassCommand : CimCommand
{
    [Parameter(Mandatory = true, Position = 0)]
    public string ClassName { get; set; } = "";

    [Parameter]
    public string? Namespace { get; set; }

    private protected override void Run() => WriteObject(Wmi.Class(CimHost.NormaliseNamespace(Namespace), ClassName));
}
