/**
 * What Windows PowerShell 5.1 on .NET Framework 4.7.2 has, as far as the agent's module may use it. The lists are closed: what the module
 * needs is added here by somebody who has looked up that 5.1 (and 4.7.2) has it.
 */

/** Parameters of every cmdlet and advanced function in 5.1. */
export const commonParameters: ReadonlySet<string> = lower(
  'Verbose Debug ErrorAction WarningAction InformationAction ErrorVariable WarningVariable InformationVariable OutVariable OutBuffer PipelineVariable',
);

/** Commands with their own parameters in 5.1. */
export const commands: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  Object.entries({
    'add-type': 'AssemblyName TypeDefinition MemberDefinition Name Namespace Path LiteralPath Language PassThru',
    'convertto-json': 'InputObject Depth Compress',
    'export-modulemember': 'Function Cmdlet Variable Alias',
    'foreach-object': 'Begin Process End RemainingScripts InputObject MemberName ArgumentList',
    'get-cimassociatedinstance':
      'InputObject Association ResultClassName Namespace OperationTimeoutSec KeyOnly CimSession ComputerName ResourceUri',
    'get-cimclass':
      'ClassName Namespace OperationTimeoutSec CimSession ComputerName MethodName PropertyName QualifierName',
    'get-ciminstance':
      'ClassName Namespace Filter Property InputObject KeyOnly Shallow OperationTimeoutSec Query QueryDialect CimSession ComputerName ResourceUri',
    'get-command': 'Name Verb Noun Module CommandType TotalCount Syntax ShowCommandInfo ArgumentList All ListImported',
    'get-winevent':
      'LogName ListLog ListProvider ProviderName FilterHashtable FilterXml FilterXPath MaxEvents Oldest Path Force',
    'get-acl': 'Path InputObject LiteralPath Audit AllCentralAccessPolicies Filter Include Exclude',
    'import-module':
      'Name Assembly Global Prefix Function Cmdlet Variable Alias Force PassThru AsCustomObject MinimumVersion RequiredVersion ArgumentList DisableNameChecking NoClobber Scope',
    'invoke-cimmethod':
      'InputObject MethodName Arguments Namespace ClassName CimClass OperationTimeoutSec CimSession ComputerName ResourceUri Query QueryDialect',
    'new-ciminstance':
      'ClassName CimClass Namespace Property Key ClientOnly OperationTimeoutSec CimSession ComputerName ResourceUri',
    'out-null': 'InputObject',
    'set-strictmode': 'Version Off',
    'where-object':
      'FilterScript InputObject Property Value EQ NE GT LT GE LE Like NotLike Match NotMatch Contains NotContains In NotIn Is IsNot',
  }).map(([name, parameters]) => [name, lower(parameters)]),
);

/** Automatic variables that came with PowerShell 6 and 7: in 5.1 they are just not set. */
export const newerVariables: ReadonlySet<string> = lower(
  'IsCoreCLR IsLinux IsMacOS IsWindows PSStyle EnabledExperimentalFeatures PSNativeCommandArgumentPassing PSNativeCommandUseErrorActionPreference',
);

/** Operators that 5.1 cannot parse, by the name of the engine's token. */
export const newerOperators: ReadonlySet<string> = lower('QuestionQuestion QuestionQuestionEquals');

/** Attributes of parameters and functions with their named arguments in 5.1 (`ErrorMessage` came later). */
export const attributes: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  Object.entries({
    allowemptycollection: '',
    allowemptystring: '',
    allownull: '',
    cmdletbinding:
      'ConfirmImpact DefaultParameterSetName HelpURI PositionalBinding SupportsPaging SupportsShouldProcess',
    outputtype: 'ParameterSetName',
    parameter:
      'Mandatory Position ParameterSetName ValueFromPipeline ValueFromPipelineByPropertyName ValueFromRemainingArguments HelpMessage DontShow',
    validatecount: '',
    validatelength: '',
    validatenotnull: '',
    validatenotnullorempty: '',
    validatepattern: 'Options',
    validaterange: '',
    validatescript: '',
    validateset: 'IgnoreCase',
  }).map(([name, named]) => [name, lower(named)]),
);

/** Type names of PowerShell itself, and what they stand for; those without members in `staticMembers` have none that may be used. */
export const accelerators: ReadonlyMap<string, string> = new Map(
  Object.entries({
    bool: 'System.Boolean',
    byte: 'System.Byte',
    char: 'System.Char',
    convert: 'System.Convert',
    datetime: 'System.DateTime',
    double: 'System.Double',
    guid: 'System.Guid',
    hashtable: 'System.Collections.Hashtable',
    int: 'System.Int32',
    int32: 'System.Int32',
    int64: 'System.Int64',
    long: 'System.Int64',
    math: 'System.Math',
    object: 'System.Object',
    regex: 'System.Text.RegularExpressions.Regex',
    scriptblock: 'System.Management.Automation.ScriptBlock',
    string: 'System.String',
    switch: 'System.Management.Automation.SwitchParameter',
    type: 'System.Type',
    uint16: 'System.UInt16',
    uint32: 'System.UInt32',
    uint64: 'System.UInt64',
    valuetype: 'System.ValueType',
    version: 'System.Version',
    xml: 'System.Xml.XmlDocument',
    // Words of the language, not types.
    ordered: 'ordered',
    ref: 'ref',
    pscustomobject: 'pscustomobject',
    psobject: 'System.Management.Automation.PSObject',
  }),
);

