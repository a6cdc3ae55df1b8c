/** `tidemark sim`: the simulated host. Works whether or not an agent serves it. */
import { Option } from 'commander';
import type { Command } from 'commander';

import { simulatedBuilds } from '../../agent/simulated/api.ts';
import type { SimulatedBuild } from '../../agent/simulated/api.ts';
import type * as simulated from '../../agent/simulated/index.ts';
import { formatBytes } from '../../base/format.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { globalOptions, printResult } from '../context.ts';
import type { CliContext } from '../context.ts';
import { namedValue, parsePercent, parseSize, wholeNumber } from '../values.ts';

const example = `
Each command works whether or not an agent serves the host.

Example:
  tidemark sim init hostdir --name hv01
  tidemark sim create-vm hostdir sql01 --disk os=4GiB --disk data=8GiB
  tidemark sim load hostdir sql01 data --percent 1
  tidemark sim raw hostdir sql01 data before.raw

Next: tidemark agent --help`;

type Named = readonly { readonly name: string; readonly value: string }[];

/** Loaded when it is needed: most commands do without. */
const library = async (): Promise<typeof simulated> => import('../../agent/simulated/index.ts');

/** Adds the commands. */
export function addSimCommands(program: Command, context: CliContext): void {
  const sim = program
    .command('sim')
    .description('a simulated Hyper-V host: real VHDX files, change tracking, checkpoints, power failure, migration')
    .addHelpText('after', example);
  addHostCommands(sim, context);
  addGuestCommands(sim, context);
  addTryCommands(sim, context);
}

function addTryCommands(sim: Command, context: CliContext): void {
  sim
    .command('try-host')
    .description('make a host directory with three VMs to try things with; `tidemark simulator start` does it for you')
    .argument('<root>', 'directory; one directory is one host')
    .action(async (root: string, _options: object, command: Command) => {
      const { makeTryHost } = await import('../demo/try-host.ts');
      const vms = await makeTryHost(root, context.signal);
      printResult(
        context,
        globalOptions(command),
        { root, vms },
        `Made host directory ${root} with ${vms.join(', ')}.\n`,
      );
    });

  sim
    .command('work')
    .description('the guest works for a moment: in its files where it has some, else at random places')
    .argument('<root>', 'directory of the host')
    .argument('<vm>', 'name of the VM')
    .argument('<disk>', 'name of the disk')
    .action(async (root: string, vm: string, disk: string, _options: object, command: Command) => {
      const { workOnTryHost } = await import('../demo/try-host.ts');
      const work = await workOnTryHost(root, vm, disk, context.signal);
      printResult(context, globalOptions(command), work, `${work.text}\n`);
    });
}

