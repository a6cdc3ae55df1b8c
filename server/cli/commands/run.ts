/** `tidemark run`: what the daemon does and did. */
import type { Command } from 'commander';

import { formatBytes, formatDuration } from '../../base/format.ts';
import { missedRuns } from '../../base/missed-runs.ts';
import * as daemon from '../../protocol/daemon.ts';
import type { LogLine, RunInfo } from '../../protocol/daemon.ts';
import { runId } from '../../protocol/ids.ts';
import { globalOptions, printResult, withDaemon } from '../context.ts';
import type { CliContext } from '../context.ts';
import { followRun, jsonLines, throwUnlessSucceeded } from '../follow.ts';
import { policyRunText } from '../policy-run.ts';
import { printable } from '../printable.ts';
import { phaseText } from '../progress.ts';
import { age, localTime, table } from '../table.ts';
import { wholeNumber } from '../values.ts';
import { backupText } from './backup.ts';

/** Adds the commands. */
export function addRunCommands(program: Command, context: CliContext): void {
  const run = program
    .command('run')
    .description('runs: backups, restores and checks, active and past')
    .addHelpText('after', '\nExample:\n  tidemark run list --limit 5\n  tidemark run watch ID');

  run
    .command('list')
    .description('list runs, newest first')
    .option('--limit <n>', 'how many', wholeNumber(1, 10_000), 20)
    .addHelpText('after', '\nNext: tidemark run show ID, tidemark run log ID')
    .action(async (options: { limit: number }, command: Command) => {
      const globals = globalOptions(command);
      const { runs } = await withDaemon(context, globals, async (client) =>
        client.request(daemon.listRuns, { limit: options.limit }, { signal: context.signal }),
      );
      printResult(context, globals, runs, runs.length === 0 ? 'No runs yet.\n' : runTable(runs));
    });

  run
    .command('show')
    .description('show one run')
    .argument('<id>', 'id of the run')
    .action(async (id: string, _options: object, command: Command) => {
      const globals = globalOptions(command);
      const wanted = runId(id, 'The run');
      const { run: shown } = await withDaemon(context, globals, async (client) =>
        client.request(daemon.getRun, { id: wanted }, { signal: context.signal }),
      );
      printResult(context, globals, shown, runText(shown));
    });

  run
    .command('cancel')
    .description('cancel a run; it cleans up first')
    .argument('<id>', 'id of the run')
    .action(async (id: string, _options: object, command: Command) => {
      const globals = globalOptions(command);
      const wanted = runId(id, 'The run');
      const { run: cancelled } = await withDaemon(context, globals, async (client) =>
        client.request(daemon.cancelRun, { id: wanted }, { signal: context.signal }),
      );
      printResult(context, globals, cancelled, `Run ${cancelled.id} is ${cancelled.state}.\n`);
    });

  run
    .command('watch')
    .description('follow a run to its end; Ctrl-C only stops watching')
    .argument('<id>', 'id of the run')
    .action(async (id: string, _options: object, command: Command) => {
      const globals = globalOptions(command);
      const wanted = runId(id, 'The run');
      await withDaemon(context, globals, async (client) => {
        const view = globals.json ? jsonLines(context) : undefined;
        const watched = await followRun(context, client, wanted, { onInterrupt: 'leave', view });
        if (!globals.json && (watched.state === 'succeeded' || watched.outcome !== undefined)) {
          context.terminal.out(runText(watched));
        }
        throwUnlessSucceeded(watched);
      });
    });

  run
    .command('report')
    .description('show the report of a run: what it did, what is to be looked at, whom it told')
    .argument('<id>', 'id of the run')
    .addHelpText('after', '\nWithout --json it is a page in Markdown:\n  tidemark run report ID > report.md')
    .action(async (id: string, _options: object, command: Command) => {
      const globals = globalOptions(command);
      const wanted = runId(id, 'The run');
      const { report, markdown } = await withDaemon(context, globals, async (client) =>
        client.request(daemon.getRunReport, { id: wanted }, { signal: context.signal }),
      );
      printResult(context, globals, report, markdown);
    });

  run
    .command('log')
    .description("show a run's log")
    .argument('<id>', 'id of the run')
    .action(async (id: string, _options: object, command: Command) => {
      const globals = globalOptions(command);
      const wanted = runId(id, 'The run');
      const lines = await withDaemon(context, globals, async (client) => {
        const all: LogLine[] = [];
        for (let fromLine = 0; ;) {
          const page = await client.request(daemon.getRunLog, { id: wanted, fromLine }, { signal: context.signal });
          all.push(...page.lines);
          if (page.lines.length === 0) return all;
          fromLine = page.nextLine;
        }
      });
      const text = lines
        .map((line) => `${localTime(line.time)} ${line.level.padEnd(7)} ${printable(line.text)}\n`)
        .join('');
      printResult(context, globals, lines, text);
    });
}

/** What a run is about can be long: it comes last. */
function runTable(runs: readonly RunInfo[]): string {
  const listed = new Set(runs.map(({ id }) => id));
  return table(
    [{ title: 'RUN' }, { title: 'STATE' }, { title: 'BEGAN' }, { title: 'TOOK', align: 'right' }, { title: 'WHAT' }],
    underParents(runs, listed).map((run) => [
      run.id,
      run.state,
      age(run.startedAt ?? run.queuedAt),
      took(run),
      `${isPart(run, listed) ? '  ' : ''}${run.title}`,
    ]),
  );
}

/** The runs that are part of another one come below it, in the order in which they began. */
function underParents(runs: readonly RunInfo[], listed: ReadonlySet<string>): readonly RunInfo[] {
  const children = Map.groupBy(runs, ({ parent }) => parent);
  return runs
    .filter((run) => !isPart(run, listed))
    .flatMap((run) => [run, ...(children.get(run.id)?.toReversed() ?? [])]);
}

/** Whether the run stands below another one: where a list ends, a run may be in it without the one that it is part of. */
function isPart({ parent }: RunInfo, listed: ReadonlySet<string>): boolean {
  return parent !== undefined && listed.has(parent);
}

function took(run: RunInfo): string {
  if (run.startedAt === undefined || run.finishedAt === undefined) return '';
  return formatDuration(Date.parse(run.finishedAt) - Date.parse(run.startedAt));
}

/** One run for people. */
export function runText(run: RunInfo): string {
  const { progress } = run;
  const missed = missedRuns(run.request);
  const rows = [
    ['what', run.title],
    ...(run.parent === undefined ? [] : [['part of', run.parent]]),
    ['state', run.finishedAt === undefined ? `${run.state}: ${phaseText(progress.phase)}` : run.state],
    ...(missed === undefined ? [] : [['stands for', `${missed.text} since ${localTime(missed.since)}`]]),
    ['began', localTime(run.startedAt ?? run.queuedAt)],
    ...(run.finishedAt === undefined ? [] : [['ended', `${localTime(run.finishedAt)}, after ${took(run)}`]]),
    ['data', `${formatBytes(progress.doneBytes)} of ${formatBytes(progress.totalBytes)}`],
    ...run.warnings.map((warning) => ['warning', warning]),
    ...(run.error === undefined ? [] : [['error', `${run.error.message} (${run.error.code})`]]),
    ...(run.error?.hint === undefined ? [] : [['hint', run.error.hint]]),
  ];
  const head = table([{ title: 'RUN' }, { title: run.id }], rows);
  const outcome = `${policyRunText(run)}${backupText(run)}`;
  return outcome === '' ? head : `${head}\n${outcome}`;
}
