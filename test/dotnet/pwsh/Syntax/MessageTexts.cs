using System.Management.Automation.Language;

namespace Tidemark.TestHost.Syntax;

/// <summary>Finds texts that messages for people are compared with: those messages are translated, so no text may decide.</summary>
internal static class MessageTexts
{
    private static readonly HashSet<string> MessageMembers = new(StringComparer.OrdinalIgnoreCase)
    {
        "Message", "Description", "ErrorDescription", "ErrorSummaryDescription", "StatusDescriptions", "JobStatus", "Caption", "Status",
    };

    /// <summary>The constant texts of one side when the other holds a message.</summary>
    public static IEnumerable<Finding> Of(Ast left, Ast right) =>
        HoldsMessage(left) ? Texts(right) : HoldsMessage(right) ? Texts(left) : [];

    /// <summary>The constant texts of a call on a message (<c>$m.Message.Contains('…')</c>), or with a message among its arguments (<c>[regex]::Match($e.Message, '…')</c>).</summary>
    public static IEnumerable<Finding> OfCall(Ast target, ExpressionAst[] arguments) =>
        HoldsMessage(target) || arguments.Any(HoldsMessage) ? arguments.SelectMany(Texts) : [];

    private static bool HoldsMessage(Ast ast) =>
        Parts(ast).Any(part => part is MemberExpressionAst { Member: StringConstantExpressionAst member } && MessageMembers.Contains(member.Value));

    private static IEnumerable<Finding> Texts(Ast ast) =>
        Parts(ast).OfType<StringConstantExpressionAst>().Select(text => new Finding(text.Extent.StartLineNumber, text.Value))
            .Concat(Parts(ast).OfType<ExpandableStringExpressionAst>().Select(text => new Finding(text.Extent.StartLineNumber, text.Value)));

    /// <summary>An expression and those its value comes from; not what stands in commands and tables inside it.</summary>
    private static IEnumerable<Ast> Parts(Ast ast) => ast switch
    {
        MemberExpressionAst member => Parts(member.Expression).Prepend(ast),
        ConvertExpressionAst cast => Parts(cast.Child).Prepend(ast),
        ParenExpressionAst inner => Parts(inner.Pipeline),
        SubExpressionAst inner => inner.SubExpression.Statements.SelectMany(Parts),
        ArrayExpressionAst inner => inner.SubExpression.Statements.SelectMany(Parts),
        PipelineAst { PipelineElements: [CommandExpressionAst only] } => Parts(only.Expression),
        ArrayLiteralAst list => list.Elements.SelectMany(Parts),
        IndexExpressionAst index => Parts(index.Target),
        ExpandableStringExpressionAst text => text.NestedExpressions.SelectMany(Parts).Prepend(ast),
        BinaryExpressionAst { Operator: TokenKind.Plus } sum => Parts(sum.Left).Concat(Parts(sum.Right)),
        _ => [ast],
    };
}
