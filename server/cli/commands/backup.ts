/** `tidemark backup`. */
import { Option } from 'commander';
import type { Command } from 'commander';

import { formatBytes, formatDuration } from '../../base/format.ts';
import type { DaemonClient } from '../../connect/index.ts';
import * as daemon from '../../protocol/daemon.ts';
import type { BackupRequest, RunInfo } from '../../protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { globalOptions, withDaemon } from '../context.ts';
import type { CliContext } from '../context.ts';
import { followRun, jsonLines, startRun, throwUnlessSucceeded } from '../follow.ts';
import { policyRunText } from '../policy-run.ts';
import { printable } from '../printable.ts';
import { parseSize, repeated } from '../values.ts';

interface BackupOptions {
  readonly vm?: string;
  readonly repo?: string;
  readonly type: 'full' | 'incremental';
  readonly consistency: BackupRequest['consistency'];
  readonly excludeDisk?: readonly string[];
  readonly chunkSize?: number;
  readonly wait: boolean;
}

/** Adds the commands. */
export function addBackupCommands(program: Command, context: CliContext): void {
  const backup = program
    .command('backup')
    .description('back up VMs')
    .addHelpText(
      'after',
      '\nExample:\n  tidemark backup run --vm hv01/sql01 --repo main --wait\n  tidemark backup run nightly --wait',
    );

  backup
    .command('run')
    .description('back up a VM, or all VMs of a policy, now; without --wait it prints the id of the run and returns')
    .argument('[policy]', 'an applied policy; its schedule and its window do not matter')
    .option('--vm <host/vm>', 'without a policy: the VM, by name or GUID; the host may be left out')
    .option('--repo <name>', 'without a policy: the repository')
    .addOption(
      new Option('--type <type>', 'incremental reads what changed since the last backup; the first is always full')
        .choices(['full', 'incremental'])
        .default('incremental'),
    )
    .addOption(
      new Option('--consistency <level>', 'how the guest is frozen')
        .choices(['application', 'crash', 'application-or-crash'])
        .default('application-or-crash'),
    )
    .option('--exclude-disk <name>', 'leave out a disk; * and ? are wildcards; may be repeated', repeated)
    .option('--chunk-size <size>', 'of disks that are read in full: 64KiB to 4MiB, a power of two', parseSize)
    .option('--wait', 'follow the run to its end', false)
    .addHelpText(
      'after',
      '\nWith --json it prints one line of JSON for each state of the run, to its end.\nCtrl-C while waiting cancels the run; Ctrl-C again leaves at once.\n\nExample:\n  tidemark backup run --vm hv01/sql01 --repo main --wait\n  tidemark backup run nightly --wait\n\nNext: tidemark restore-point list',
    )
    .action(async (policy: string | undefined, options: BackupOptions, command: Command) => {
      const globals = globalOptions(command);
      const start = policy === undefined ? startVm(options) : startPolicy(policy, options, command);
      await withDaemon(context, globals, async (client) => {
        const started = await start(client);
        if (!options.wait && !globals.json) {
          context.terminal.out(`Run ${started.id} has begun. Watch it: tidemark run watch ${started.id}\n`);
          return;
        }
        const run = await followRun(context, client, started.id, {
          onInterrupt: 'cancel',
          view: globals.json ? jsonLines(context) : undefined,
        });
        if (!globals.json) {
          if (context.terminal.interactive) printWarnings(context, run);
          context.terminal.out(`${policyRunText(run)}${backupText(run)}`);
        }
        throwUnlessSucceeded(run);
      });
    });
}

type Start = (client: DaemonClient) => Promise<RunInfo>;

function startVm(options: BackupOptions): Start {
  const request = backupRequest(options);
  return async (client) => startRun(client, request);
}

/** The file of the policy says everything but the type. */
function startPolicy(name: string, { type }: BackupOptions, command: Command): Start {
  const isGiven = (option: string): boolean => command.getOptionValueSource(option) === 'cli';
  const other = ['vm', 'repo', 'consistency', 'excludeDisk', 'chunkSize'].find(isGiven);
  if (other !== undefined) {
    const flag = other.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new TidemarkError(errorCodes.invalidUsage, `--${flag} does not go with a policy, which says that itself.`, {
      hint: 'Leave it out, or name a VM with --vm instead of the policy.',
    });
  }
  const params = { name, ...(isGiven('type') ? { type } : {}) };
  return async (client) => (await client.request(daemon.runPolicy, params)).run;
}

function backupRequest(options: BackupOptions): BackupRequest {
  const { vm, repo, chunkSize } = options;
  if (vm === undefined || repo === undefined) {
    throw new TidemarkError(
      errorCodes.invalidUsage,
      'Name a policy, or what to back up and where to: --vm HOST/VM --repo NAME.',
      {
        hint: '`tidemark policy list` shows the policies, `tidemark vm list` the VMs, `tidemark repo list` the repositories.',
      },
    );
  }
  if (
    chunkSize !== undefined &&
    (chunkSize < 65_536 || chunkSize > 4_194_304 || !Number.isInteger(Math.log2(chunkSize)))
  ) {
    throw new TidemarkError(errorCodes.invalidUsage, '--chunk-size must be a power of two from 64KiB to 4MiB.');
  }
  const slash = vm.indexOf('/');
  return {
    kind: 'backup',
    ...(slash > 0 ? { host: vm.slice(0, slash) } : {}),
    vm: vm.slice(slash + 1),
    repository: repo,
    type: options.type,
    consistency: options.consistency,
    excludeDisks: options.excludeDisk ?? [],
    ...(chunkSize === undefined ? {} : { chunkBytes: chunkSize }),
  };
}

function printWarnings(context: CliContext, run: RunInfo): void {
  for (const warning of run.warnings)
    context.terminal.error(`${context.style.warn('warning')}: ${printable(warning)}\n`);
}

/** What a finished backup did, in a few lines. */
export function backupText(run: RunInfo): string {
  if (run.outcome?.kind !== 'backup') return '';
  const { restorePoint } = run.outcome;
  const took = Date.parse(run.finishedAt ?? '') - Date.parse(run.startedAt ?? '');
  const disks = restorePoint.disks.map((disk) => {
    const how = disk.kind.type === 'full' ? `full (${disk.kind.reason})` : 'incremental';
    const { readBytes, storedBytes } = disk.stats;
    return `  ${printable(disk.name)}: ${printable(how)}, read ${formatBytes(readBytes)}, stored ${formatBytes(storedBytes)}\n`;
  });
  return `Restore point ${restorePoint.id} (${restorePoint.type}, ${restorePoint.consistency}-consistent) in ${formatDuration(took)}\n${disks.join('')}`;
}
