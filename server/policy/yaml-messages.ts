/** Syntax errors of YAML, for people who write policies. */
import type { ErrorCode, YAMLError } from 'yaml';

/** What the most frequent errors mean for people who write policies. */
const plainMessages: Readonly<Partial<Record<ErrorCode, string>>> = {
  TAB_AS_INDENT: 'YAML takes no tabs as indentation.',
  BAD_SCALAR_START: 'A text that begins with this character needs quotes.',
  BLOCK_AS_IMPLICIT_KEY: 'A second key is on the same line. A text with a colon and a space needs quotes.',
  BLOCK_IN_FLOW: 'This cannot be within brackets or braces.',
  MULTILINE_IMPLICIT_KEY: 'A colon is missing, or this is not indented as its key is.',
};

/** What the parser says in words of its grammar, for errors whose codes mean several things. */
const plainTexts: readonly (readonly [pattern: RegExp, text: string])[] = [
  [/^Missing closing (.)quote$/, 'A closing $1 is missing: a text that begins with $1 has no end.'],
  [/^Sequence item without - indicator$/, 'This is no item of the list above, and no key: look at its indentation.'],
  [/^All sequence items must start at the same column$/, 'The items of a list must begin in the same column.'],
  [/^All mapping items must start at the same column$/, 'Keys that belong together must begin in the same column.'],
  [/^Flow .* end with a (.)$/, 'A closing $1 is missing, or what it closes goes on in lines that are not indented.'],
  [/^Implicit map keys need to be followed by map values$/, 'A colon and a value are missing behind this key.'],
  [/^Missing , or : between .* items$/, 'A comma or a colon is missing here.'],
  [/^Missing (.) between .* items$/, 'A $1 is missing here, between two items.'],
  [/^Unexpected , in .*$/, 'There is a comma too many.'],
  [/^Unexpected .* at node end$/, 'This does not belong to the value before it: look at quotes and indentation.'],
  [/^Unexpected \S+ on same line with key$/, 'The first item of a list begins on the line below its key.'],
  [/^Unexpected \S+ token .*$/, 'This is out of place: look at quotes, brackets and indentation.'],
  [
    /^Block scalar header .*$/,
    'Nothing can stand behind this sign on its line. A text that begins with it needs quotes.',
  ],
  [/^Comments must be separated .*$/, 'A comment needs a space in front of its #.'],
  [
    /^Invalid escape sequence (.*)$/,
    'In double quotes $1 is not a character. Use single quotes, or write \\\\ for \\.',
  ],
];

/** An error of the parser as a sentence. Its own messages are fragments without an end, in words of its grammar. */
export function yamlMessage({ code, message }: YAMLError): string {
  const line = message.split('\n')[0] ?? message;
  const plain = plainTexts.find(([pattern]) => pattern.test(line));
  const text = plainMessages[code] ?? (plain === undefined ? line : line.replace(plain[0], plain[1]));
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
