using System.Management.Automation.Language;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Tidemark.TestHost.Syntax;

/// <summary>Parses scripts and writes down, as JSON, what they use.</summary>
internal static class SyntaxReport
{
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static void Write(string[] files, Stream output) => JsonSerializer.Serialize(output, files.Select(Read).ToArray(), Options);

    private static FileReport Read(string path)
    {
        FileReport report = new(path);
        ScriptBlockAst script = Parser.ParseFile(Path.GetFullPath(path), out Token[] tokens, out ParseError[] errors);
        foreach (ParseError error in errors)
        {
            report.Errors.Add(new Finding(error.Extent.StartLineNumber, error.Message));
        }
        TokenReader.Read(tokens, report);
        script.Visit(new UseVisitor(report));
        return report;
    }
}
