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

    /// <summary>The details as an object of the class <c>MSFT_WmiError</c>.</summary>
    public new CimErrorData ErrorData => new(hresult, Message, MessageId, StatusCode);
}

/// <summary>The properties of <c>MSFT_WmiError</c> that scripts read.</summary>
public sealed class CimErrorData(uint code, string message, string messageId, uint status)
{
    /// <summary>The HRESULT.</summary>
    public uint error_Code { get; } = code;

    public string Message { get; } = message;

    public string MessageID { get; } = messageId;

    public uint CIMStatusCode { get; } = status;
}
