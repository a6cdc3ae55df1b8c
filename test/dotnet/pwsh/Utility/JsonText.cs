using System.Collections;
using System.Globalization;
using System.Management.Automation;
using System.Text;

namespace Tidemark.TestHost.Utility;

/// <summary>
/// Values as JSON the way Windows PowerShell 5.1 writes them (JavaScriptSerializer), on one line: what is deeper than asked becomes its text without a word, dates are
/// <c>"\/Date(ms)\/"</c>, numbers of enumerations, and an array inside a PSObject comes as <c>{"value":[…],"Count":n}</c>.
/// </summary>
internal sealed class JsonText(int maxDepth)
{
    private readonly StringBuilder text = new();

    public string Write(object? value)
    {
        text.Clear();
        Append(value, 0);
        return text.ToString();
    }

    private void Append(object? value, int depth)
    {
        PSObject? wrapper = value as PSObject;
        object? plain = wrapper is null ? value : wrapper.BaseObject;
        if (!AppendScalar(plain))
        {
            AppendStructure(wrapper, plain ?? throw new InvalidOperationException(), depth);
        }
    }

    private bool AppendScalar(object? value)
    {
        switch (value)
        {
            case null or DBNull:
                text.Append("null");
                return true;
            case string or char or Guid or Uri:
                AppendText(value is Uri uri ? uri.OriginalString : value.ToString() ?? "");
                return true;
            case bool flag:
                text.Append(flag ? "true" : "false");
                return true;
            case DateTime time:
                AppendDate(time);
                return true;
            case DateTimeOffset time:
                AppendDate(time.UtcDateTime);
                return true;
            case double or float:
                text.Append(((IFormattable)value).ToString("R", CultureInfo.InvariantCulture));
                return true;
            case Enum number when Enum.GetUnderlyingType(number.GetType()) is Type type && (type == typeof(long) || type == typeof(ulong)):
                AppendText(number.ToString());
                return true;
            case Enum number:
                text.Append(number.ToString("D"));
                return true;
            case decimal:
                text.Append(((decimal)value).ToString(CultureInfo.InvariantCulture));
                return true;
            default:
                bool primitive = value.GetType().IsPrimitive;
                text.Append(primitive ? ((IFormattable)value).ToString(null, CultureInfo.InvariantCulture) : "");
                return primitive;
        }
    }

    private void AppendStructure(PSObject? wrapper, object value, int depth)
    {
        if (depth > maxDepth)
        {
            AppendText(LanguagePrimitives.ConvertTo<string>(wrapper ?? value));
        }
        else if (value is IDictionary table)
        {
            AppendObject(table.Keys.Cast<object>().Select(key => (Key(key), table[key])), depth);
        }
        else if (wrapper is not null && value is Array array)
        {
            AppendObject([("value", array), ("Count", array.Length)], depth - 1);
        }
        else if (value is IEnumerable list)
        {
            AppendList('[', ']', list.Cast<object?>(), one => Append(one, depth + 1));
        }
        else
        {
            PSObject properties = wrapper ?? PSObject.AsPSObject(value);
            AppendObject(properties.Properties.Where(property => property.IsGettable).Select(property => (property.Name, Value(property))), depth);
        }
    }

    private static string Key(object key) =>
        key is string name ? name : throw new InvalidOperationException("A dictionary with keys that are no text cannot become JSON.");

    /// <summary>A property whose getter throws is written as null, as 5.1 does.</summary>
    private static object? Value(PSPropertyInfo property)
    {
        try
        {
            return property.Value;
        }
        catch (GetValueException)
        {
            return null;
        }
    }

    private void AppendObject(IEnumerable<(string Name, object? Value)> members, int depth) =>
        AppendList('{', '}', members, member =>
        {
            AppendText(member.Name);
            text.Append(':');
            Append(member.Value, depth + 1);
        });

    private void AppendList<T>(char open, char close, IEnumerable<T> items, Action<T> append)
    {
        text.Append(open);
        bool first = true;
        foreach (T item in items)
        {
            text.Append(first ? "" : ",");
            append(item);
            first = false;
        }
        text.Append(close);
    }

    private void AppendDate(DateTime time)
    {
        long milliseconds = (long)(time.ToUniversalTime() - DateTime.UnixEpoch).TotalMilliseconds;
        text.Append(CultureInfo.InvariantCulture, $"\"\\/Date({milliseconds})\\/\"");
    }

    private void AppendText(string value)
    {
        text.Append('"');
        foreach (char one in value)
        {
            text.Append(one switch
            {
                '"' => "\\\"",
                '\\' => "\\\\",
                '\b' => "\\b",
                '\f' => "\\f",
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                < ' ' or '<' or '>' or '&' or '\'' or '\u0085' or '\u2028' or '\u2029' => $"\\u{(int)one:x4}",
                _ => one.ToString(),
            });
        }
        text.Append('"');
    }
}
