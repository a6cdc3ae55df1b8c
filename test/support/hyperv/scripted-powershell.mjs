#!/usr/bin/env node
// A PowerShell that is none: it understands just the lines that node-powershell and the agent send, and answers as the first argument
// of a command says. For the things that a real one does not do when it is asked to: coalesced output, a flood, a stray answer.
import { createInterface } from 'node:readline';

const pages = new Map();
const answer = (id, page, count, bytes) => `tidemark ${id} ${page} ${count} ${bytes.toString('base64')}\n`;

/** One thing for each `How`. Gives what is written to standard output. */
const ways = {
  echo: ({ id, arguments: given }) => answer(id, 0, 1, Buffer.from(JSON.stringify({ result: { text: given.Text } }))),
  'module error': ({ id, arguments: given }) =>
    answer(id, 0, 1, Buffer.from(JSON.stringify({ error: given.Error[0] }))),
  silence: () => '',
  hang: () => new Promise(() => undefined),
  die: () => process.exit(3),
  'end well': () => process.exit(0),
  noise: (request) => `\uFEFFsome noise\r\n${ways.echo(request)}more noise\n`,
  'standard error': (request) => {
    process.stderr.write('#< CLIXML\n<Objs Version="1.1.0.1"><S S="progress">x</S></Objs>\n');
    return ways.echo(request);
  },
  flood: () => {
    for (let i = 0; i < 200; i++) process.stdout.write('x'.repeat(64 * 1024));
    return '';
  },
  'another id': (request) => ways.echo({ ...request, id: request.id + 1 }),
  'late id': (request) => ways.echo({ ...request, id: 1 }),
  twice: (request) => ways.echo(request) + ways.echo(request),
  'not JSON': ({ id }) => answer(id, 0, 1, Buffer.from('{"result":')),
  'not UTF-8': ({ id }) => answer(id, 0, 1, Buffer.from([0x22, 0xff, 0x22])),
  empty: ({ id }) => answer(id, 0, 1, Buffer.from('{}')),
  'wrong type': ({ id }) => answer(id, 0, 1, Buffer.from('{"result":{"text":5}}')),
  'cut off': (request) => `${ways.echo(request).trimEnd().slice(0, -5)}\n`,
  'too many pages': ({ id }) => answer(id, 0, 100_000, Buffer.from('{"result":{"text":"')),
  'a page too long': ({ id }) => answer(id, 0, 1, Buffer.alloc(600 * 1024, ' ')),
  pages: ({ id, arguments: given }) => {
    const bytes = Buffer.from(JSON.stringify({ result: { text: given.Text } }));
    const parts = [];
    for (let at = 0; at < bytes.length; at += given.PageBytes) parts.push(bytes.subarray(at, at + given.PageBytes));
    pages.set(id, { parts, lie: given.Lie });
    return answer(id, 0, parts.length, parts[0]);
  },
};

function page({ id, arguments: { AnswerId, Page } }) {
  const { parts, lie } = pages.get(AnswerId);
  if (lie === 'another page') return answer(id, 0, parts.length, parts[0]);
  if (lie === 'another count') return answer(id, Page, parts.length + 1, parts[Page]);
  if (lie === 'endless') return answer(id, Page, parts.length, Buffer.alloc(512 * 1024, ' '));
  return answer(id, Page, parts.length, parts[Page]);
}

function started() {
  const failure = process.env.SCRIPTED_START;
  if (failure === 'hang') return new Promise(() => undefined);
  if (failure === 'constrained') {
    process.stderr.write('    + FullyQualifiedErrorId : MethodInvocationNotSupportedInConstrainedLanguage\n');
    return new Promise(() => undefined);
  }
  if (failure === 'silent') return '';
  const state =
    failure === 'failed'
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

async function run(line) {
  const written = /^\[Console\]::(Out|Error)\.Write\('([0-9A-Za-z]+)' \+ \[char\]10\)$/.exec(line);
  if (written !== null)
    return void (written[1] === 'Out' ? out(`${written[2]}\n`) : process.stderr.write(`${written[2]}\n`));
  if (line.startsWith('. ([ScriptBlock]::Create(')) return out(await started());
  const request = /^Invoke-TidemarkCommand -Request '([A-Za-z0-9+/=]+)'$/.exec(line)?.[1];
  if (request === undefined) throw new Error(`An unknown line: ${line}`);
  const parsed = JSON.parse(Buffer.from(request, 'base64').toString('utf8'));
  if (parsed.command === 'Get-TidemarkAnswerPage') return out(page(parsed));
  if (parsed.command === 'Get-TidemarkHost') return out(await ways[process.env.SCRIPTED_HOST ?? 'silence'](parsed));
  return out(await ways[parsed.arguments.How](parsed));
}

let held = '';
/** With SCRIPTED_COALESCE, what belongs to one invocation arrives in one piece. */
function out(text) {
  if (process.env.SCRIPTED_COALESCE === undefined) return process.stdout.write(text);
  held += text;
  const delimiter = /^\uFEFF?([0-9A-Za-z]{16})\n/.exec(held)?.[1];
  if (delimiter === undefined || held.lastIndexOf(delimiter) === held.indexOf(delimiter)) return false;
  process.stdout.write(held);
  held = '';
  return true;
}

for await (const line of createInterface({ input: process.stdin })) await run(line);
