/** Checks of the agent's own files and of its port. Nothing is written. */
import { X509Certificate } from 'node:crypto';
import { access, constants, readFile, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';

import { certificateSha256 } from '../../../base/channel-binding.ts';
import { systemCode } from '../../../base/files.ts';
import { formatBytes } from '../../../base/format.ts';
import { TidemarkError } from '../../../protocol/errors.ts';
import { parseListen } from '../../listen-address.ts';
import { readConfig } from '../../set-up/config-file.ts';
import type { AgentConfig } from '../../set-up/config-file.ts';
import { readCredentialFile } from '../../set-up/credential-file.ts';
import { whyNotAnswering } from '../../windows/answering.ts';
import { certificateFindings } from './certificate-check.ts';
import { check } from './finding.ts';
import type { Finding } from './finding.ts';
import { commonAccounts, othersMay } from './rights.ts';

/** Room that the agent's records, logs and configurations of VMs need, bytes. */
const roomBytes = 512 * 1024 * 1024;

/** The agent's configuration, or why it cannot be used. */
export async function agentConfig(
  file: string,
): Promise<{ readonly config: AgentConfig | undefined; readonly finding: Finding }> {
  const { ok, problem } = check('agent', 'agent-config');
  try {
    return { config: await readConfig(file), finding: ok(`The configuration ${file} is in order.`) };
  } catch (error) {
    const { message, hint } = TidemarkError.from(error);
    return { config: undefined, finding: problem(message, hint ?? 'Run `tidemark agent set-up` again.') };
  }
}

/** The files that nobody but the agent and administrators should read. */
export function secretFiles(configFile: string, { credentialFile, tls }: AgentConfig): readonly string[] {
  return [configFile, credentialFile, ...(tls === undefined ? [] : [tls.keyFile])];
}

/** Rights of the secret files. `sddl` are those that Windows told. */
export async function rightsFindings(
  files: readonly string[],
  sddl: ReadonlyMap<string, string | null>,
): Promise<readonly Finding[]> {
  const one = check('agent', 'agent-file-rights');
  const open: string[] = [];
  const unknown: string[] = [];
  for (const file of files) {
    const found = await mayOthers(file, sddl.get(file) ?? null);
    if (found === true) open.push(file);
    if (found === undefined) unknown.push(file);
  }
  if (open.length > 0) {
    return [
      one.problem(
        `Other accounts of this host may read ${open.join(', ')}.`,
        'Run `tidemark agent set-up` again, which takes those rights away, and give the agent a new password.',
      ),
    ];
  }
  if (unknown.length > 0) return [one.skipped(`Who may read ${unknown.join(', ')} cannot be seen here.`)];
  return [one.ok('Only the account of the agent and administrators may read its secrets.')];
}

async function mayOthers(file: string, sddl: string | null): Promise<boolean | undefined> {
  if (process.platform === 'win32') {
    const accounts = sddl === null ? undefined : commonAccounts(sddl);
    return accounts === undefined ? undefined : accounts.length > 0;
  }
  try {
    return othersMay((await stat(file)).mode);
  } catch {
    // That it cannot be read is found by the check of its content.
    return undefined;
  }
}

/** Credential, certificate, port, state folder, logs. */
export async function ownFindings(config: AgentConfig, now: number): Promise<readonly Finding[]> {
  return [
    await credential(config),
    ...(await certificate(config, now)),
    await port(config),
    ...(await stateFolder(config)),
    ...(await logs(config)),
    check('agent', 'agent-antivirus').skipped(
      'Exclusions of antivirus software cannot be seen. Exclude vmms.exe, vmwp.exe, the folders of the VMs, files ending in .rct and .mrt, and the data folder of the agent.',
    ),
  ];
}

async function credential({ credentialFile }: AgentConfig): Promise<Finding> {
  const { ok, problem } = check('agent', 'agent-credential');
  try {
    await readCredentialFile(credentialFile);
    return ok('The credential that checks the password can be read.');
  } catch (error) {
    const { message, hint } = TidemarkError.from(error);
    return problem(message, hint ?? 'Run `tidemark agent set-up --password-file FILE`.');
  }
}

async function certificate({ tls }: AgentConfig, now: number): Promise<readonly Finding[]> {
  const one = check('agent', 'agent-certificate');
  if (tls === undefined) {
    return [
      one.warning(
        'The agent is reached by http: what it sends and what it is told can be read on the network.',
        'Set it up with an https address.',
      ),
    ];
  }
  try {
    const [cert, key] = await Promise.all([readFile(tls.certificateFile, 'utf8'), readFile(tls.keyFile, 'utf8')]);
    return certificateFindings(cert, key, now);
  } catch (error) {
    return [
      one.problem(
        `The certificate of the agent or its key cannot be read (${systemCode(error) ?? 'no code'}).`,
        '`tidemark agent set-up` makes both when both are missing.',
      ),
    ];
  }
}

async function port({ listen, tls }: AgentConfig): Promise<Finding> {
  const { ok, warning, problem, skipped } = check('agent', 'agent-port');
  const address = parseListen(listen);
  if (address.port === 0) return skipped('The agent takes another port each time it starts.');
  let sha256: string | undefined;
  try {
    sha256 = tls && certificateSha256(new X509Certificate(await readFile(tls.certificateFile)).raw);
  } catch {
    return skipped('Without its certificate it cannot be told whether the agent answers.');
  }
  const failure = await whyNotAnswering({ ...address, certificateSha256: sha256 });
  if (failure === undefined) return ok(`The agent answers on port ${address.port}.`);
  if (/ECONNREFUSED/.test(failure)) {
    return warning(
      `Nothing answers on port ${address.port}: the agent does not run.`,
      'Start the service of the agent (on Windows: `net start TidemarkAgent`), or look into its log for why it ended.',
    );
  }
  return problem(
    `Port ${address.port} is not answered by this agent: ${failure}.`,
    'End the program that has the port, or give the agent another one with `tidemark agent set-up --listen`.',
  );
}

async function stateFolder({ provider }: AgentConfig): Promise<readonly Finding[]> {
  if (provider.kind !== 'hyperv') return [];
  const { stateDirectory: folder } = provider;
  const one = check('agent', 'agent-state-folder');
  const space = check('agent', 'agent-space');
  const failure = await notWritable(folder);
  if (failure !== undefined) {
    return [
      one.problem(
        `The state folder ${folder} cannot be written to (${failure}).`,
        'Run this as the account of the agent, and give that account the right to change the folder. Without it no backup is made.',
      ),
    ];
  }
  const { bavail, bsize } = await statfs(folder);
  const freeBytes = bavail * bsize;
  return [
    one.ok(`The state folder ${folder} can be written to.`),
    freeBytes < roomBytes
      ? space.problem(
          `Only ${formatBytes(freeBytes)} are free where the agent keeps its records.`,
          `Free at least ${formatBytes(roomBytes)} on the volume of ${folder}.`,
        )
      : space.ok(`${formatBytes(freeBytes)} are free where the agent keeps its records.`),
  ];
}

async function logs({ logFile, auditFile }: AgentConfig): Promise<readonly Finding[]> {
  const files = [
    ['agent-log', 'log', logFile],
    ['agent-audit-log', 'audit log', auditFile],
  ] as const;
  const found: Finding[] = [];
  for (const [id, what, file] of files) {
    const { ok, problem } = check('agent', id);
    const failure = (await notWritable(dirname(file))) ?? (await notWritable(file, true));
    found.push(
      failure === undefined
        ? ok(`The ${what} ${file} can be written to.`)
        : problem(
            `The ${what} ${file} cannot be written to (${failure}).`,
            `Let the account of the agent change ${dirname(file)} and what is in it.`,
          ),
    );
  }
  return found;
}

/** The system's code when this account may not write there. */
async function notWritable(path: string, mayBeMissing = false): Promise<string | undefined> {
  try {
    await access(path, constants.W_OK);
    return undefined;
  } catch (error) {
    const code = systemCode(error) ?? 'unknown error';
    return mayBeMissing && code === 'ENOENT' ? undefined : code;
  }
}
