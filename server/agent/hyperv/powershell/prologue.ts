/**
 * The first line that a session is given. Text goes in as base64 of UTF-8, which has no character that PowerShell would interpret,
 * and a line is always whole: PowerShell runs each line of its standard input on its own, so half a block would run by itself.
 */
import { integer, object, string, union, literal, json } from '../../../protocol/parse.ts';
import type { Parsed } from '../../../protocol/parse.ts';

const text = string({ maxLength: 65_536, allowEmpty: true });

/** What a session says of itself when it has started. */
export const started = union('state', {
  ready: object({
    state: literal('ready'),
    /** `$PSVersionTable.PSVersion`. */
    version: text,
    processId: integer(0, 4_294_967_295),
  }),
  failed: object({
    state: literal('failed'),
    message: text,
    type: text,
    errorId: text,
    hresult: integer(0, 4_294_967_295),
  }),
});
export type Started = Parsed<typeof started>;

/** Found in the error stream when application control keeps PowerShell from calling methods. An error id: it is never translated. */
export const constrainedLanguage = 'MethodInvocationNotSupportedInConstrainedLanguage';

const decode = (value: string): string =>
  `[Text.Encoding]::UTF8.GetString([Convert]::FromBase64String('${Buffer.from(value, 'utf8').toString('base64')}'))`;

/** One line that runs `script`. */
export function scriptLine(script: string): string {
  return `. ([ScriptBlock]::Create(${decode(script)}))`;
}

/**
 * Ends PowerShell when its agent is gone, even in the middle of a call that never returns. While it is idle the end of its standard
 * input does that; a hung one does not read it. Runs beside everything else, on a thread of its own.
 */
const watchScript = `
param($AgentId)
try { [Diagnostics.Process]::GetProcessById($AgentId).WaitForExit() }
catch [ArgumentException] { $null = $_ }
[Diagnostics.Process]::GetCurrentProcess().Kill()
`;

/**
 * Sets the session up and loads the module; answers one line, `tidemark-start` and the base64 of JSON (`started`).
 * Only what the engine itself has is used, so that a failure can be told whatever is missing. A process without a console has no encoding
 * to set; answers are ASCII and do not need it.
 */
export function startLine(modulePath: string, agentId: number): string {
  return scriptLine(`
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$WarningPreference = 'SilentlyContinue'
$VerbosePreference = 'SilentlyContinue'
$InformationPreference = 'SilentlyContinue'
Set-StrictMode -Version Latest
$tidemarkQuote = { param($Text) '"' + [string]::Join('', @([char[]][string]$Text | ForEach-Object { '\\u{0:x4}' -f [int]$_ })) + '"' }
$OutputEncoding = [Text.UTF8Encoding]::new($false)
try { [Console]::OutputEncoding = $OutputEncoding } catch { $null = $_ }
$tidemarkStart = try {
  Import-Module -Name ([System.Management.Automation.WildcardPattern]::Escape(${decode(modulePath)})) -DisableNameChecking
  $tidemarkWatch = [PowerShell]::Create([System.Management.Automation.Runspaces.InitialSessionState]::CreateDefault2())
  $null = $tidemarkWatch.AddScript(${decode(watchScript)}).AddArgument(${agentId}).BeginInvoke()
  '{"state":"ready","version":' + (& $tidemarkQuote $PSVersionTable.PSVersion) + ',"processId":' + [Diagnostics.Process]::GetCurrentProcess().Id + '}'
} catch {
  '{"state":"failed","message":' + (& $tidemarkQuote $_.Exception.Message) + ',"type":' + (& $tidemarkQuote $_.Exception.GetType().FullName) +
    ',"errorId":' + (& $tidemarkQuote $_.FullyQualifiedErrorId) + ',"hresult":' + ([long]$_.Exception.HResult -band 4294967295L) + '}'
}
[Console]::Out.WriteLine('tidemark-start ' + [Convert]::ToBase64String([Text.Encoding]::UTF8.GetBytes($tidemarkStart)))
`);
}

/** Reads what `startLine` made PowerShell say; undefined when it said nothing. Throws `TM1001` for nonsense. */
export function parseStarted(stdout: string): Started | undefined {
  const line = /^tidemark-start ([A-Za-z0-9+/=]+)\r?$/m.exec(stdout)?.[1];
  if (line === undefined) return undefined;
  return json(Buffer.from(line, 'base64').toString('utf8'), started, 'what PowerShell says of its start');
}
