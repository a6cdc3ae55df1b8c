/** `tidemark agent install`, `uninstall` and `check-service`: what the installers of the Windows package call. */
import { rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Argument, InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';

import type * as Windows from '../../agent/windows/index.ts';
import type { SetUpResult } from '../../agent/set-up/set-up.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { chosenPassword } from '../agent-password.ts';
import { globalOptions, printResult, readPassword } from '../context.ts';
import type { CliContext } from '../context.ts';
import { parseThreads } from '../values.ts';
import { version } from '../version.ts';

interface InstallOptions {
  readonly installPath?: string;
  readonly dataPath?: string;
  readonly protocol?: 'http' | 'https';
  readonly listenAddress?: string;
  readonly port?: number | '';
  readonly threads?: number | '';
  readonly passwordFile?: string;
  readonly removePasswordFile: boolean;
  readonly firewallRule?: boolean;
  readonly serviceAccount?: string;
  readonly provider?: 'hyperv' | 'simulated';
  readonly root?: string;
  readonly byMsi: boolean;
  readonly resultFile?: string;
}

/** Adds the commands below `agent`. */
export function addAgentInstallCommands(agent: Command, context: CliContext): void {
  addInstall(agent, context);
  addUninstall(agent, context);
  addFormer(agent);
  agent
    .command('check-service')
    .description('Windows: wait until the installed agent answers on this computer')
    .action(async (_own: unknown, command: Command) => {
      const { checkInstalledAgent } = await windows();
      printSetUp(context, command, await checkInstalledAgent());
    });
}

function addInstall(agent: Command, context: CliContext): void {
  agent
    .command('install')
    .description(
      'Windows: install or upgrade the agent as a service; Install-TidemarkAgent.ps1, MSI and setup.exe call this',
    )
    .option('--install-path <dir>', 'folder of the program (default: Program Files)')
    .option('--data-path <dir>', 'folder of settings and logs (default: ProgramData)')
    .addOption(new Option('--protocol <name>', 'https unless you know why').choices(['https', 'http', '']))
    .option('--listen-address <address>', 'address of this computer to listen on (default: all)')
    .option('--port <number>', 'port to listen on (default: 8440)', orEmpty(parsePort))
    .option('--threads <number>', 'reads of disks at a time, over all daemons (default: 4)', orEmpty(parseThreads))
    .option('--password-file <file>', 'file whose first line is the password; - for standard input. Without: it stays')
    .option('--remove-password-file', 'remove that file as soon as it is read', false)
    .option(
      '--firewall-rule',
      "open the port in Windows' firewall (default: at the first installation, and when the port changes)",
    )
    .option('--no-firewall-rule', "leave Windows' firewall as it is, now and at upgrades")
    .option('--service-account <name>', 'account of the service (default: as it is, or LocalSystem)')
    .addOption(
      new Option('--provider <kind>', 'simulated: a trial without Hyper-V').choices(['hyperv', 'simulated', '']),
    )
    .option('--root <dir>', 'directory of the simulated host')
    .option('--by-msi', 'an MSI copies the program and makes the service', false)
    .option('--result-file <file>', 'write the result there too, as an INI file in UTF-16')
    .action(async (_own: unknown, command: Command) => {
      const options: InstallOptions = command.optsWithGlobals();
      await reporting(options.resultFile, async () => {
        const result = await install(options, context);
        printSetUp(context, command, result);
        return { Url: result.url, Fingerprint: result.certificateSha256 ?? '' };
      });
    });
}

function addFormer(agent: Command): void {
  agent
    .command('former')
    .description('Windows: what an MSI calls around an upgrade, so that settings are put back when it fails late')
    .addArgument(
      new Argument('<what>', 'keep a copy, put it back, or remove it').choices(['keep', 'put-back', 'forget']),
    )
    .option('--data-path <dir>', 'data folder from before the upgrade')
    .action(async (what: 'keep' | 'put-back' | 'forget', _own: unknown, command: Command) => {
      const { forgetFormer, keepFormer, putBackFormer, runProgram } = await windows();
      const { dataPath }: { readonly dataPath?: string } = command.optsWithGlobals();
      if (what === 'keep') return keepFormer(runProgram);
      if (dataPath === undefined)
        throw new TidemarkError(errorCodes.invalidUsage, 'The option --data-path is missing.');
      return what === 'put-back' ? putBackFormer(runProgram, dataPath) : forgetFormer(runProgram, dataPath);
    });
}

function addUninstall(agent: Command, context: CliContext): void {
  agent
    .command('uninstall')
    .description('Windows: remove the service of the agent and its program; settings and logs stay')
    .option('--remove-data', 'remove settings, password, certificate and logs too', false)
    .option('--by-msi', 'an MSI removes program and service', false)
    .action(async (_own: unknown, command: Command) => {
      const options: { readonly removeData: boolean; readonly byMsi: boolean } = command.optsWithGlobals();
      const { uninstallAgent, runProgram } = await windows();
      const { removeData, byMsi } = options;
      const steps = { run: runProgram, onStep: stepsTo(context), packageFolder: packageFolder() };
      const result = await uninstallAgent({ removeData, byMsi, ...steps });
      const kept = result.dataPath === undefined ? '' : `Settings and logs stay in ${result.dataPath}.\n`;
      printResult(context, globalOptions(command), result, `The agent is uninstalled.\n${kept}`);
    });
}

async function install(options: InstallOptions, context: CliContext): Promise<SetUpResult> {
  const { installAgent, runProgram } = await windows();
  const { protocol, provider, firewallRule: firewall, byMsi } = options;
  const password = given(options.passwordFile) === undefined ? undefined : await takePassword(options, context);
  return installAgent({
    packageFolder: packageFolder(),
    version,
    installPath: given(options.installPath),
    dataPath: given(options.dataPath),
    protocol: given(protocol),
    listenAddress: given(options.listenAddress),
    port: options.port === '' ? undefined : options.port,
    threads: options.threads === '' ? undefined : options.threads,
    password: password === undefined ? undefined : async () => password,
    firewall,
    serviceAccount: given(options.serviceAccount),
    provider: given(provider),
    root: given(options.root),
    byMsi,
    run: runProgram,
    onStep: stepsTo(context),
  });
}

/** An installer's property that the user did not set arrives as an empty text. */
function given<T extends string>(text: T | undefined): Exclude<T, ''> | undefined {
  return isGiven(text) ? text : undefined;
}

function isGiven<T extends string>(text: T | undefined): text is Exclude<T, ''> {
  return text !== undefined && text !== '';
}

/** Commander makes an empty text of whatever is no value, so it may as well be one. */
function orEmpty(parse: (text: string) => number): (text: string) => number | '' {
  return (text) => (text === '' ? '' : parse(text));
}

function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port >= 1 && port <= 65_535) return port;
  throw new InvalidArgumentError('It must be from 1 to 65535.');
}

