using System.Management.Automation;
using System.Management.Automation.Runspaces;
using System.Reflection;
using Tidemark.TestHost.Cim;

namespace Tidemark.TestHost.Shell;

/// <summary>Makes the runspace: the engine's own commands, every cmdlet of this program, and the CIM types under the names of Windows.</summary>
internal static class SessionFactory
{
    public static InitialSessionState Create(ShellOptions options)
    {
        InitialSessionState state = InitialSessionState.CreateDefault2();
        foreach (Type type in Assembly.GetExecutingAssembly().GetTypes())
        {
            if (!type.IsAbstract && type.GetCustomAttribute<CmdletAttribute>() is { } cmdlet)
            {
                state.Commands.Add(new SessionStateCmdletEntry($"{cmdlet.VerbName}-{cmdlet.NounName}", type, null));
            }
        }
        state.Types.Add(new SessionStateTypeEntry(new TypeData(typeof(CimInstance)) { TypeAdapter = typeof(CimInstanceAdapter) }, isRemove: false));
        if (OperatingSystem.IsWindows() && options.ExecutionPolicy is { } policy)
        {
            state.ExecutionPolicy = policy;
        }
        AddTypeNames();
        return state;
    }

    /// <summary>A type's accelerator is looked up before any assembly: so these names lead to our types, which need no library of Windows.</summary>
    private static void AddTypeNames()
    {
        MethodInfo add = typeof(PSObject).Assembly.GetType("System.Management.Automation.TypeAccelerators")?.GetMethod("Add", [typeof(string), typeof(Type)])
            ?? throw new MissingMethodException("TypeAccelerators", "Add");
        void Name(string name, Type type) => add.Invoke(null, [name, type]);
        Name("Microsoft.Management.Infrastructure.CimInstance", typeof(CimInstance));
        Name("Microsoft.Management.Infrastructure.CimClass", typeof(CimClass));
        Name("Microsoft.Management.Infrastructure.Serialization.CimSerializer", typeof(CimSerializer));
    }
}
