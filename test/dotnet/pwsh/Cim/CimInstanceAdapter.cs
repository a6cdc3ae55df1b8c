using System.Collections.ObjectModel;
using System.Management.Automation;

namespace Tidemark.TestHost.Cim;

/// <summary>Lets scripts read and write the properties of an instance by name: <c>$vm.ElementName</c>.</summary>
public sealed class CimInstanceAdapter : PSPropertyAdapter
{
    public override Collection<PSAdaptedProperty> GetProperties(object baseObject)
    {
        Collection<PSAdaptedProperty> properties = [];
        foreach (CimProperty property in ((CimInstance)baseObject).CimInstanceProperties)
        {
            properties.Add(new PSAdaptedProperty(property.Name, property));
        }
        return properties;
    }

    public override PSAdaptedProperty? GetProperty(object baseObject, string propertyName) =>
        ((CimInstance)baseObject).CimInstanceProperties[propertyName] is { } property ? new PSAdaptedProperty(property.Name, property) : null;

    public override bool IsGettable(PSAdaptedProperty adaptedProperty) => true;

    /// <summary>As on Windows: what the class calls read-only cannot be set in this short form.</summary>
    public override bool IsSettable(PSAdaptedProperty adaptedProperty) => !Of(adaptedProperty).Schema.IsReadOnly;

    public override object? GetPropertyValue(PSAdaptedProperty adaptedProperty) => Of(adaptedProperty).Value;

    public override void SetPropertyValue(PSAdaptedProperty adaptedProperty, object value)
    {
        if (!IsSettable(adaptedProperty))
        {
            throw new SetValueException($"{adaptedProperty.Name} is a ReadOnly property.");
        }
        Of(adaptedProperty).Value = value;
    }

    public override string GetPropertyTypeName(PSAdaptedProperty adaptedProperty) => Of(adaptedProperty).Schema.Type.NetType.FullName ?? "";

    private static CimProperty Of(PSAdaptedProperty adapted) => (CimProperty)adapted.Tag;
}
