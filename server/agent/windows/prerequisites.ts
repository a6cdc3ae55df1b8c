/** What a computer must have before an agent is installed on it, checked with words that say what to do. */
import { mkdtemp, rmdir, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { arch, release } from 'node:os';
import { win32 } from 'node:path';

import { systemCode } from '../../base/files.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { RunProgram } from './programs.ts';
import { readRegistryKey } from './registry.ts';

/** The first build with resilient change tracking: Windows Server 2016. */
export const oldestBuild = 14_393;
/** `Release` of .NET Framework 4.7.2 (Microsoft, "How to determine which .NET Framework versions are installed"). */
const oldestDotNet = 461_808;
/** The program twice, as an upgrade has it for a while, and room for logs, bytes. */
const neededBytes = 512 * 1024 * 1024;

/** What is to be installed. */
export interface Plan {
  readonly installPath: string;
  readonly provider: 'hyperv' | 'simulated';
  readonly listen: { readonly host: string; readonly port: number };
  /** Whether an agent of an earlier installation has the port now. */
  readonly upgrade: boolean;
}

/** What differs between computers; tests give their own. */
export interface Computer {
  readonly run: RunProgram;
  readonly release: () => string;
  readonly arch: () => string;
  /** Whether this process has the rights of an administrator. */
  readonly isAdministrator: () => Promise<boolean>;
  /** Bytes free on the drive of a path. */
  readonly freeBytes: (path: string) => Promise<number>;
  /** Whether a program may listen there; else the system's error code. */
  readonly tryListening: (host: string, port: number) => Promise<string | undefined>;
}

/** This computer. */
export function thisComputer(run: RunProgram): Computer {
  return { run, release, arch, isAdministrator, freeBytes, tryListening };
}

/** One thing that is missing. */
export interface Missing {
  readonly what: string;
  readonly hint: string;
}

/** Everything that is missing; empty when the agent can be installed. */
export async function missingPrerequisites(computer: Computer, plan: Plan): Promise<readonly Missing[]> {
  const checks = [checkWindows, checkElevated, checkDotNet, checkPowerShell, checkHyperV, checkSpace, checkPort];
  const found: Missing[] = [];
  for (const check of checks) {
    const missing = await check(computer, plan);
    if (missing !== undefined) found.push({ what: missing[0], hint: missing[1] });
  }
  return found;
}

/** Throws `TM1002` with everything that is missing. */
export async function checkPrerequisites(computer: Computer, plan: Plan): Promise<void> {
  const missing = await missingPrerequisites(computer, plan);
  if (missing.length === 0) return;
  throw new TidemarkError(errorCodes.invalidUsage, missing.map(({ what }) => what).join(' '), {
    hint: missing.map(({ hint }) => hint).join(' '),
  });
}

type Check = (computer: Computer, plan: Plan) => Promise<readonly [what: string, hint: string] | undefined>;

const checkWindows: Check = async (computer) => {
  const build = Number(/^\d+\.\d+\.(\d+)/.exec(computer.release())?.[1] ?? 0);
  if (computer.arch() !== 'x64') return ['This Windows is not a 64-bit x64 one.', 'The agent runs on x64 only.'];
  if (build >= oldestBuild) return undefined;
  return [
    `This Windows is too old: build ${build}.`,
    `The agent needs Windows Server 2016 (build ${oldestBuild}) or newer, because older ones cannot track changed blocks.`,
  ];
};

const checkElevated: Check = async (computer) => {
  if (await computer.isAdministrator()) return undefined;
  return ['This is not run as an administrator.', 'Open PowerShell or the command prompt with "Run as administrator".'];
};

const checkDotNet: Check = async ({ run }) => {
  const key = String.raw`HKLM\SOFTWARE\Microsoft\NET Framework Setup\NDP\v4\Full`;
  const found = Number((await readRegistryKey(run, key)).get('Release') ?? 0);
  if (found >= oldestDotNet) return undefined;
  return [
    found === 0 ? '.NET Framework 4 is not installed.' : 'The .NET Framework is older than 4.7.2.',
    'Install .NET Framework 4.8 with Windows Update, or from Microsoft.',
  ];
};

const checkPowerShell: Check = async ({ run }) => {
  const key = String.raw`HKLM\SOFTWARE\Microsoft\PowerShell\3\PowerShellEngine`;
  const found = String((await readRegistryKey(run, key)).get('PowerShellVersion') ?? '');
  const [major = 0, minor = 0] = found.split('.').map(Number);
  if (major > 5 || (major === 5 && minor >= 1)) return undefined;
  return [
    found === '' ? 'Windows PowerShell is not installed.' : `Windows PowerShell ${found} is too old.`,
    'The agent needs Windows PowerShell 5.1, which comes with Windows Server 2016 and newer.',
  ];
};

const checkHyperV: Check = async ({ run }, { provider }) => {
  if (provider === 'simulated') return undefined;
  const service = await readRegistryKey(run, String.raw`HKLM\SYSTEM\CurrentControlSet\Services\vmms`);
  if (service.size > 0) return undefined;
  return [
    'The Hyper-V role is not installed.',
    'Install it with `Install-WindowsFeature Hyper-V -IncludeManagementTools -Restart`, then install the agent.',
  ];
};

const checkSpace: Check = async ({ freeBytes: free }, { installPath }) => {
  if ((await free(win32.parse(installPath).root)) >= neededBytes) return undefined;
  return [
    `Less than ${neededBytes / 1024 / 1024} MiB are free on ${win32.parse(installPath).root}`,
    'Make space, or install on another drive.',
  ];
};

const checkPort: Check = async (computer, { listen: { host, port }, upgrade }) => {
  if (upgrade) return undefined;
  const failure = await computer.tryListening(host, port);
  if (failure === undefined) return undefined;
  return failure === 'EADDRNOTAVAIL'
    ? [`This computer has no address ${host}.`, 'Give one that it has, or 0.0.0.0 for all.']
    : [`Port ${port} is used by another program, or reserved (${failure}).`, 'Choose another port.'];
};

/** Only administrators may make a folder where programs lie. */
async function isAdministrator(): Promise<boolean> {
  const folder = win32.join(process.env['ProgramFiles'] ?? String.raw`C:\Program Files`, 'tidemark-');
  try {
    await rmdir(await mkdtemp(folder));
    return true;
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return false;
  }
}

async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

async function tryListening(host: string, port: number): Promise<string | undefined> {
  const server = createServer();
  return await new Promise((resolve) => {
    server.once('error', (error) => resolve(systemCode(error) ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}
