extern alias infrastructure;

using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using infrastructure::Microsoft.Management.Infrastructure;

namespace Tidemark.TestHost.Cim;

/// <summary>
/// The connection of this process to the fake Hyper-V host (<c>TIDEMARK_FAKE_HYPERV</c>, <c>address:port</c>): one JSON document a line, one question at a time.
/// Without that variable there is no WMI, as on a machine without the role.
/// </summary>
internal sealed class CimServer : IDisposable
{
    private static readonly JsonSerializerOptions Options = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly TcpClient client;
    private readonly StreamReader reader;
    private readonly Stream stream;

    private CimServer(TcpClient client)
    {
        this.client = client;
        stream = client.GetStream();
        reader = new StreamReader(stream, new UTF8Encoding(false));
    }

    /// <summary>Connects, or fails as WMI does when its service cannot be reached.</summary>
    public static CimServer Connect()
    {
        string address = Environment.GetEnvironmentVariable("TIDEMARK_FAKE_HYPERV") ?? "";
        int colon = address.LastIndexOf(':');
        if (colon <= 0 || !int.TryParse(address[(colon + 1)..], out int port))
        {
            throw CimFailure.Create(CimFailure.RpcUnavailable, "The RPC server is unavailable. (TIDEMARK_FAKE_HYPERV names no fake host)");
        }
        try
        {
            return new CimServer(new TcpClient(address[..colon], port) { NoDelay = true });
        }
        catch (SocketException error)
        {
            throw CimFailure.Create(CimFailure.RpcUnavailable, $"The RPC server is unavailable. ({error.Message})");
        }
    }

    /// <summary>Asks, and gives the answer; an <c>error</c> of the host becomes the exception that a CIM cmdlet would throw.</summary>
    public JsonElement Ask(object question)
    {
        string? line;
        try
        {
            stream.Write(JsonSerializer.SerializeToUtf8Bytes(question, Options));
            stream.WriteByte((byte)'\n');
            line = reader.ReadLine();
        }
        catch (IOException error)
        {
            throw CimFailure.Create(CimFailure.RpcFailed, $"The remote procedure call failed. ({error.Message})");
        }
        if (line is null)
        {
            throw CimFailure.Create(CimFailure.RpcFailed, "The remote procedure call failed. (the fake host closed the connection)");
        }
        using JsonDocument document = JsonDocument.Parse(line);
        JsonElement answer = document.RootElement.Clone();
        return answer.TryGetProperty("error", out JsonElement error2) ? throw Failure(error2) : answer;
    }

    public void Dispose()
    {
        reader.Dispose();
        client.Dispose();
    }

    private static Exception Failure(JsonElement error)
    {
        string hresult = error.GetProperty("hresult").GetString() ?? throw new InvalidDataException("an error without hresult");
        NativeErrorCode? code = error.TryGetProperty("nativeErrorCode", out JsonElement name) ? Enum.Parse<NativeErrorCode>(name.GetString() ?? "") : null;
        return CimFailure.Create(Convert.ToUInt32(hresult, 16), error.GetProperty("message").GetString() ?? "", code);
    }
}
