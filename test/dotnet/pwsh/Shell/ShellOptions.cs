using Microsoft.PowerShell;

namespace Tidemark.TestHost.Shell;

/// <summary>The command line. Only what the agent gives is understood; it must end with <c>-NoExit -Command -</c>.</summary>
internal sealed record ShellOptions(ExecutionPolicy? ExecutionPolicy)
{
    /// <exception cref="ArgumentException">A switch that is not known, or commands that do not come from standard input.</exception>
    public static ShellOptions Parse(string[] arguments)
    {
        ExecutionPolicy? policy = null;
        bool fromInput = false;
        for (int at = 0; at < arguments.Length; at++)
        {
            switch (arguments[at].ToLowerInvariant())
            {
                case "-nologo" or "-noprofile" or "-noninteractive" or "-noexit":
                    break;
                case "-executionpolicy":
                    policy = Enum.Parse<ExecutionPolicy>(Value(arguments, ++at), ignoreCase: true);
                    break;
                case "-command":
                    fromInput = Value(arguments, ++at) == "-";
                    break;
                default:
                    throw new ArgumentException($"pwsh: unknown option {arguments[at]}");
            }
        }
        return fromInput ? new ShellOptions(policy) : throw new ArgumentException("pwsh: -Command - expected");
    }

    private static string Value(string[] arguments, int at) =>
        at < arguments.Length ? arguments[at] : throw new ArgumentException($"pwsh: {arguments[at - 1]} wants a value");
}
