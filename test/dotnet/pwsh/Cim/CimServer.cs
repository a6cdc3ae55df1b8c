extern alias infrastructure;

using System.Net.Sockets;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using infrastructure::Microsoft.Management.Infrastructure;

namespace Tidemark.TestHost.Cim;

/// <summary>
/// The connection of this process to the fake Hyper-V host (<c>TIDEMARK_FAKE_HYPERV</c>, <c>address:port</c>): one JSON document a line, one question at a time.
/// Without that variable there is no WMI, as on a machine without the role. A connection that broke is made anew for the next question, as WMI does after its service was restarted.
/// </summary>
internal sealed class CimServer
{
    private static readonly JsonSerializerOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private Connection? connection;

    /// <summary>Asks, and gives the answer; an <c>error</c> of the host becomes the exception that a CIM cmdlet would throw.</summary>
    public JsonElement Ask(object question)
    {
        connection ??= Connect();
        string line;
        try
        {
            line = connection.Exchange(JsonSerializer.SerializeToUtf8Bytes(question, Options));
        }
        catch (IOException error)
        {
            connection.Dispose();
            connection = null;
            throw CimFailure.Create(CimFailure.RpcFailed, $"The remote procedure call failed. ({error.Message})");
        }
        using JsonDocument document = JsonDocument.Parse(line);
        JsonElement answer = document.RootElement.Clone();
        return answer.TryGetProperty("error", out JsonElement failure) ? throw Failure(failure) : answer;
    }

    private static Connection Connect()
    {
        string address = Environment.GetEnvironmentVariable("TIDEMARK_FAKE_HYPERV") ?? "";
        int colon = address.LastIndexOf(':');
        if (colon <= 0 || !int.TryParse(address[(colon + 1)..], out int port))
        {
            throw CimFailure.Create(CimFailure.RpcUnavailable, "The RPC server is unavailable. (TIDEMARK_FAKE_HYPERV names no fake host)");
        }
        try
        {
            return new Connection(new TcpClient(address[..colon], port) { NoDelay = true });
        }
        catch (SocketException error)
        {
            throw CimFailure.Create(CimFailure.RpcUnavailable, $"The RPC server is unavailable. ({error.Message})");
        }
    }

    private static Exception Failure(JsonElement error)
    {
        string hresult = error.GetProperty("hresult").GetString() ?? throw new InvalidDataException("an error without hresult");
        NativeErrorCode? code = error.TryGetProperty("nativeErrorCode", out JsonElement name) ? Enum.Parse<NativeErrorCode>(name.GetString() ?? "") : null;
        return CimFailure.Create(Convert.ToUInt32(hresult, 16), error.GetProperty("message").GetString() ?? "", code);
    }

    /// <summary>A line out, a line in.</summary>
    private sealed class Connection(TcpClient client) : IDisposable
    {
        private readonly Stream stream = client.GetStream();
        private readonly StreamReader reader = new(client.GetStream(), new UTF8Encoding(false));

        /// <exception cref="IOException">The connection broke.</exception>
        public string Exchange(byte[] question)
        {
            stream.Write(question);
            stream.WriteByte((byte)'\n');
            return reader.ReadLine() ?? throw new IOException("the fake host closed the connection");
        }

        public void Dispose()
        {
            reader.Dispose();
            client.Dispose();
        }
    }
}
