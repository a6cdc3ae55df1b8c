using System.Text;

namespace Tidemark.TestHost.Cim;

/// <summary>
/// The part of WQL that the module may use: <c>Property = 'literal'</c>, joined by <c>AND</c>. In a literal a backslash stands twice
/// and a quote after a backslash; anything else is WMI's invalid query.
/// </summary>
internal static class CimFilter
{
    /// <summary>The conditions of a filter on a class.</summary>
    public static object[] Parse(string filter, ClassSchema schema)
    {
        List<object> conditions = [];
        int at = 0;
        do
        {
            SkipSpaces(filter, ref at);
            string name = ReadWord(filter, ref at);
            if (!schema.Properties.TryGetValue(name, out PropertySchema? property))
            {
                throw Invalid(filter, $"{schema.Name} has no property '{name}'");
            }
            if (property.Type is not { Name: "string", IsArray: false })
            {
                throw Invalid(filter, $"{schema.Name}.{name} is {property.Type}, and only text may be compared here");
            }
            SkipSpaces(filter, ref at);
            Expect(filter, ref at, '=');
            SkipSpaces(filter, ref at);
            conditions.Add(new { property = property.Name, value = ReadLiteral(filter, ref at) });
            SkipSpaces(filter, ref at);
        }
        while (ReadAnd(filter, ref at));
        return [.. conditions];
    }

    private static bool ReadAnd(string filter, ref int at)
    {
        if (at == filter.Length)
        {
            return false;
        }
        return ReadWord(filter, ref at).Equals("AND", StringComparison.OrdinalIgnoreCase) ? true : throw Invalid(filter, "AND expected");
    }

    private static string ReadLiteral(string filter, ref int at)
    {
        Expect(filter, ref at, '\'');
        StringBuilder literal = new();
        while (at < filter.Length && filter[at] != '\'')
        {
            if (filter[at] == '\\')
            {
                at++;
                if (at == filter.Length || filter[at] is not ('\\' or '\''))
                {
                    throw Invalid(filter, "a backslash in a literal must stand twice");
                }
            }
            literal.Append(filter[at++]);
        }
        Expect(filter, ref at, '\'');
        return literal.ToString();
    }

    private static string ReadWord(string filter, ref int at)
    {
        int start = at;
        while (at < filter.Length && (char.IsAsciiLetterOrDigit(filter[at]) || filter[at] == '_'))
        {
            at++;
        }
        return at > start ? filter[start..at] : throw Invalid(filter, $"a name expected at {at}");
    }

    private static void SkipSpaces(string filter, ref int at)
    {
        while (at < filter.Length && filter[at] == ' ')
        {
            at++;
        }
    }

    private static void Expect(string filter, ref int at, char expected)
    {
        if (at == filter.Length || filter[at] != expected)
        {
            throw Invalid(filter, $"{expected} expected at {at}");
        }
        at++;
    }

    private static Exception Invalid(string filter, string why) =>
        CimFailure.Create(CimFailure.InvalidQuery, $"Invalid query: {why} ({filter})");
}
