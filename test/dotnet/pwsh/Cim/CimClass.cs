extern alias infrastructure;

using infrastructure::Microsoft.Management.Infrastructure;

namespace Tidemark.TestHost.Cim;

/// <summary>A class as <c>Get-CimClass</c> gives it.</summary>
public sealed class CimClass
{
    internal CimClass(ClassSchema schema, CimSystemProperties system)
    {
        Schema = schema;
        CimSystemProperties = system;
        CimClassProperties = new(schema.Properties.Values.Select(property => new CimPropertyDeclaration(property)), property => property.Name);
        CimClassMethods = new(schema.Methods.Values.Select(method => new CimMethodDeclaration(method)), method => method.Name);
    }

    public string CimClassName => Schema.Name;

    public string? CimSuperClassName => Schema.Parent;

    public NamedCollection<CimPropertyDeclaration> CimClassProperties { get; }

    public NamedCollection<CimMethodDeclaration> CimClassMethods { get; }

    public CimSystemProperties CimSystemProperties { get; }

    internal ClassSchema Schema { get; }

    public override string ToString() => $"{CimSystemProperties.Namespace}:{CimClassName}";
}

/// <summary>A property of a class.</summary>
public sealed class CimPropertyDeclaration
{
    private readonly PropertySchema schema;

    internal CimPropertyDeclaration(PropertySchema schema) => this.schema = schema;

    public string Name => schema.Name;

    public CimType CimType => schema.Type.CimType;

    public CimFlags Flags =>
        CimFlags.Property | (schema.IsKey ? CimFlags.Key : CimFlags.None) | (schema.IsReadOnly ? CimFlags.ReadOnly : CimFlags.None);

    public string? ReferenceClassName => schema.Type.ReferencedClass;

    public override string ToString() => Name;
}

/// <summary>A method of a class.</summary>
public sealed class CimMethodDeclaration
{
    internal CimMethodDeclaration(MethodSchema schema)
    {
        Name = schema.Name;
        Parameters = new(schema.Parameters.Select(parameter => new CimMethodParameterDeclaration(parameter)), parameter => parameter.Name);
    }

    public string Name { get; }

    public NamedCollection<CimMethodParameterDeclaration> Parameters { get; }

    public override string ToString() => Name;
}

/// <summary>A parameter of a method.</summary>
public sealed class CimMethodParameterDeclaration
{
    private readonly ParameterSchema schema;

    internal CimMethodParameterDeclaration(ParameterSchema schema) => this.schema = schema;

    public string Name => schema.Name;

    public CimType CimType => schema.Type.CimType;

    public string? ReferenceClassName => schema.Type.ReferencedClass;

    public override string ToString() => Name;
}
