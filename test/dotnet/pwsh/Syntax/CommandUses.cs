using System.Management.Automation.Language;

namespace Tidemark.TestHost.Syntax;

/// <summary>Reads a command's arguments as far as they are known without running it.</summary>
internal static class CommandUses
{
    public static CommandUse Of(CommandAst ast, int line, string? function)
    {
        List<string> parameters = [];
        List<Argument> arguments = [];
        string? waiting = null;
        foreach (CommandElementAst element in ast.CommandElements.Skip(1))
        {
            if (element is CommandParameterAst parameter)
            {
                parameters.Add(parameter.ParameterName);
                waiting = parameter.ParameterName;
                if (parameter.Argument is not null)
                {
                    arguments.Add(new Argument(waiting, ValueOf(parameter.Argument)));
                    waiting = null;
                }
            }
            else
            {
                arguments.Add(new Argument(waiting, ValueOf(element)));
                waiting = null;
            }
        }
        return new CommandUse(line, ast.GetCommandName(), function, parameters, arguments);
    }

    private static Value ValueOf(Ast ast) => ast switch
    {
        StringConstantExpressionAst text => new Value("text", text.Value, null, null, null),
        ConstantExpressionAst number => new Value("number", number.Extent.Text, null, null, null),
        UnaryExpressionAst { Child: ConstantExpressionAst } number => new Value("number", number.Extent.Text, null, null, null),
        VariableExpressionAst variable => new Value("variable", variable.VariablePath.UserPath, null, null, null),
        ConvertExpressionAst cast => ValueOf(cast.Child) with { Cast = cast.Type.TypeName.FullName },
        HashtableAst table => new Value("table", null, null, [.. table.KeyValuePairs.Select(EntryOf)], null),
        ArrayLiteralAst list => new Value("list", null, null, null, [.. list.Elements.Select(ValueOf)]),
        ArrayExpressionAst { SubExpression.Statements: [PipelineAst only] } => AsList(ValueOf(only)),
        ParenExpressionAst inner => ValueOf(inner.Pipeline),
        PipelineAst { PipelineElements: [CommandExpressionAst only] } => ValueOf(only.Expression),
        CommandExpressionAst only => ValueOf(only.Expression),
        _ => new Value("other", null, null, null, null),
    };

    private static Value AsList(Value value) => value.Kind == "list" ? value : new Value("list", null, null, null, [value]);

    private static Entry EntryOf(Tuple<ExpressionAst, StatementAst> pair) =>
        new(pair.Item1.Extent.StartLineNumber, (pair.Item1 as StringConstantExpressionAst)?.Value, ValueOf(pair.Item2));
}
