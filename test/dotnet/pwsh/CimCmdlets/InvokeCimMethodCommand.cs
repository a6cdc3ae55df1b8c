using System.Collections;
using System.Management.Automation;
using System.Text.Json;
using Tidemark.TestHost.Cim;
using Tidemark.TestHost.Shell;

namespace Microsoft.Management.Infrastructure.CimCmdlets;

/// <summary><c>Invoke-CimMethod</c> on an instance. The result has <c>ReturnValue</c> and one property for each out parameter.</summary>
[Cmdlet(VerbsLifecycle.Invoke, "CimMethod")]
public sealed class InvokeCimMethodCommand : CimCommand
{
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true)]
    public CimInstance? InputObject { get; set; }

    [Parameter(Mandatory = true, Position = 1)]
    public string MethodName { get; set; } = "";

    [Parameter(Position = 2)]
    public IDictionary? Arguments { get; set; }

    private protected override void Run()
    {
        CimInstance target = InputObject ?? throw new PSArgumentNullException(nameof(InputObject));
        ClassSchema schema = target.CimClass.Schema;
        MethodSchema method = schema.Methods.GetValueOrDefault(MethodName)
            ?? throw CimFailure.Create(CimFailure.MethodNotFound, $"Method not found: {schema.Name} has no method '{MethodName}'");
        Dictionary<string, object?> arguments = [];
        foreach (DictionaryEntry entry in Arguments ?? new Hashtable())
        {
            string name = entry.Key.ToString() ?? "";
            ParameterSchema parameter = method.Parameter(name) is { IsIn: true } known ? known : throw Unknown(schema, method, name);
            arguments[parameter.Name] = ToWire(target, method, parameter, Unwrap(entry.Value));
        }
        WriteObject(Result(target, method, Wmi.Invoke(target, method.Name, arguments)));
    }

    private static object? ToWire(CimInstance target, MethodSchema method, ParameterSchema parameter, object? value)
    {
        string what = $"{target.ClassName}.{method.Name}({parameter.Name})";
        CimSchema schema = Wmi.Schema(target.CimSystemProperties.Namespace);
        object? typed = CimValues.Require(parameter.Type, value, what);
        string? embedded = EmbeddedInstances.ClassOf(target.ClassName, method.Name, parameter.Name);
        if (embedded is null)
        {
            return CimValues.ToWire(typed, instance => Reference(schema, parameter, instance, what));
        }
        return typed switch
        {
            null => null,
            string text => text.Length == 0 ? "" : CimXml.Read(schema, text, embedded, what),
            string[] texts => texts.Select(text => CimXml.Read(schema, text, embedded, what)).ToArray(),
            _ => throw new InvalidDataException($"{what} is in the table of embedded instances, and no string"),
        };
    }

    private static object Reference(CimSchema schema, ParameterSchema parameter, CimInstance instance, string what)
    {
        string expected = parameter.Type.InstanceClass ?? throw new InvalidDataException($"{what} is no reference");
        return schema.IsA(instance.ClassName, expected)
            ? Wmi.Reference(instance)
            : throw CimFailure.Create(CimFailure.TypeMismatch, $"Type mismatch: {what} is a reference to {expected}, not to {instance.ClassName}");
    }

    private static PSObject Result(CimInstance target, MethodSchema method, JsonElement answer)
    {
        PSObject result = new();
        bool answered = answer.TryGetProperty("out", out JsonElement values);
        if (answered)
        {
            foreach (JsonProperty value in values.EnumerateObject())
            {
                if (method.Parameter(value.Name) is not { IsOut: true })
                {
                    throw new InvalidDataException($"the fake host gave {target.ClassName}.{method.Name} the out parameter {value.Name}, which it does not have");
                }
            }
        }
        foreach (ParameterSchema parameter in method.Parameters.Where(parameter => parameter.IsOut))
        {
            JsonElement value = default;
            bool given = answered && values.TryGetProperty(parameter.Name, out value);
            if (given || !Quirks.Current.BareResults)
            {
                object? read = given ? FromWire(target, method, parameter, value) : null;
                result.Properties.Add(new PSNoteProperty(parameter.Name, Quirks.Current.Scalars && read is Array { Length: 1 } one ? one.GetValue(0) : read));
            }
        }
        result.Properties.Add(new PSNoteProperty("ReturnValue", answer.GetProperty("returnValue").GetUInt32()));
        return result;
    }

    private static object? FromWire(CimInstance target, MethodSchema method, ParameterSchema parameter, JsonElement value)
    {
        string place = target.CimSystemProperties.Namespace;
        string what = $"{target.ClassName}.{method.Name}({parameter.Name})";
        if (EmbeddedInstances.ClassOf(target.ClassName, method.Name, parameter.Name) is null)
        {
            return Wmi.ReadValue(place, parameter.Type, value, what);
        }
        return value.ValueKind switch
        {
            JsonValueKind.Null => null,
            JsonValueKind.Array => value.EnumerateArray().Select(one => CimXml.Write(Wmi.FromWire(place, one))).ToArray(),
            _ => CimXml.Write(Wmi.FromWire(place, value)),
        };
    }

    private static ArgumentException Unknown(ClassSchema schema, MethodSchema method, string name) =>
        new($"{schema.Name}.{method.Name} has no parameter '{name}' to give.");
}
