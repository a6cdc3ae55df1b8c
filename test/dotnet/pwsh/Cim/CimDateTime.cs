using System.Globalization;

namespace Tidemark.TestHost.Cim;

/// <summary>CIM's datetime text: <c>yyyymmddHHMMSS.mmmmmm+UUU</c> (offset in minutes), and <c>ddddddddHHMMSS.mmmmmm:000</c> for an interval.</summary>
internal static class CimDateTime
{
    private const int Length = 25;

    public static object Parse(string text)
    {
        if (text.Length != Length || text[14] != '.')
        {
            throw new FormatException();
        }
        return text[21] == ':' ? Interval(text) : Moment(text);
    }

    private static TimeSpan Interval(string text) =>
        new TimeSpan(Number(text, 0, 8), Number(text, 8, 2), Number(text, 10, 2), Number(text, 12, 2)) + Microseconds(text);

    private static DateTime Moment(string text)
    {
        DateTime local = DateTime.ParseExact(text[..14], "yyyyMMddHHmmss", CultureInfo.InvariantCulture, DateTimeStyles.None) + Microseconds(text);
        int sign = text[21] switch { '+' => 1, '-' => -1, _ => throw new FormatException() };
        return DateTime.SpecifyKind(local.AddMinutes(-sign * Number(text, 22, 3)), DateTimeKind.Utc);
    }

    private static TimeSpan Microseconds(string text) => TimeSpan.FromMicroseconds(Number(text, 15, 6));

    private static int Number(string text, int start, int length) => int.Parse(text.AsSpan(start, length), NumberStyles.None, CultureInfo.InvariantCulture);
}
