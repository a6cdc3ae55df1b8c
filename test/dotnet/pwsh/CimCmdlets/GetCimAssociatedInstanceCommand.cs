using System.Management.Automation;
using Tidemark.TestHost.Cim;

namespace Microsoft.Management.Infrastructure.CimCmdlets;

/// <summary>
/// <c>Get-CimAssociatedInstance</c>. WMI gives nothing for an association or a class that can never fit the object; here that is refused,
/// because "nothing" would look like a host without snapshots.
/// </summary>
[Cmdlet(VerbsCommon.Get, "CimAssociatedInstance")]
public sealed class GetCimAssociatedInstanceCommand : CimCommand
{
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true)]
    public CimInstance? InputObject { get; set; }

    [Parameter(Position = 1)]
    public string? Association { get; set; }

    [Parameter]
    public string? ResultClassName { get; set; }

    [Parameter]
    public string? Namespace { get; set; }

    private protected override void Run()
    {
        CimInstance source = InputObject ?? throw new PSArgumentNullException(nameof(InputObject));
        string place = Namespace is null ? source.CimSystemProperties.Namespace : CimHost.NormaliseNamespace(Namespace);
        CimSchema schema = Wmi.Schema(place);
        ClassSchema? result = ResultClassName is null ? null : schema.Get(ResultClassName);
        ClassSchema? association = Association is null ? null : schema.Get(Association);
        if (association is not null)
        {
            RequireEnds(schema, association, source, result);
        }
        foreach (CimInstance instance in Wmi.Associated(place, source, association?.Name, result?.Name))
        {
            WriteObject(instance);
        }
    }

    private static void RequireEnds(CimSchema schema, ClassSchema association, CimInstance source, ClassSchema? result)
    {
        if (!association.IsAssociation)
        {
            throw CimFailure.Create(CimFailure.InvalidParameter, $"Invalid parameter: {association.Name} is no association");
        }
        string[] ends = [.. association.AssociationEnds.Keys];
        bool fits = ends.Any(near =>
            schema.IsA(source.ClassName, association.AssociationEnds[near])
            && ends.Any(far => far != near && (result is null || Related(schema, result.Name, association.AssociationEnds[far]))));
        if (!fits)
        {
            string asked = result is null ? "" : $" with {result.Name}";
            throw CimFailure.Create(CimFailure.InvalidParameter, $"Invalid parameter: {association.Name} does not join a {source.ClassName}{asked}");
        }
    }

    /// <summary>A class may be asked for at an end of its own class, of a more general or of a more special one.</summary>
    private static bool Related(CimSchema schema, string one, string other) => schema.IsA(one, other) || schema.IsA(other, one);
}
