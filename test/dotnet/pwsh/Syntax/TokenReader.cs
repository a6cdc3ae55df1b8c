using System.Management.Automation.Language;
using System.Text.RegularExpressions;

namespace Tidemark.TestHost.Syntax;

/// <summary>Finds what 5.1 reads in another way already as single tokens.</summary>
internal static partial class TokenReader
{
    public static void Read(Token[] tokens, FileReport report)
    {
        foreach (Token token in tokens)
        {
            if (Construct(token) is { } name)
            {
                report.Constructs.Add(new Finding(token.Extent.StartLineNumber, name));
            }
        }
    }

    private static string? Construct(Token token) => token switch
    {
        NumberToken when !NumberOf51().IsMatch(token.Text) => "numberSuffix",
        StringExpandableToken when EscapeOf7().IsMatch(token.Text) => "escape",
        { Kind: TokenKind.Pipe } when BeginsLine(token) => "leadingPipe",
        // 5.1 reads a file without a byte order mark in the code page of the machine.
        _ when token.Text.Any(one => one > '\u007e') => "notAscii",
        _ => null,
    };

    private static bool BeginsLine(Token token) =>
        string.IsNullOrWhiteSpace(token.Extent.StartScriptPosition.Line[..(token.Extent.StartColumnNumber - 1)]);

    /// <summary>Suffixes of 5.1: <c>d</c>, <c>l</c> and the multipliers. Those for unsigned and short numbers and <c>0b</c> came later.</summary>
    [GeneratedRegex(@"^-?(0x[0-9a-f]+|[0-9]*\.?[0-9]+(e[+-]?[0-9]+)?|[0-9]+\.)[dl]?([kmgtp]b)?$", RegexOptions.IgnoreCase)]
    private static partial Regex NumberOf51();

    /// <summary><c>`e</c> and <c>`u{…}</c>, not after a backtick that escapes the backtick.</summary>
    [GeneratedRegex(@"(?<!`)(``)*`(e|u\{)")]
    private static partial Regex EscapeOf7();
}