/** The password; its file is gone afterwards when that is asked for, also when the installation fails later. */
async function takePassword(options: InstallOptions, context: CliContext): Promise<string> {
  const { passwordFile, removePasswordFile } = options;
  try {
    return await chosenPassword(async (question) => readPassword(context, passwordFile, question), { typed: false });
  } finally {
    if (removePasswordFile && isGiven(passwordFile) && passwordFile !== '-') await rm(passwordFile, { force: true });
  }
}

/** Where the package lies of which this bundle is the folder `server`. */
function packageFolder(): string {
  return dirname(dirname(fileURLToPath(import.meta.url)));
}

/** Loaded only where it is of use. Throws `TM1002` elsewhere than on Windows. */
async function windows(): Promise<typeof Windows> {
  if (process.platform !== 'win32') {
    throw new TidemarkError(errorCodes.invalidUsage, 'Services are installed on Windows only.', {
      hint: 'Elsewhere: tidemark agent set-up, and a service that runs `tidemark agent --config FILE`.',
    });
  }
  return import('../../agent/windows/index.ts');
}

function stepsTo(context: CliContext): (text: string) => void {
  return (text) => context.terminal.error(`${text} ...\n`);
}

function printSetUp(context: CliContext, command: Command, result: SetUpResult): void {
  const { url, certificateSha256 } = result;
  const certificate =
    certificateSha256 === undefined
      ? 'Data and commands are not encrypted (http).\n'
      : `Its certificate has the SHA-256 fingerprint\n  ${certificateSha256}\n`;
  const text = `The agent answers. Add it in VS Code with "Tidemark: Add Host" and this URL:\n  ${url}\n${certificate}`;
  printResult(context, globalOptions(command), result, text);
}

/** Runs `work`, and writes what came of it to `file` for an installer that cannot read our output. */
async function reporting(file: string | undefined, work: () => Promise<Record<string, string>>): Promise<void> {
  try {
    await writeResult(file, await work());
  } catch (error) {
    const { message, code, hint } = TidemarkError.from(error);
    await writeResult(file, { Error: `${message} (${code})`, Hint: hint ?? '' });
    throw error;
  }
}

/** An INI file in UTF-16 with a byte order mark, which Windows' own functions read. */
async function writeResult(file: string | undefined, values: Record<string, string>): Promise<void> {
  if (!isGiven(file)) return;
  const lines = Object.entries(values).map(([name, value]) => `${name}=${value.replaceAll(/\s+/g, ' ')}`);
  await writeFile(file, Buffer.from(`\uFEFF[Tidemark]\r\n${lines.join('\r\n')}\r\n`, 'utf16le'));
}
