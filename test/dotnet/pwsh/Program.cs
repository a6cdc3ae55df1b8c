using Tidemark.TestHost.Shell;
using Tidemark.TestHost.Syntax;

namespace Tidemark.TestHost;

/// <summary>
/// <c>pwsh</c>: PowerShell for the tests. It reads commands from standard input, as node-powershell drives one, or with
/// <c>-TidemarkSyntax FILE…</c> writes down what scripts use.
/// </summary>
internal static class Program
{
    private const int WrongUse = 64;

    private static int Main(string[] arguments)
    {
        try
        {
            if (arguments.Length > 1 && arguments[0] == "-TidemarkSyntax")
            {
                SyntaxReport.Write(arguments[1..], Console.OpenStandardOutput());
                return 0;
            }
            return new CommandShell(ShellOptions.Parse(arguments), Quirks.Current).Run();
        }
        catch (ArgumentException error)
        {
            Console.Error.WriteLine(error.Message);
            return WrongUse;
        }
    }
}
