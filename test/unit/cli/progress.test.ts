import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as fc from 'fast-check';

import { barLine, progressLines, progressView } from '../../../server/cli/progress.ts';
import { styleFor } from '../../../server/cli/terminal.ts';
import type { RunInfo, RunPhase, RunProgress } from '../../../server/protocol/daemon.ts';
import { runId } from '../../../server/protocol/ids.ts';
import { FakeTerminal } from './fake-terminal.ts';

function progress(phase: RunPhase, doneBytes: number, diskNames: readonly string[] = ['os']): RunProgress {
  const totalBytes = 1024 ** 3;
  return {
    phase,
    disks: diskNames.map((name) => ({ name, doneBytes, totalBytes })),
    doneBytes,
    totalBytes,
    bytesPerSecond: 50 * 1024 ** 2,
    etaSeconds: 12,
  };
}

function run(state: RunProgress, warnings: readonly string[] = []): RunInfo {
  return {
    id: runId('01JD0000000000000000000000', 'id'),
    request: { kind: 'verify', repository: 'main', readData: false },
    title: 'main',
    state: 'running',
    queuedAt: '2026-01-01T00:00:00Z',
    progress: state,
    warnings,
    sequence: 1,
  };
}

const view = (terminal: FakeTerminal): ReturnType<typeof progressView> => progressView(terminal, styleFor(terminal));

test('A line of progress is never wider than the terminal, whatever its width', () => {
  fc.assert(
    fc.property(
      fc.string({ maxLength: 60 }),
      fc.nat(2 ** 46),
      fc.nat(2 ** 46),
      fc.integer({ min: 10, max: 300 }),
      (name, done, total, columns) => {
        const line = barLine(name, done, total, columns);
        assert.ok(line.length < columns, `${line.length} of ${columns}: ${line}`);
        for (const text of progressLines(progress('transfer', 5, [name]), columns)) assert.ok(text.length < columns);
      },
    ),
  );
});

test('A bar is full at the end, and for a disk without data', () => {
  assert.match(barLine('os', 10, 10, 80), /^os\s+█+ 100%/);
  assert.match(barLine('os', 0, 0, 80), /100%/);
  assert.match(barLine('os', 5, 10, 80), /█░.* 50%/);
});

test('On a terminal the bars are redrawn in place and leave nothing behind', () => {
  const terminal = new FakeTerminal({ interactive: true });
  const drawn = view(terminal);
  drawn.update(run(progress('transfer', 0, ['os', 'data'])));
  drawn.update(run(progress('transfer', 1024 ** 3, ['os', 'data'])));
  const screen = terminal.screen();
  assert.match(screen[0] ?? '', /^reading disks, 50 MiB\/s, 12 s left$/);
  assert.match(screen[1] ?? '', /^os .*100% +1 GiB of 1 GiB +$/);
  assert.match(screen[2] ?? '', /^data .*100%/);
  assert.equal(screen.length, 4);
  drawn.update(run(progress('committing', 1024 ** 3, [])));
  assert.deepEqual(terminal.screen(), ['committing', '']);
  drawn.end();
  drawn.end();
  assert.deepEqual(terminal.screen(), ['']);
});

test('Each redraw is one write that overwrites before it erases, so that nothing flickers', () => {
  const terminal = new FakeTerminal({ interactive: true });
  const drawn = view(terminal);
  drawn.update(run(progress('transfer', 0)));
  const before = terminal.errorText.length;
  drawn.update(run(progress('transfer', 512 * 1024 ** 2)));
  const redraw = terminal.errorText.slice(before);
  assert.ok(redraw.indexOf('reading disks') < redraw.indexOf('\u001B[0K'));
  assert.equal(redraw.indexOf('\u001B[0J'), redraw.length - '\u001B[0J'.length);
});

test('More disks than rows do not scroll the terminal', () => {
  const terminal = new FakeTerminal({ interactive: true, rows: 6 });
  const names = Array.from({ length: 40 }, (_, index) => `disk${index}`);
  const drawn = view(terminal);
  drawn.update(run(progress('transfer', 0, names)));
  drawn.update(run(progress('transfer', 5, names)));
  assert.ok(terminal.screen().length <= 6);
});

test('Where there is no terminal, a phase is told once, when it begins, without control sequences', () => {
  const terminal = new FakeTerminal();
  const logged = view(terminal);
  for (const done of [0, 1, 2, 3]) logged.update(run(progress('transfer', done)));
  logged.update(run(progress('committing', 4), ['The guest has no VSS.']));
  logged.update(run(progress('committing', 4), ['The guest has no VSS.']));
  logged.update(run(progress('finished', 4), ['The guest has no VSS.']));
  logged.end();
  assert.equal(terminal.errorText, 'reading disks (1 GiB)\nwarning: The guest has no VSS.\ncommitting\n');
});
