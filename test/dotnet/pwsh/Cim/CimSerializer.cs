using System.Text;

namespace Tidemark.TestHost.Cim;

/// <summary>
/// Serves the type name <c>Microsoft.Management.Infrastructure.Serialization.CimSerializer</c> to scripts: the real one needs a native library of Windows.
/// So the module's own way to write an instance as text runs here as it is.
/// </summary>
public sealed class CimSerializer : IDisposable
{
    private CimSerializer()
    {
    }

    public static CimSerializer Create() => new();

    /// <summary>The instance as text in UTF-16, without a byte order mark, as the real one gives it.</summary>
    public byte[] Serialize(CimInstance instance, object options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return Encoding.Unicode.GetBytes(CimXml.Write(instance));
    }

    public void Dispose()
    {
    }
}
