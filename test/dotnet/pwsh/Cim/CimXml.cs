using System.Globalization;
using System.Text;
using System.Xml;

namespace Tidemark.TestHost.Cim;

/// <summary>Instances as text: CIM DTD 2.0, as <c>CimSerializer</c> writes it and Hyper-V reads it.</summary>
internal static class CimXml
{
    /// <summary>The text of an instance.</summary>
    public static string Write(CimInstance instance)
    {
        StringBuilder text = new();
        // As Microsoft's serializer: control characters become references, the ends of lines too, so that a reader leaves them as they are.
        XmlWriterSettings settings = new() { OmitXmlDeclaration = true, CheckCharacters = false, NewLineHandling = NewLineHandling.Entitize };
        using (XmlWriter writer = XmlWriter.Create(text, settings))
        {
            writer.WriteStartElement("INSTANCE");
            writer.WriteAttributeString("CLASSNAME", instance.ClassName);
            foreach (CimProperty property in instance.CimInstanceProperties)
            {
                WriteProperty(writer, property);
            }
            writer.WriteEndElement();
        }
        return text.ToString();
    }

    private static void WriteProperty(XmlWriter writer, CimProperty property)
    {
        CimTypeName type = property.Schema.Type;
        if (type.InstanceClass is not null)
        {
            // No embedded instance that a backup passes has references with values.
            return;
        }
        writer.WriteStartElement(type.IsArray ? "PROPERTY.ARRAY" : "PROPERTY");
        writer.WriteAttributeString("NAME", property.Name);
        writer.WriteAttributeString("TYPE", type.Name);
        if (property.Value is Array array)
        {
            writer.WriteStartElement("VALUE.ARRAY");
            foreach (object? one in array)
            {
                writer.WriteElementString("VALUE", Text(one));
            }
            writer.WriteEndElement();
        }
        else if (property.Value is not null)
        {
            writer.WriteElementString("VALUE", Text(property.Value));
        }
        writer.WriteEndElement();
    }

    private static string Text(object? value) => value switch
    {
        bool flag => flag ? "TRUE" : "FALSE",
        DateTime time => time.ToUniversalTime().ToString("yyyyMMddHHmmss.ffffff'+000'", CultureInfo.InvariantCulture),
        TimeSpan span => span.ToString("dddddddd", CultureInfo.InvariantCulture) + span.ToString("hhmmss'.'ffffff':000'", CultureInfo.InvariantCulture),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "",
    };

    /// <summary>
    /// Reads an instance that must be of a class. Whatever the class does not know, and every value that does not have its type, is refused
    /// with the reason. Gives the class and the values as the wire carries them.
    /// </summary>
    public static object Read(CimSchema schema, string text, string expectedClass, string what)
    {
        XmlDocument document = new() { XmlResolver = null };
        try
        {
            using XmlReader reader = XmlReader.Create(new StringReader(text), new XmlReaderSettings { DtdProcessing = DtdProcessing.Prohibit, CheckCharacters = false });
            document.Load(reader);
        }
        catch (XmlException error)
        {
            throw Refused(what, $"is no CIM XML: {error.Message}");
        }
        if (document.DocumentElement is not { Name: "INSTANCE" } root)
        {
            throw Refused(what, "must have the root INSTANCE");
        }
        string className = Attribute(root, "CLASSNAME", what);
        ClassSchema instanceClass = schema.Find(className) ?? throw Refused(what, $"names the unknown class {className}");
        if (!schema.IsA(className, expectedClass))
        {
            throw Refused(what, $"is a {className} where a {expectedClass} belongs");
        }
        Dictionary<string, object?> properties = [];
        foreach (XmlNode node in root.ChildNodes)
        {
            if (node is not XmlElement element || element.Name is not ("PROPERTY" or "PROPERTY.ARRAY"))
            {
                throw Refused(what, $"has a {node.Name} where properties belong");
            }
            (string name, object? value) = ReadProperty(instanceClass, element, what);
            if (!properties.TryAdd(name, value))
            {
                throw Refused(what, $"has {name} twice");
            }
        }
        return new { className = instanceClass.Name, properties };
    }

    private static (string Name, object? Value) ReadProperty(ClassSchema schema, XmlElement element, string what)
    {
        string name = Attribute(element, "NAME", what);
        if (!schema.Properties.TryGetValue(name, out PropertySchema? property))
        {
            throw Refused(what, $"has the property {name}, which {schema.Name} does not have");
        }
        string type = Attribute(element, "TYPE", what);
        if (type != property.Type.Name || (element.Name == "PROPERTY.ARRAY") != property.Type.IsArray)
        {
            throw Refused(what, $"has {name} as {element.Name} of {type}, which is {property.Type}");
        }
        if (!element.HasChildNodes)
        {
            return (property.Name, null);
        }
        XmlElement only = OnlyChild(element, property.Type.IsArray ? "VALUE.ARRAY" : "VALUE", what);
        if (!property.Type.IsArray)
        {
            return (property.Name, ReadValue(property, only, what));
        }
        return (property.Name, only.ChildNodes.Cast<XmlNode>().Select(one =>
            one is XmlElement { Name: "VALUE" } value ? ReadValue(property, value, what) : throw Refused(what, $"has a {one.Name} in the array {name}")).ToArray());
    }

    private static object? ReadValue(PropertySchema property, XmlElement element, string what)
    {
        string text = element.InnerText;
        NumberFormatInfo format = NumberFormatInfo.InvariantInfo;
        try
        {
            return CimValues.ToWire(property.Type.Name switch
            {
                "string" => text,
                "boolean" => text.ToUpperInvariant() switch { "TRUE" => true, "FALSE" => false, _ => throw new FormatException() },
                "uint8" => byte.Parse(text, format),
                "sint8" => sbyte.Parse(text, format),
                "uint16" => ushort.Parse(text, format),
                "sint16" => short.Parse(text, format),
                "uint32" => uint.Parse(text, format),
                "sint32" => int.Parse(text, format),
                "uint64" => ulong.Parse(text, format),
                "sint64" => long.Parse(text, format),
                "datetime" => CimDateTime.Parse(text),
                _ => throw new FormatException(),
            }, one => one);
        }
        catch (Exception error) when (error is FormatException or OverflowException)
        {
            throw Refused(what, $"has {property.Name} = '{text}', which is no {property.Type.Name}");
        }
    }

    private static XmlElement OnlyChild(XmlElement parent, string name, string what) =>
        parent.ChildNodes.Count == 1 && parent.FirstChild is XmlElement child && child.Name == name
            ? child
            : throw Refused(what, $"has something else than one {name} in {parent.Name}");

    private static string Attribute(XmlElement element, string name, string what) =>
        element.HasAttribute(name) ? element.GetAttribute(name) : throw Refused(what, $"has a {element.Name} without {name}");

    private static Exception Refused(string what, string why) =>
        CimFailure.Create(CimFailure.InvalidParameter, $"Invalid parameter: {what} {why}");
}