function addHostCommands(sim: Command, context: CliContext): void {
  sim
    .command('init')
    .description('make a host directory')
    .argument('<root>', 'directory; one directory is one host')
    .option('--name <host>', 'its name')
    .addOption(
      new Option('--build <number>', 'Windows build: 14393 Server 2016, 17763 2019, 20348 2022, 26100 2025').choices(
        simulatedBuilds.map(String),
      ),
    )
    .action(async (root: string, options: { name?: string; build?: string }, command: Command) => {
      const build = simulatedBuilds.find((candidate: SimulatedBuild) => String(candidate) === options.build);
      await (await library()).initHost(root, { name: options.name, build });
      printResult(context, globalOptions(command), { root }, `Made host directory ${root}.\n`);
    });

  sim
    .command('create-vm')
    .description('make a VM with dynamic VHDX disks, or with copies of existing disk files; it runs at once')
    .argument('<root>', 'directory of the host')
    .argument('<vm>', 'its name')
    .option('--disk <name=size>', 'a new disk, such as os=4GiB; may be repeated', namedValue)
    .option('--import-disk <name=file>', 'a copy of a VHDX or VHD file; may be repeated', namedValue)
    .option('--config-version <version>', 'VM configuration version; below 6.2 RCT is refused', '9.0')
    .action(
      async (
        root: string,
        name: string,
        options: { disk?: Named; importDisk?: Named; configVersion: string },
        command: Command,
      ) => {
        const disks = (options.disk ?? []).map((disk) => ({ name: disk.name, sizeBytes: parseSize(disk.value) }));
        const importDisks = (options.importDisk ?? []).map((disk) => ({ name: disk.name, path: disk.value }));
        if (disks.length + importDisks.length === 0) {
          throw new TidemarkError(errorCodes.invalidUsage, 'A VM needs at least one disk.', {
            hint: 'Give --disk NAME=SIZE or --import-disk NAME=FILE.',
          });
        }
        const { configVersion } = options;
        const vm = await (
          await library()
        ).createVm(root, { name, disks, importDisks, configVersion, signal: context.signal });
        printResult(context, globalOptions(command), vm, `Made VM ${vm.name} (${vm.id}); it runs.\n`);
      },
    );

  sim
    .command('power')
    .description('switch a VM on or off; fail is a power failure: the in-memory change bitmap is lost')
    .argument('<root>', 'directory of the host')
    .argument('<vm>', 'name or GUID of the VM')
    .argument('<state>', 'on, off or fail')
    .action(async (root: string, vm: string, state: string, _options: object, command: Command) => {
      if (state !== 'on' && state !== 'off' && state !== 'fail') {
        throw new TidemarkError(errorCodes.invalidUsage, `A VM cannot be switched ${state}.`, {
          hint: 'It can be switched on, off, or fail.',
        });
      }
      await (await library()).power(root, vm, state, context.signal);
      const text = state === 'fail' ? `The power of ${vm} failed.\n` : `${vm} is ${state}.\n`;
      printResult(context, globalOptions(command), { vm, power: state }, text);
    });

  sim
    .command('migrate')
    .description('move a VM with its disks and change tracking to another host directory')
    .argument('<root>', 'directory of the host')
    .argument('<vm>', 'name or GUID of the VM')
    .argument('<other-root>', 'directory of the other host')
    .action(async (root: string, vm: string, otherRoot: string, _options: object, command: Command) => {
      await (await library()).migrate(root, vm, otherRoot, context.signal);
      printResult(context, globalOptions(command), { vm, root: otherRoot }, `${vm} is on ${otherRoot} now.\n`);
    });
}

function addGuestCommands(sim: Command, context: CliContext): void {
  sim
    .command('write')
    .description("the guest writes a file's bytes to its disk")
    .argument('<root>', 'directory of the host')
    .argument('<vm>', 'name or GUID of the VM')
    .argument('<disk>', 'name or id of the disk')
    .requiredOption('--offset <bytes>', 'where on the disk, such as 1MiB', parseSize)
    .requiredOption('--from <file>', 'the bytes')
    .action(
      async (root: string, vm: string, disk: string, options: { offset: number; from: string }, command: Command) => {
        await (await library()).guestWrite(root, vm, disk, { ...options, signal: context.signal });
        const result = { vm, disk, offset: options.offset };
        printResult(context, globalOptions(command), result, `Written at byte ${options.offset} of ${disk}.\n`);
      },
    );

  sim
    .command('load')
    .description('the guest writes at random places until a part of the disk has changed')
    .argument('<root>', 'directory of the host')
    .argument('<vm>', 'name or GUID of the VM')
    .argument('<disk>', 'name or id of the disk')
    .requiredOption('--percent <percent>', 'how much of the disk changes', parsePercent)
    .option('--seed <number>', 'same seed, same writes', wholeNumber(0, 2 ** 32 - 1))
    .action(
      async (root: string, vm: string, disk: string, options: { percent: number; seed?: number }, command: Command) => {
        const result = await (await library()).guestLoad(root, vm, disk, { ...options, signal: context.signal });
        const text = `The guest wrote ${formatBytes(result.writtenBytes)}; ${formatBytes(result.changedBytes)} of ${disk} changed.\n`;
        printResult(context, globalOptions(command), result, text);
      },
    );

  sim
    .command('raw')
    .description('write the disk as the guest sees it now into a raw file, for comparing')
    .argument('<root>', 'directory of the host')
    .argument('<vm>', 'name or GUID of the VM')
    .argument('<disk>', 'name or id of the disk')
    .argument('<out>', 'file to make')
    .action(async (root: string, vm: string, disk: string, out: string, _options: object, command: Command) => {
      await (await library()).exportRaw(root, vm, disk, out, context.signal);
      printResult(context, globalOptions(command), { vm, disk, file: out }, `Wrote ${disk} of ${vm} to ${out}.\n`);
    });
}
