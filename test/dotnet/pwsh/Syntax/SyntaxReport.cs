namespace Tidemark.TestHost.Syntax;

internal static class SyntaxReport
{
    public static void Write(string[] files, Stream output) => throw new ArgumentException("later");
}
