extern alias infrastructure;

using Tidemark.TestHost.Cim;
using NativeErrorCode = infrastructure::Microsoft.Management.Infrastructure.NativeErrorCode;

namespace Microsoft.Management.Infrastructure;

/// <summary>
/// What a script sees as <c>Microsoft.Management.Infrastructure.CimException</c>. It is one, but brings the details that the real class reads
/// from a native object. As with the real one, <see cref="Exception.HResult"/> says nothing: the HRESULT of WMI is in <see cref="MessageId"/>.
/// </summary>
public sealed class CimException : infrastructure::Microsoft.Management.Infrastructure.CimException
{
    private readonly uint hresult;

    internal CimException(string message, uint hresult, NativeErrorCode code)
        : base(message)
    {
        this.hresult = hresult;
        CimFailure.SetNativeErrorCode(this, code);
    }

    /// <summary><c>HRESULT 0x80041002</c>.</summary>
    public new string MessageId => $"HRESULT 0x{hresult:x8}";

    /// <summary><c>CIMStatusCode</c>: the same numbers as <c>NativeErrorCode</c>.</summary>
    public new uint StatusCode => (uint)NativeErrorCode;

    /// <summary>The details as an instance of <c>MSFT_WmiError</c>.</summary>
    public new CimInstance ErrorData
    {
        get
        {
            ClassSchema schema = CimHost.WindowsSchema(new HashSet<string>()).Get("MSFT_WmiError");
            Dictionary<string, object?> values = new()
            {
                ["CIMStatusCode"] = StatusCode,
                ["Message"] = Message,
                ["MessageID"] = MessageId,
                ["error_Code"] = hresult,
            };
            CimClass cimClass = new(schema, new CimSystemProperties(schema.Name, "root/cimv2", ""));
            return new CimInstance(cimClass, new CimProperties(schema.Name, schema.Properties, values));
        }
    }
}
