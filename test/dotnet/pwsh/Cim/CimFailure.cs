extern alias infrastructure;

using System.Management.Automation;
using System.Reflection;
using infrastructure::Microsoft.Management.Infrastructure;
using Tidemark.TestHost.Shell;
using Failure = Microsoft.Management.Infrastructure.CimException;

namespace Tidemark.TestHost.Cim;

/// <summary>Makes the exceptions that the CIM cmdlets throw, from the HRESULTs of WMI.</summary>
public static class CimFailure
{
    public const uint Failed = 0x80041001;
    public const uint NotFound = 0x80041002;
    public const uint AccessDenied = 0x80041003;
    public const uint TypeMismatch = 0x80041005;
    public const uint InvalidParameter = 0x80041008;
    public const uint InvalidNamespace = 0x8004100E;
    public const uint InvalidClass = 0x80041010;
    public const uint InvalidQuery = 0x80041017;
    public const uint MethodNotFound = 0x80041055;
    public const uint RpcUnavailable = 0x800706BA;
    public const uint RpcFailed = 0x800706BE;

    private static readonly Dictionary<uint, NativeErrorCode> Codes = new()
    {
        [NotFound] = NativeErrorCode.NotFound,
        [AccessDenied] = NativeErrorCode.AccessDenied,
        [TypeMismatch] = NativeErrorCode.TypeMismatch,
        [InvalidParameter] = NativeErrorCode.InvalidParameter,
        [InvalidNamespace] = NativeErrorCode.InvalidNamespace,
        [InvalidClass] = NativeErrorCode.InvalidClass,
        [InvalidQuery] = NativeErrorCode.InvalidQuery,
        [MethodNotFound] = NativeErrorCode.MethodNotFound,
    };

    /// <summary>What a German Windows says: no English word is left.</summary>
    private static readonly Dictionary<uint, string> German = new()
    {
        [Failed] = "Allgemeiner Fehler",
        [NotFound] = "Nicht gefunden",
        [AccessDenied] = "Zugriff verweigert",
        [TypeMismatch] = "Typkonflikt",
        [InvalidParameter] = "Ungültiger Parameter",
        [InvalidNamespace] = "Ungültiger Namespace",
        [InvalidClass] = "Ungültige Klasse",
        [InvalidQuery] = "Ungültige Abfrage",
        [MethodNotFound] = "Die Methode wurde nicht gefunden",
        [RpcUnavailable] = "Der RPC-Server ist nicht verfügbar.",
        [RpcFailed] = "Der Remoteprozeduraufruf ist fehlgeschlagen.",
    };

    /// <summary>The exception for an HRESULT; <paramref name="code"/> only where the host itself names another native code.</summary>
    public static Failure Create(uint hresult, string message, NativeErrorCode? code = null) =>
        new(
            Quirks.Current.German ? German.GetValueOrDefault(hresult, message) : message,
            hresult,
            code ?? Codes.GetValueOrDefault(hresult, NativeErrorCode.Failed));

    /// <summary>The error record that a CIM cmdlet writes for an exception: its id begins with the HRESULT.</summary>
    public static ErrorRecord Record(Failure failure, object? target) =>
        new(failure, failure.MessageId, Category(failure.NativeErrorCode), target);

    private static ErrorCategory Category(NativeErrorCode code) => code switch
    {
        NativeErrorCode.AccessDenied => ErrorCategory.PermissionDenied,
        NativeErrorCode.NotFound => ErrorCategory.ObjectNotFound,
        NativeErrorCode.TypeMismatch => ErrorCategory.InvalidType,
        NativeErrorCode.InvalidParameter or NativeErrorCode.InvalidQuery => ErrorCategory.InvalidArgument,
        NativeErrorCode.InvalidClass or NativeErrorCode.InvalidNamespace or NativeErrorCode.MethodNotFound => ErrorCategory.MetadataError,
        _ => ErrorCategory.NotSpecified,
    };

    /// <summary>The real class lets only its own library set the code.</summary>
    internal static void SetNativeErrorCode(infrastructure::Microsoft.Management.Infrastructure.CimException exception, NativeErrorCode code)
    {
        PropertyInfo property = typeof(infrastructure::Microsoft.Management.Infrastructure.CimException).GetProperty(nameof(exception.NativeErrorCode))
            ?? throw new MissingMemberException(nameof(exception.NativeErrorCode));
        property.GetSetMethod(nonPublic: true)!.Invoke(exception, [code]);
    }
}
