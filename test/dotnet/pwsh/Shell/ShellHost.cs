using System.Globalization;
using System.Management.Automation.Host;

namespace Tidemark.TestHost.Shell;

/// <summary>The host that scripts see as <c>$Host</c>: it cannot ask anybody, and remembers that a script called <c>exit</c>.</summary>
internal sealed class ShellHost : PSHost
{
    public override string Name => "ConsoleHost";

    public override Version Version { get; } = new(5, 1);

    public override Guid InstanceId { get; } = Guid.NewGuid();

    public override PSHostUserInterface? UI => null;

    public override CultureInfo CurrentCulture => CultureInfo.CurrentCulture;

    public override CultureInfo CurrentUICulture => CultureInfo.CurrentUICulture;

    /// <summary>The exit code a script asked for.</summary>
    public int? ExitCode { get; private set; }

    public override void SetShouldExit(int exitCode) => ExitCode = exitCode;

    public override void EnterNestedPrompt() => throw new NotSupportedException();

    public override void ExitNestedPrompt() => throw new NotSupportedException();

    public override void NotifyBeginApplication()
    {
    }

    public override void NotifyEndApplication()
    {
    }
}
