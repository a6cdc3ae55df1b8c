namespace Tidemark.TestHost.Syntax;

/// <summary>What one script uses. The judge is a test; here nothing is judged.</summary>
internal sealed class FileReport(string path)
{
    public string Path { get; } = path;

    /// <summary>What the parser of PowerShell 7 refuses.</summary>
    public List<Finding> Errors { get; } = [];

    /// <summary>Syntax that Windows PowerShell 5.1 cannot parse or has another meaning for, by name: <c>ternary</c>, <c>nullConditional</c> …</summary>
    public List<Finding> Constructs { get; } = [];

    public List<Finding> Operators { get; } = [];

    public List<Finding> Types { get; } = [];

    public List<Finding> Variables { get; } = [];

    /// <summary>Names of the functions that the file defines.</summary>
    public List<Finding> Functions { get; } = [];

    public List<CommandUse> Commands { get; } = [];

    public List<MemberUse> Members { get; } = [];

    public List<AttributeUse> Attributes { get; } = [];

    /// <summary>Texts that are names of CIM classes by their form, wherever they stand.</summary>
    public List<Finding> ClassNames { get; } = [];

    /// <summary>Keys of all tables.</summary>
    public List<Finding> Keys { get; } = [];

    /// <summary>Texts that a message is compared with.</summary>
    public List<Finding> MessageTexts { get; } = [];

    /// <summary><c>$name = Command …</c>: the command's place in <see cref="Commands"/>.</summary>
    public List<Assignment> Assignments { get; } = [];
}

/// <summary>Something at a line.</summary>
internal sealed record Finding(int Line, string Text);

/// <summary>A command with its arguments. <c>Name</c> is null when it is computed. <c>Function</c> is the function it stands in.</summary>
internal sealed record CommandUse(int Line, string? Name, string? Function, IReadOnlyList<string> Parameters, IReadOnlyList<Argument> Arguments);

/// <summary>An argument: of a parameter, or by position when <c>Parameter</c> is null.</summary>
internal sealed record Argument(string? Parameter, Value Value);

/// <summary>
/// What is known of a value without running it. <c>Kind</c>: <c>text</c>, <c>number</c>, <c>variable</c>, <c>table</c> (with <c>Entries</c>), <c>list</c> (with <c>Items</c>), <c>other</c>.
/// <c>Cast</c> is the type it is converted to.
/// </summary>
internal sealed record Value(string Kind, string? Text, string? Cast, IReadOnlyList<Entry>? Entries, IReadOnlyList<Value>? Items);

/// <summary>An entry of a hash table; the key is null when it is computed.</summary>
internal sealed record Entry(int Line, string? Key, Value Value);

/// <summary>
/// A member of a type (<c>Type</c> given) or of a value. <c>Arguments</c> counts those of a method call, and is null for a property.
/// <c>Variable</c> is the variable whose member it is, where it is one.
/// </summary>
internal sealed record MemberUse(int Line, string? Type, string? Variable, string? Name, int? Arguments, string? Function);

/// <summary>An attribute and its named arguments.</summary>
internal sealed record AttributeUse(int Line, string Name, IReadOnlyList<string> Arguments);

/// <summary>A variable that gets what a command gives.</summary>
internal sealed record Assignment(int Line, string Variable, string? Function, int Command);
