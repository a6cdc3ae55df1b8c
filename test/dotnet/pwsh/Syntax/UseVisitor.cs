using System.Management.Automation.Language;
using System.Text.RegularExpressions;

namespace Tidemark.TestHost.Syntax;

/// <summary>Walks the tree of a script and fills the report.</summary>
internal sealed partial class UseVisitor(FileReport report) : AstVisitor2
{
    public override AstVisitAction VisitFunctionDefinition(FunctionDefinitionAst ast) => Note(report.Functions, ast, ast.Name);

    public override AstVisitAction VisitTypeExpression(TypeExpressionAst ast) => NoteType(ast, ast.TypeName);

    public override AstVisitAction VisitTypeConstraint(TypeConstraintAst ast) => NoteType(ast, ast.TypeName);

    public override AstVisitAction VisitVariableExpression(VariableExpressionAst ast) => Note(report.Variables, ast, ast.VariablePath.UserPath);

    public override AstVisitAction VisitStringConstantExpression(StringConstantExpressionAst ast) =>
        ClassName().IsMatch(ast.Value) ? Note(report.ClassNames, ast, ast.Value) : AstVisitAction.Continue;

    public override AstVisitAction VisitHashtable(HashtableAst ast)
    {
        foreach (StringConstantExpressionAst key in ast.KeyValuePairs.Select(pair => pair.Item1).OfType<StringConstantExpressionAst>())
        {
            Note(report.Keys, key, key.Value);
        }
        return AstVisitAction.Continue;
    }

    public override AstVisitAction VisitTernaryExpression(TernaryExpressionAst ast) => Note(report.Constructs, ast, "ternary");

    public override AstVisitAction VisitPipelineChain(PipelineChainAst ast) => Note(report.Constructs, ast, "pipelineChain");

    public override AstVisitAction VisitPipeline(PipelineAst ast) =>
        ast.Background ? Note(report.Constructs, ast, "background") : AstVisitAction.Continue;

    public override AstVisitAction VisitScriptBlock(ScriptBlockAst ast) =>
        ast.CleanBlock is not null ? Note(report.Constructs, ast, "cleanBlock") : AstVisitAction.Continue;

    public override AstVisitAction VisitUnaryExpression(UnaryExpressionAst ast) => Note(report.Operators, ast, ast.TokenKind.ToString());

    public override AstVisitAction VisitBinaryExpression(BinaryExpressionAst ast)
    {
        report.MessageTexts.AddRange(MessageTexts.Of(ast.Left, ast.Right));
        return Note(report.Operators, ast, ast.Operator.ToString());
    }

    public override AstVisitAction VisitSwitchStatement(SwitchStatementAst ast)
    {
        report.MessageTexts.AddRange(ast.Clauses.SelectMany(clause => MessageTexts.Of(ast.Condition, clause.Item1)));
        return AstVisitAction.Continue;
    }

    public override AstVisitAction VisitIndexExpression(IndexExpressionAst ast) =>
        ast.NullConditional ? Note(report.Constructs, ast, "nullConditional") : AstVisitAction.Continue;

    public override AstVisitAction VisitMemberExpression(MemberExpressionAst ast) => NoteMember(ast, null);

    public override AstVisitAction VisitInvokeMemberExpression(InvokeMemberExpressionAst ast)
    {
        ExpressionAst[] arguments = [.. ast.Arguments ?? Enumerable.Empty<ExpressionAst>()];
        report.MessageTexts.AddRange(MessageTexts.OfCall(ast.Expression, arguments));
        return NoteMember(ast, arguments.Length);
    }

    public override AstVisitAction VisitAttribute(AttributeAst ast)
    {
        report.Attributes.Add(new AttributeUse(Line(ast), ast.TypeName.FullName, [.. ast.NamedArguments.Select(argument => argument.ArgumentName)]));
        return AstVisitAction.Continue;
    }

    public override AstVisitAction VisitAssignmentStatement(AssignmentStatementAst ast)
    {
        Note(report.Operators, ast, ast.Operator.ToString());
        if (ast.Left is VariableExpressionAst variable && IsOneCommand(ast.Right))
        {
            // The command is visited next, so its place is the number of those before it.
            report.Assignments.Add(new Assignment(Line(ast), variable.VariablePath.UserPath, FunctionOf(ast), report.Commands.Count));
        }
        return AstVisitAction.Continue;
    }

    public override AstVisitAction VisitCommand(CommandAst ast)
    {
        report.Commands.Add(CommandUses.Of(ast, Line(ast), FunctionOf(ast)));
        return AstVisitAction.Continue;
    }

    private AstVisitAction NoteMember(MemberExpressionAst ast, int? arguments)
    {
        if (ast.NullConditional)
        {
            Note(report.Constructs, ast, "nullConditional");
        }
        string? type = ast.Static && ast.Expression is TypeExpressionAst expression ? expression.TypeName.FullName : null;
        string? variable = ast.Expression is VariableExpressionAst one ? one.VariablePath.UserPath : null;
        report.Members.Add(new MemberUse(Line(ast), type, variable, (ast.Member as StringConstantExpressionAst)?.Value, arguments, FunctionOf(ast)));
        return AstVisitAction.Continue;
    }

    private AstVisitAction NoteType(Ast ast, ITypeName name)
    {
        switch (name)
        {
            case ArrayTypeName array:
                return NoteType(ast, array.ElementType);
            case GenericTypeName generic:
                foreach (ITypeName argument in generic.GenericArguments)
                {
                    NoteType(ast, argument);
                }
                return NoteType(ast, generic.TypeName);
            default:
                return Note(report.Types, ast, name.FullName);
        }
    }

    private static bool IsOneCommand(StatementAst statement) => statement is PipelineAst { PipelineElements: [CommandAst] };

    private static AstVisitAction Note(List<Finding> list, Ast ast, string text)
    {
        list.Add(new Finding(Line(ast), text));
        return AstVisitAction.Continue;
    }

    private static int Line(Ast ast) => ast.Extent.StartLineNumber;

    private static string? FunctionOf(Ast ast)
    {
        for (Ast? parent = ast.Parent; parent is not null; parent = parent.Parent)
        {
            if (parent is FunctionDefinitionAst function)
            {
                return function.Name;
            }
        }
        return null;
    }

    [GeneratedRegex("^(Msvm|CIM|Win32|MSFT)_[A-Za-z0-9_]+$", RegexOptions.IgnoreCase)]
    private static partial Regex ClassName();
}
