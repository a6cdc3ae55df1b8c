/** Judges scripts by Windows PowerShell 5.1: what it cannot parse, and what it or .NET Framework 4.7.2 does not have. */
import type { FileReport } from './report.ts';
import {
  accelerators,
  attributes,
  commands,
  commonParameters,
  methods,
  newerOperators,
  newerVariables,
  properties,
  types,
} from './windows-powershell.ts';

/** Something that must not be in a script. */
export interface Complaint {
  readonly file: string;
  readonly line: number;
  readonly what: string;
}

const constructs: Readonly<Record<string, string>> = {
  ternary: 'the operator ?: is not in 5.1',
  pipelineChain: '&& and || are not in 5.1',
  nullConditional: '?. and ?[] are not in 5.1',
  background: 'running in the background with & is not in 5.1',
  cleanBlock: 'clean blocks are not in 5.1',
  numberSuffix: '5.1 does not know this suffix of a number',
  escape: '5.1 knows neither `e nor `u{}',
  leadingPipe: 'in 5.1 a line cannot begin with |',
  notAscii: '5.1 would read these characters in another code page',
};

/** A text with three letters in a row, besides HRESULTs and what regular expressions are made of, is a word of some language. */
const hasWord = (text: string): boolean =>
  /[A-Za-z]{3}/.test(text.replaceAll(/0x\S*|\[[^\]]*\]|\\[a-z]|[A-Z_]+_[A-Z_]+/g, ''));

/** Everything in these scripts, which are one module, that 5.1 does not have. `schemaNames` are the properties of CIM classes, in lower case. */
export function judgeLanguage(files: readonly FileReport[], schemaNames: ReadonlySet<string>): readonly Complaint[] {
  const own = new Set(files.flatMap(({ functions }) => functions.map(({ text }) => text.toLowerCase())));
  const keys = new Set(files.flatMap((file) => file.keys.map(({ text }) => text.toLowerCase())));
  return files.flatMap((file) => {
    const complaints: Complaint[] = [];
    const say = (line: number, what: string): number => complaints.push({ file: file.path, line, what });
    for (const { line, text } of file.errors) say(line, text);
    for (const { line, text } of file.constructs) say(line, constructs[text] ?? text);
    for (const { line, text } of file.operators)
      if (newerOperators.has(text.toLowerCase())) say(line, `the operator ${text} is not in 5.1`);
    for (const { line, text } of file.variables)
      if (newerVariables.has(text.toLowerCase())) say(line, `$${text} is not in 5.1`);
    for (const { line, text } of file.types)
      if (!types.has(fullType(text))) say(line, `the type ${text} is not in the list of 5.1`);
    for (const { line, text } of file.messageTexts)
      if (hasWord(text)) say(line, `messages are translated, so they cannot be compared with "${text}"`);
    judgeCommands(file, own, say);
    judgeMembers(file, (name) => properties.has(name) || schemaNames.has(name) || keys.has(name), say);
    judgeAttributes(file, say);
    return complaints;
  });
}

type Say = (line: number, what: string) => void;

function judgeCommands(file: FileReport, own: ReadonlySet<string>, say: Say): void {
  for (const { line, name, parameters } of file.commands) {
    if (name === null || own.has(name.toLowerCase())) continue;
    const known = commands.get(name.toLowerCase());
    if (known === undefined) say(line, `the command ${name} is not in the list of 5.1`);
    for (const parameter of parameters) {
      const wanted = parameter.toLowerCase();
      if (known !== undefined && !known.has(wanted) && !commonParameters.has(wanted))
        say(line, `${name} of 5.1 has no parameter -${parameter}`);
    }
  }
}

function judgeMembers(file: FileReport, isProperty: (name: string) => boolean, say: Say): void {
  for (const { line, type, name, arguments: count } of file.members) {
    if (name === null) continue;
    const wanted = name.toLowerCase();
    if (type !== null) {
      if (types.get(fullType(type))?.has(wanted) === false) say(line, `[${type}]::${name} is not in the list of 5.1`);
    } else if (count !== null) {
      if (methods.get(wanted)?.includes(count) !== true)
        say(line, `the method ${name} with ${count} arguments is not in the list of .NET Framework 4.7.2`);
    } else if (!isProperty(wanted)) say(line, `no object has the property ${name}`);
  }
}

function judgeAttributes(file: FileReport, say: Say): void {
  for (const { line, name, arguments: named } of file.attributes) {
    const known = attributes.get(name.toLowerCase());
    if (known === undefined) say(line, `the attribute ${name} is not in the list of 5.1`);
    for (const argument of named)
      if (known?.has(argument.toLowerCase()) === false) say(line, `${name} of 5.1 has no ${argument}`);
  }
}

/** `uint16`, `System.Collections.Generic.List[string]`, `byte[]` as they stand in the list of types. */
function fullType(name: string): string {
  const plain = name.replace(/\[.*$/, '').toLowerCase();
  return (accelerators.get(plain) ?? plain).toLowerCase();
}
