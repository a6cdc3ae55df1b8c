/**
 * A PowerShell that is none: it understands just the lines that node-powershell and the agent send, and answers as the argument `How` of
 * a command says. For the things that a real one does not do when it is asked to: output in one piece, a flood, a stray answer.
 */
import { createInterface } from 'node:readline';

import { integer, json, object, optional, string } from '../../../server/protocol/parse.ts';
import type { Parsed } from '../../../server/protocol/parse.ts';

const text = string({ maxLength: 8 * 1024 * 1024, allowEmpty: true });
const request = object({
  id: integer(),
  command: string(),
  arguments: object({
    How: optional(text),
    Text: optional(text),
    PageBytes: optional(integer()),
    Lie: optional(text),
    AnswerId: optional(integer()),
    Page: optional(integer()),
  }),
});
type Request = Parsed<typeof request>;

/** What is written to standard output; a promise that never ends is a hang. */
type Output = string | Promise<string>;

const hang = async (): Promise<string> => await new Promise<never>(() => undefined);
const answer = (id: number, page: number, count: number, bytes: Buffer): string =>
  `tidemark ${id} ${page} ${count} ${bytes.toString('base64')}\n`;
const jsonAnswer = (id: number, value: unknown): string => answer(id, 0, 1, Buffer.from(JSON.stringify(value)));
const echo = ({ id, arguments: given }: Request): string => jsonAnswer(id, { result: { text: given.Text } });

const kept = new Map<number, { readonly parts: readonly Buffer[]; readonly lie: string | undefined }>();
const none = Buffer.of();

/** One thing for each `How`. */
const ways: Readonly<Record<string, (request: Request) => Output>> = {
  echo,
  silence: () => '',
  hang,
  die: () => process.exit(3),
  'end well': () => process.exit(0),
  noise: (asked) => `\uFEFFsome noise\r\n${echo(asked)}more noise\n`,
  'standard error': (asked) => {
    process.stderr.write('#< CLIXML\n<Objs Version="1.1.0.1"><S S="progress">x</S></Objs>\n');
    return echo(asked);
  },
  flood: () => {
    for (let i = 0; i < 200; i++) process.stdout.write('x'.repeat(64 * 1024));
    return '';
  },
  'another id': (asked) => echo({ ...asked, id: asked.id + 1 }),
  'late id': (asked) => echo({ ...asked, id: 1 }),
  twice: (asked) => echo(asked) + echo(asked),
  'not JSON': ({ id }) => answer(id, 0, 1, Buffer.from('{"result":')),
  'not UTF-8': ({ id }) => answer(id, 0, 1, Buffer.from([0x22, 0xff, 0x22])),
  empty: ({ id }) => jsonAnswer(id, {}),
  'wrong type': ({ id }) => jsonAnswer(id, { result: { text: 5 } }),
  'cut off': (asked) => `${echo(asked).trimEnd().slice(0, -5)}\n`,
  'too many pages': ({ id }) => answer(id, 0, 100_000, Buffer.from('{"result":{"text":"')),
  'a page too long': ({ id }) => answer(id, 0, 1, Buffer.alloc(600 * 1024, ' ')),
  pages: ({ id, arguments: { Text, PageBytes = 1, Lie } }) => {
    const bytes = Buffer.from(JSON.stringify({ result: { text: Text } }));
    const parts: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += PageBytes) parts.push(bytes.subarray(at, at + PageBytes));
    kept.set(id, { parts, lie: Lie });
    return answer(id, 0, parts.length, parts[0] ?? none);
  },
};

function laterPage({ id, arguments: { AnswerId = 0, Page = 0 } }: Request): string {
  const { parts, lie } = kept.get(AnswerId) ?? { parts: [], lie: undefined };
  const bytes = parts[Page] ?? none;
  if (lie === 'another page') return answer(id, 0, parts.length, parts[0] ?? none);
  if (lie === 'another count') return answer(id, Page, parts.length + 1, bytes);
  if (lie === 'endless') return answer(id, Page, parts.length, Buffer.alloc(512 * 1024, ' '));
  return answer(id, Page, parts.length, bytes);
}

/** What it says of its start, by SCRIPTED_START. */
function started(): Output {
  const how = process.env['SCRIPTED_START'];
  if (how === 'silent') return '';
  if (how === 'constrained') {
    process.stderr.write('    + FullyQualifiedErrorId : MethodInvocationNotSupportedInConstrainedLanguage\n');
    return hang();
  }
  const state =
    how === 'failed'
      ? {
          state: 'failed',
          message: 'Kein Modul.',
          type: 'T',
          errorId: 'Modules_ModuleNotFound',
          hresult: 2_148_734_720,
        }
      : { state: 'ready', version: '5.1.1', processId: process.pid };
  return `tidemark-start ${Buffer.from(JSON.stringify(state)).toString('base64')}\r\n`;
}

async function run(line: string): Promise<void> {
  const written = /^\[Console\]::(Out|Error)\.Write\('([0-9A-Za-z]+)' \+ \[char\]10\)$/.exec(line);
  if (written !== null) {
    const delimiter = `${written[2] ?? ''}\n`;
    if (written[1] === 'Out') write(delimiter);
    else process.stderr.write(delimiter);
    return;
  }
  if (line.startsWith('. ([ScriptBlock]::Create(')) return write(await started());
  const base64 = /^Invoke-TidemarkCommand -Request '([A-Za-z0-9+/=]+)'$/.exec(line)?.[1];
  if (base64 === undefined) throw new Error(`An unknown line: ${line}`);
  const asked = json(Buffer.from(base64, 'base64').toString('utf8'), request, 'the request');
  if (asked.command === 'Get-TidemarkAnswerPage') return write(laterPage(asked));
  const way = ways[asked.arguments.How ?? ''];
  if (way === undefined) throw new Error(`An unknown way: ${asked.arguments.How ?? ''}`);
  write(await way(asked));
}

let held = '';

/** With SCRIPTED_COALESCE, what belongs to one invocation is written in one piece. */
function write(output: string): void {
  if (process.env['SCRIPTED_COALESCE'] === undefined) {
    process.stdout.write(output);
    return;
  }
  held += output;
  const delimiter = /^\uFEFF?([0-9A-Za-z]{16})\n/.exec(held)?.[1];
  if (delimiter === undefined || held.lastIndexOf(delimiter) === held.indexOf(delimiter)) return;
  process.stdout.write(held);
  held = '';
}

for await (const line of createInterface({ input: process.stdin })) await run(line);