/** Types of .NET Framework 4.7.2, of PowerShell 5.1 and of its CIM library, with the static members that may be used; `new` is the constructor. */
export const types: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  Object.entries({
    'microsoft.management.infrastructure.ciminstance': '',
    'microsoft.management.infrastructure.serialization.cimserializer': 'Create',
    'microsoft.management.infrastructure.serialization.instanceserializationoptions': 'None',
    'microsoft.win32.registry': 'LocalMachine',
    ordered: '',
    pscustomobject: '',
    ref: '',
    'system.array': 'Sort IndexOf Copy',
    'system.boolean': '',
    'system.byte': 'new',
    'system.char': '',
    'system.collections.generic.list': 'new',
    'system.collections.generic.sorteddictionary': 'new',
    'system.collections.hashtable': 'new',
    'system.collections.idictionary': '',
    'system.convert': 'FromBase64String ToBase64String ToUInt32 ToUInt64 ToInt64',
    'system.datetime': 'new UtcNow',
    'system.datetimekind': 'Utc',
    'system.diagnostics.eventlog': 'WriteEntry',
    'system.diagnostics.eventlogentrytype': 'Information Warning Error',
    'system.diagnostics.stopwatch': 'StartNew',
    'system.double': '',
    'system.environment': 'MachineName OSVersion',
    'system.globalization.cultureinfo': 'InvariantCulture',
    'system.guid': 'Empty NewGuid TryParseExact',
    'system.int32': 'TryParse MaxValue',
    'system.int64': 'Parse TryParse MaxValue',
    'system.invalidoperationexception': 'new',
    'system.io.path': 'Combine GetDirectoryName GetFileName',
    'system.io.stringreader': 'new',
    'system.management.automation.commandtypes': 'Cmdlet Function',
    'system.management.automation.errorcategory': 'InvalidOperation',
    'system.management.automation.errorrecord': 'new',
    'system.management.automation.parameterattribute': '',
    'system.management.automation.psobject': '',
    'system.management.automation.scriptblock': 'Create',
    'system.management.automation.switchparameter': '',
    'system.math': 'Ceiling Floor Max Min',
    'system.object': '',
    'system.platformid': 'Win32NT',
    'system.runtime.serialization.json.jsonreaderwriterfactory': 'CreateJsonReader',
    'system.string': 'Equals Join IsNullOrEmpty',
    'system.stringcomparer': 'Ordinal OrdinalIgnoreCase',
    'system.stringcomparison': 'Ordinal OrdinalIgnoreCase',
    'system.text.encoding': 'UTF8 Unicode',
    'system.text.regularexpressions.regex': 'new IsMatch Match',
    'system.text.regularexpressions.regexoptions': 'IgnoreCase CultureInvariant',
    'system.threading.thread': 'Sleep',
    'system.type': '',
    'system.uint16': '',
    'system.uint32': 'MaxValue',
    'system.uint64': 'new MaxValue',
    'system.valuetype': '',
    'system.version': 'new',
    'system.xml.dtdprocessing': 'Prohibit',
    'system.xml.xmldictionaryreaderquotas': 'new',
    'system.xml.xmldocument': 'new',
    'system.xml.xmlreader': 'Create',
    'system.xml.xmlreadersettings': 'new',
  }).map(([name, members]) => [name, lower(members)]),
);

/** Methods of values, with the numbers of arguments that .NET Framework 4.7.2 has (there is no `Contains(text, comparison)`, no `Replace` with one, no `Split(text)`). */
export const methods: ReadonlyMap<string, readonly number[]> = new Map(
  Object.entries({
    add: [1, 2],
    clear: [0],
    clone: [0],
    close: [0],
    contains: [1],
    containskey: [1],
    dispose: [0],
    endswith: [1, 2],
    get_childnodes: [0],
    get_documentelement: [0],
    get_innertext: [0],
    get_localname: [0],
    get_namespaceuri: [0],
    getattribute: [1],
    getbytes: [1],
    getcommand: [2],
    getelementtype: [0],
    getstring: [1],
    gettype: [0],
    getvalue: [1],
    indexof: [1, 2, 3],
    isinstanceoftype: [1],
    load: [1],
    match: [1],
    opensubkey: [1],
    remove: [1, 2],
    replace: [2],
    selectnodes: [1],
    selectsinglenode: [1],
    serialize: [2],
    startswith: [1, 2],
    substring: [1, 2],
    toarray: [0],
    tolowerinvariant: [0],
    tostring: [0, 1, 2],
    touniversaltime: [0],
    toupperinvariant: [0],
    trim: [0],
  }),
);

/** Properties of .NET and PowerShell objects. */
export const properties: ReadonlySet<string> = lower(
  [
    'Ast Attributes BaseObject Body BoundParameters Category CategoryInfo CheckCharacters CimClass CimClassMethods CimClassProperties CimClassName CimInstanceProperties',
    'CimSystemProperties CimType ClassName Count Data DtdProcessing ElapsedMilliseconds Exception Flags FullName FullyQualifiedErrorId Groups HResult Id',
    'InvokeCommand IsArray Keys Length Mandatory MaxArrayLength MaxBytesPerRead MaxDepth MaxNameTableCharCount MaxStringContentLength Message',
    'Name Namespace ParamBlock ParameterType Parameters Platform PreserveWhitespace Properties PSEdition PSObject PSVersion ReturnValue ScriptBlock',
    'Sddl ServerName Success TimeCreated UserPath Value Values VariablePath Version XmlResolver',
  ].join(' '),
);

function lower(words: string): ReadonlySet<string> {
  return new Set(words.toLowerCase().split(' ').filter(Boolean));
}
