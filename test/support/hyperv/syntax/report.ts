/** What PowerShell's own parser finds in scripts (`pwsh -TidemarkSyntax`, test/dotnet/pwsh/Syntax). */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { array, integer, json, nullable, object, oneOf, string } from '../../../../server/protocol/parse.ts';
import type { Parsed, Parser } from '../../../../server/protocol/parse.ts';
import { testPowerShell } from '../pwsh.ts';

const line = integer(1);
const text = string({ allowEmpty: true });
const findings = array(object({ line, text }));
const kind = oneOf('text', 'number', 'variable', 'table', 'list', 'other');

/** A value as far as it is known without running the script. */
export interface Value {
  readonly kind: Parsed<typeof kind>;
  readonly text: string | null;
  /** The type it is converted to: `uint16` for `[uint16]1`. */
  readonly cast: string | null;
  readonly entries: readonly { readonly line: number; readonly key: string | null; readonly value: Value }[] | null;
  readonly items: readonly Value[] | null;
}
const value: Parser<Value> = (input, path) =>
  object({
    kind,
    text: nullable(text),
    cast: nullable(text),
    entries: nullable(array(object({ line, key: nullable(text), value }))),
    items: nullable(array(value)),
  })(input, path);

/** A command with its arguments; the name is null when it is computed. */
const command = object({
  line,
  name: nullable(text),
  /** The function it stands in. */
  function: nullable(text),
  parameters: array(text),
  arguments: array(object({ parameter: nullable(text), value })),
});
export type Command = Parsed<typeof command>;

const file = object({
  path: text,
  errors: findings,
  constructs: findings,
  operators: findings,
  types: findings,
  variables: findings,
  functions: findings,
  commands: array(command),
  members: array(
    object({
      line,
      type: nullable(text),
      variable: nullable(text),
      name: nullable(text),
      /** How many a method is called with; null for a property. */
      arguments: nullable(integer()),
      function: nullable(text),
    }),
  ),
  attributes: array(object({ line, name: text, arguments: array(text) })),
  classNames: findings,
  keys: findings,
  messageTexts: findings,
  assignments: array(object({ line, variable: text, function: nullable(text), command: integer() })),
});
/** What one file uses. */
export type FileReport = Parsed<typeof file>;

/** Reads scripts. */
export async function readSyntax(paths: readonly string[]): Promise<readonly FileReport[]> {
  const { executable, environment } = await testPowerShell();
  const { stdout } = await promisify(execFile)(executable, ['-TidemarkSyntax', ...paths], {
    env: { ...process.env, ...environment },
    maxBuffer: 64 << 20,
  });
  return json(stdout, array(file), 'the report of -TidemarkSyntax');
}
