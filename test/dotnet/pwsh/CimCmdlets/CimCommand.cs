using System.Management.Automation;
using Tidemark.TestHost.Cim;

// The namespace of the real cmdlets: it stands in every FullyQualifiedErrorId.
namespace Microsoft.Management.Infrastructure.CimCmdlets;

/// <summary>What the CIM cmdlets have in common: a failure of WMI is an error that does not end the script by itself.</summary>
public abstract class CimCommand : PSCmdlet
{
    private protected static CimHost Wmi => CimHost.Current;

    protected sealed override void ProcessRecord()
    {
        try
        {
            Run();
        }
        catch (CimException failure)
        {
            WriteError(CimFailure.Record(failure, null));
        }
    }

    private protected abstract void Run();

    private protected static object? Unwrap(object? value) => value is PSObject wrapped ? wrapped.BaseObject : value;
}
