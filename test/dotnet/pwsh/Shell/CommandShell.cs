using System.Management.Automation;
using System.Management.Automation.Runspaces;
using System.Text;

namespace Tidemark.TestHost.Shell;

/// <summary>Reads commands from standard input and runs one after the other in one runspace, until the input ends or a script exits.</summary>
internal sealed class CommandShell
{
    private readonly ShellOptions options;
    private readonly Quirks quirks;
    private readonly ShellHost host = new();
    private readonly ShellWriter output = new(Console.OpenStandardOutput());
    private readonly ShellWriter errors = new(Console.OpenStandardError());

    public CommandShell(ShellOptions options, Quirks quirks)
    {
        this.options = options;
        this.quirks = quirks;
    }

    /// <summary>Gives the exit code.</summary>
    public int Run()
    {
        PrepareConsole();
        using Runspace runspace = RunspaceFactory.CreateRunspace(host, SessionFactory.Create(options));
        runspace.Open();
        runspace.SessionStateProxy.InvokeCommand.PreCommandLookupAction = (_, lookup) => HaveAccident(lookup.CommandName);
        using StreamReader input = new(Console.OpenStandardInput(), new UTF8Encoding(false));
        while (host.ExitCode is null && CommandReader.Read(input) is { } command)
        {
            // The lines that node-powershell writes around a command are not commands of the agent.
            if (!command.StartsWith("[Console]::", StringComparison.Ordinal))
            {
                quirks.MakeNoise(errors);
            }
            Execute(runspace, command);
        }
        return host.ExitCode ?? 0;
    }

    private void PrepareConsole()
    {
        Encoding.RegisterProvider(CodePagesEncodingProvider.Instance);
        Console.OutputEncoding = quirks.Oem ? Encoding.GetEncoding(850) : new UTF8Encoding(false);
        Console.SetOut(output);
        Console.SetError(errors);
        if (quirks.Bom)
        {
            output.MarkNext();
        }
    }

    private void Execute(Runspace runspace, string command)
    {
        using PowerShell shell = PowerShell.Create(runspace);
        shell.AddScript(command, useLocalScope: false);
        PSDataCollection<PSObject> results = [];
        results.DataAdded += (_, added) => output.WriteLine(results[added.Index]?.ToString());
        shell.Streams.Error.DataAdded += (_, added) => WriteError(shell.Streams.Error[added.Index]);
        shell.Streams.Warning.DataAdded += (_, added) => output.WriteLine($"WARNING: {shell.Streams.Warning[added.Index].Message}");
        try
        {
            shell.Invoke(null, results, null);
        }
        catch (RuntimeException error)
        {
            WriteError(error.ErrorRecord);
        }
    }

    private void WriteError(ErrorRecord error)
    {
        errors.WriteLine(error.ToString());
        errors.WriteLine($"    + CategoryInfo          : {error.CategoryInfo}");
        errors.WriteLine($"    + FullyQualifiedErrorId : {error.FullyQualifiedErrorId}");
    }

    private void HaveAccident(string command)
    {
        switch (quirks.AccidentOf(command))
        {
            case "hang":
                Thread.Sleep(Timeout.Infinite);
                break;
            case "die":
                output.DieInNext();
                break;
        }
    }
}
