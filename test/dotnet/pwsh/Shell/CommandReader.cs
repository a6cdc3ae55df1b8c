using System.Management.Automation.Language;

namespace Tidemark.TestHost.Shell;

/// <summary>Gathers lines until they are a whole command.</summary>
internal static class CommandReader
{
    /// <summary>The next command, or null at the end of the input.</summary>
    public static string? Read(TextReader input)
    {
        string? command = null;
        while (input.ReadLine() is { } line)
        {
            command = command is null ? line : command + "\n" + line;
            if (!IsIncomplete(command))
            {
                return command;
            }
        }
        return command;
    }

    private static bool IsIncomplete(string text)
    {
        Parser.ParseInput(text, out _, out ParseError[] errors);
        return errors.Any(error => error.IncompleteInput);
    }
}
