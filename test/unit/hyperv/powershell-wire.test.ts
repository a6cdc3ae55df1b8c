import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { assert as check, integer, property, string } from 'fast-check';

import { parseStarted, scriptLine, startLine } from '../../../server/agent/hyperv/powershell/prologue.ts';
import {
  AnswerPages,
  maxAnswerBytes,
  maxPageBytes,
  maxRequestBytes,
  pageRequestLine,
  parseOutput,
  requestLine,
} from '../../../server/agent/hyperv/powershell/wire.ts';

const garbled = { name: 'GarbledError' };
const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('A line for PowerShell', () => {
  it('has nothing of a request in it that PowerShell could interpret, whatever the request says', () => {
    check(
      property(string({ unit: 'binary' }), string({ unit: 'binary' }), (name, value) => {
        const line = requestLine(7, name, { Name: value });
        assert.match(line, /^Invoke-TidemarkCommand -Request '[A-Za-z0-9+/]+={0,2}'$/);
      }),
    );
  });

  it('is refused when a text in it is no valid Unicode, before PowerShell sees it', () => {
    for (const Name of ['\uD800', 'x\uDC00', '\uDC00\uD800']) {
      assert.throws(() => requestLine(1, 'Get-TidemarkVm', { Name }), { name: 'UnsendableError' });
    }
  });

  it('carries the request as JSON', () => {
    const line = requestLine(7, 'Get-TidemarkVm', { Name: '’; Remove-Item C:\\ -Recurse # $(1) `n \u{1F4A9}' });
    const text = Buffer.from(/'(.+)'/.exec(line)?.[1] ?? '', 'base64').toString('utf8');
    assert.deepEqual(JSON.parse(text), {
      id: 7,
      command: 'Get-TidemarkVm',
      arguments: { Name: '’; Remove-Item C:\\ -Recurse # $(1) `n \u{1F4A9}' },
    });
  });

  it('is refused when the arguments are more than PowerShell should be given', () => {
    assert.throws(() => requestLine(1, 'Get-TidemarkVm', { Name: 'x'.repeat(maxRequestBytes) }), {
      name: 'UnsendableError',
    });
  });

  it('is one line, also for a script of many, and keeps the path of the module as data', () => {
    for (const line of [startLine("C:\\It's [1] \u2019; exit\n\\M.psd1", 42), scriptLine('a\nb\r\nc')]) {
      assert.match(
        line,
        /^\. \(\[ScriptBlock\]::Create\(\[Text\.Encoding\]::UTF8\.GetString\(\[Convert\]::FromBase64String\('[A-Za-z0-9+/]+={0,2}'\)\)\)\)$/,
      );
    }
  });

  it('asks for a later page by the id of the answer', () => {
    const text = Buffer.from(/'(.+)'/.exec(pageRequestLine(8, 7, 1))?.[1] ?? '', 'base64').toString('utf8');
    assert.deepEqual(JSON.parse(text), {
      id: 8,
      command: 'Get-TidemarkAnswerPage',
      arguments: { AnswerId: 7, Page: 1 },
    });
  });
});

describe('What PowerShell says of its start', () => {
  const line = `tidemark-start ${base64('{"state":"ready","version":"5.1.20348.1","processId":5}')}`;

  it('is found between noise, with either end of line', () => {
    for (const end of ['\n', '\r\n']) {
      assert.deepEqual(parseStarted(`noise${end}${line}${end}noise${end}`), {
        state: 'ready',
        version: '5.1.20348.1',
        processId: 5,
      });
    }
  });

  it('is nothing when nothing was said, and refused when it makes no sense', () => {
    assert.equal(parseStarted('noise\n'), undefined);
    assert.throws(() => parseStarted(`tidemark-start ${base64('{"state":"odd"}')}\n`), { code: 'TM1001' });
    assert.throws(() => parseStarted('tidemark-start AAAA\n'), { code: 'TM1001' });
  });
});

describe('An answer', () => {
  const line = (id: number, page: number, pages: number, text: string): string =>
    `tidemark ${id} ${page} ${pages} ${base64(text)}\n`;

  it('is found by its id between noise, behind a byte order mark, with either end of line', () => {
    const { page, noise } = parseOutput(`noise\r\n\uFEFF${line(7, 0, 1, '{}').trimEnd()}\r\nmore\n`, 7);
    assert.deepEqual([page.page, page.pages, page.bytes.toString()], [0, 1, '{}']);
    assert.deepEqual(noise, ['noise', 'more']);
  });

  it('to another request is never taken, before or after the right one', () => {
    assert.throws(() => parseOutput(line(6, 0, 1, '{}'), 7), garbled);
    assert.throws(() => parseOutput(line(6, 0, 1, '{}') + line(7, 0, 1, '{}'), 7), garbled);
    assert.throws(() => parseOutput(line(7, 0, 1, '{}') + line(70, 0, 1, '{}'), 7), garbled);
  });

  it('that is missing, there twice, cut off or of an impossible page is refused', () => {
    for (const output of [
      '',
      'tidemark 7 0 1\n',
      line(7, 0, 1, '{}') + line(7, 0, 1, '{}'),
      `${line(7, 0, 1, '{"a":1}').trimEnd().slice(0, -1)}\n`,
      line(7, 1, 1, '{}'),
      line(7, 0, 0, '{}'),
      line(7, 0, 999_999_999, '{}'),
      line(7, 0, 1, ' '.repeat(maxPageBytes + 1)),
    ])
      assert.throws(() => parseOutput(output, 7), garbled, output.slice(0, 80));
  });

  it('of several pages is put together, also where a page ends inside a character', () => {
    const text = JSON.stringify({ result: 'Grüße \u{1F4A9}'.repeat(50) });
    const bytes = Buffer.from(text);
    check(
      property(integer({ min: 3, max: bytes.length }), (size) => {
        const parts = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
          bytes.subarray(index * size, (index + 1) * size),
        );
        const [first, ...rest] = parts.map((part, page) => ({ page, pages: parts.length, bytes: part }));
        assert(first);
        const pages = new AnswerPages(first);
        for (const part of rest) {
          assert.equal(pages.next, part.page);
          pages.add(part);
        }
        assert.equal(pages.next, undefined);
        assert.equal(pages.text(), text);
      }),
    );
  });

  it('whose pages lie about their number or their count is refused', () => {
    const page = (number: number, pages: number): { page: number; pages: number; bytes: Buffer } => ({
      page: number,
      pages,
      bytes: Buffer.from('x'),
    });
    assert.throws(() => new AnswerPages(page(1, 3)), garbled);
    assert.throws(() => new AnswerPages(page(0, 3)).add(page(2, 3)), garbled);
    assert.throws(() => new AnswerPages(page(0, 3)).add(page(0, 3)), garbled);
    assert.throws(() => new AnswerPages(page(0, 3)).add(page(1, 4)), garbled);
    assert.throws(() => new AnswerPages(page(0, 1)).add(page(1, 1)), garbled);
  });

  it('that gets longer than an answer may be is refused when it does', () => {
    const bytes = Buffer.alloc(maxPageBytes, ' ');
    const full = maxAnswerBytes / maxPageBytes;
    const pages = new AnswerPages({ page: 0, pages: full + 1, bytes });
    for (let page = 1; page < full; page++) pages.add({ page, pages: full + 1, bytes });
    assert.throws(() => pages.add({ page: full, pages: full + 1, bytes }), garbled);
  });

  it('that is not UTF-8 is refused', () => {
    assert.throws(() => new AnswerPages({ page: 0, pages: 1, bytes: Buffer.from([0x22, 0xff, 0x22]) }).text(), garbled);
  });
});
