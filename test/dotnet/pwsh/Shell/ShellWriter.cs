using System.Diagnostics;
using System.Text;

namespace Tidemark.TestHost.Shell;

/// <summary>
/// Standard output or error of the shell. It follows <c>[Console]::OutputEncoding</c>, as the console of Windows PowerShell does, and writes at once.
/// </summary>
internal sealed class ShellWriter(Stream stream) : TextWriter
{
    private bool deadly;
    private bool markNext;

    public override Encoding Encoding => Console.OutputEncoding;

    /// <summary>The next output has a byte order mark before it.</summary>
    public void MarkNext() => markNext = true;

    /// <summary>The next output is cut off in its middle, and the process is gone.</summary>
    public void DieInNext() => deadly = true;

    public override void Write(char value) => Write(value.ToString());

    public override void Write(char[] buffer, int index, int count) => Write(new string(buffer, index, count));

    public override void Write(string? value)
    {
        byte[] bytes = Encoding.GetBytes(value ?? "");
        if (deadly)
        {
            stream.Write(bytes, 0, bytes.Length / 2);
            stream.Flush();
            Process.GetCurrentProcess().Kill();
        }
        WriteBytes(bytes);
    }

    public override void WriteLine(string? value) => Write(value + NewLine);

    public void WriteBytes(byte[] bytes)
    {
        if (markNext)
        {
            markNext = false;
            stream.Write(Encoding.UTF8.GetPreamble());
        }
        stream.Write(bytes);
        stream.Flush();
    }
}
