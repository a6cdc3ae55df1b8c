using System.Management.Automation;
using Tidemark.TestHost.Utility;

// The namespace of the real cmdlets: it stands in every FullyQualifiedErrorId.
namespace Microsoft.PowerShell.Commands;

/// <summary><c>ConvertTo-Json</c> of Windows PowerShell 5.1: depth 2 unless told, no <c>-AsArray</c>, no <c>-EnumsAsStrings</c>.</summary>
[Cmdlet(VerbsData.ConvertTo, "Json")]
public sealed class ConvertToJsonCommand : PSCmdlet
{
    private readonly List<object?> inputs = [];

    [Parameter(Position = 0, Mandatory = true, ValueFromPipeline = true)]
    [AllowNull]
    public object? InputObject { get; set; }

    [Parameter]
    [ValidateRange(1, 100)]
    public int Depth { get; set; } = 2;

    /// <summary>The indented form is for people; nothing here writes it.</summary>
    [Parameter(Mandatory = true)]
    public SwitchParameter Compress { get; set; }

    protected override void ProcessRecord() => inputs.Add(InputObject);

    protected override void EndProcessing()
    {
        if (inputs.Count == 0)
        {
            return;
        }
        object? value = inputs.Count == 1 ? inputs[0] : inputs.ToArray();
        try
        {
            WriteObject(new JsonText(Depth).Write(value));
        }
        catch (InvalidOperationException error)
        {
            ThrowTerminatingError(new ErrorRecord(error, "NonStringKeyInDictionary", ErrorCategory.InvalidOperation, value));
        }
    }
}
