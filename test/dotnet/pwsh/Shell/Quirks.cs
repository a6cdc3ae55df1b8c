using System.Text;

namespace Tidemark.TestHost.Shell;

/// <summary>
/// What else comes over the pipes of a real PowerShell, switched on by <c>TIDEMARK_FAKE_QUIRKS</c>, separated by commas:
/// <list type="bullet">
/// <item><c>stderr-noise</c>: a line on stderr with every command; <c>progress</c>: progress records as CLIXML there</item>
/// <item><c>bom</c>: a byte order mark before the first output</item>
/// <item><c>oem</c>: code page 850 until the script sets another, and umlauts in it on stderr</item>
/// <item><c>german</c>: WMI's messages in German</item>
/// <item><c>scalars</c>: one-element arrays in out parameters come as their element; <c>bare-results</c>: out parameters without value are not there</item>
/// <item><c>hang:COMMAND</c>: the command never ends; <c>die:COMMAND</c>: the process dies in the middle of its answer</item>
/// </list>
/// With <c>hang:COMMAND:FILE</c> and <c>die:COMMAND:FILE</c> it happens only while the file exists, and removes it.
/// </summary>
internal sealed class Quirks
{
    private const string Progress =
        "#< CLIXML\r\n<Objs Version=\"1.1.0.1\" xmlns=\"http://schemas.microsoft.com/powershell/2004/04\"><Obj S=\"progress\" RefId=\"0\"><TN RefId=\"0\"><T>System.Management.Automation.PSCustomObject</T><T>System.Object</T></TN><MS><I64 N=\"SourceId\">1</I64><PR N=\"Record\"><AV>Module werden für erstmalige Verwendung vorbereitet.</AV><AI>0</AI><Nil /><PI>-1</PI><PC>-1</PC><T>Completed</T><SR>-1</SR><SD> </SD></PR></MS></Obj></Objs>";

    private static readonly Lazy<Quirks> FromEnvironment = new(() =>
        new((Environment.GetEnvironmentVariable("TIDEMARK_FAKE_QUIRKS") ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries)));

    private readonly HashSet<string> names;
    private readonly List<(string Kind, string Command, string? File)> accidents = [];

    private Quirks(IEnumerable<string> all)
    {
        names = [];
        foreach (string one in all)
        {
            string[] parts = one.Split(':', 3);
            if (parts.Length > 1 && parts[0] is "hang" or "die")
            {
                accidents.Add((parts[0], parts[1], parts.Length > 2 ? parts[2] : null));
            }
            else if (one is "stderr-noise" or "progress" or "bom" or "oem" or "german" or "scalars" or "bare-results")
            {
                names.Add(one);
            }
            else
            {
                throw new ArgumentException($"pwsh: unknown quirk {one}");
            }
        }
    }

    public bool Bom => names.Contains("bom");

    public bool Oem => names.Contains("oem");

    public bool German => names.Contains("german");

    public bool Scalars => names.Contains("scalars");

    public bool BareResults => names.Contains("bare-results");

    /// <summary>Those of this process.</summary>
    /// <exception cref="ArgumentException">A quirk that is not known.</exception>
    public static Quirks Current => FromEnvironment.Value;

    /// <summary>Writes to stderr what comes with every command.</summary>
    public void MakeNoise(ShellWriter errors)
    {
        if (names.Contains("stderr-noise"))
        {
            errors.WriteLine("WARNING: noise");
        }
        if (names.Contains("progress"))
        {
            errors.WriteLine(Progress);
        }
        if (Oem)
        {
            errors.WriteBytes(Encoding.GetEncoding(850).GetBytes("Der Vorgang läuft über die Gerätetreiber für Größen.\r\n"));
        }
    }

    /// <summary>What has to happen now that a command is called: <c>hang</c>, <c>die</c>, or nothing.</summary>
    public string? AccidentOf(string command)
    {
        foreach ((string kind, string name, string? file) in accidents)
        {
            if (name.Equals(command, StringComparison.OrdinalIgnoreCase) && (file is null || TryRemove(file)))
            {
                return kind;
            }
        }
        return null;
    }

    private static bool TryRemove(string file)
    {
        bool existed = File.Exists(file);
        File.Delete(file);
        return existed;
    }
}
