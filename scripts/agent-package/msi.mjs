// The MSI, where wixl is installed. What wixl does not know, conditions, custom actions and their order, is written into its tables with msibuild.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { version } from '../server-bundle.mjs';
import { versionQueries } from './file-versions.mjs';
import { filesOf } from './folder.mjs';
import { fileIds, settings, wxsOf } from './wxs.mjs';

// Types of custom actions (Windows Installer, "Custom Action Types").
const runFile = 18;
const setProperty = 51;
const continueOnError = 64;
const rollback = 256;
const commit = 512;
const deferred = 1024;
/** As LocalSystem, not as the user. */
const noImpersonate = 2048;

const tidemark = String.raw`"[INSTALLFOLDER]server\tidemark.js" agent`;
// The property of a folder ends with a backslash, which would escape the quote.
const folders = '--install-path "[INSTALLFOLDER]." --data-path "[DATAFOLDER]"';
/** A service keeps the account that it has; the agent is told only of one that is given: it asks the domain for it. */
const givenAccount = 'GivenAccount';
const options = Object.entries(settings).map(
  ([property, option]) => `--${option} "[${property === 'SERVICEACCOUNT' ? givenAccount : property}]"`,
);
const install = `${tidemark} install --by-msi ${folders} ${options.join(' ')} [SWITCHES]`;
/** An earlier version is there, or the settings of one. */
const former = 'NOT Installed AND KNOWNDATAFOLDER';
const removeAll = 'REMOVE="ALL" AND NOT UPGRADINGPRODUCTCODE';

/** Sets a property before anything else looks at it. */
const set = (name, property, value, sequence, condition) => ({
  name,
  type: setProperty,
  source: property,
  target: value,
  sequence,
  condition,
});
/** Runs the package's Node as LocalSystem. */
const run = (name, target, sequence, condition, more = 0) => ({
  name,
  type: runFile + deferred + noImpersonate + more,
  source: fileIds['node.exe'],
  target,
  sequence,
  condition,
});

/**
 * The order is that of Windows Installer's own actions, whose numbers are fixed. Windows lets every user repair what is installed (`Installed`), as LocalSystem and with properties of his
 * choice: a repair takes none of them, but what administrators wrote to the registry.
 */
export const actions = [
  set('SetGivenAccount', givenAccount, '[SERVICEACCOUNT]', 500, 'SERVICEACCOUNT'),
  set('SetInstallFolder', 'INSTALLFOLDER', '[KNOWNINSTALLFOLDER]', 501, orRepair('INSTALLFOLDER')),
  set('SetKnownData', 'DATAFOLDER', '[KNOWNDATAFOLDER]', 502, orRepair('DATAFOLDER')),
  set('SetDataFolder', 'DATAFOLDER', '[CommonAppDataFolder]Tidemark Agent', 503, 'NOT DATAFOLDER'),
  set('SetKnownAccount', 'SERVICEACCOUNT', '[KNOWNSERVICEACCOUNT]', 507, orRepair('SERVICEACCOUNT')),
  set('SetAccount', 'SERVICEACCOUNT', 'LocalSystem', 508, 'NOT SERVICEACCOUNT'),
  set('SetNoFirewall', 'SWITCHES', '--no-firewall-rule', 504, 'FIREWALL = "0"'),
  set('SetFirewall', 'SWITCHES', '--firewall-rule', 505, 'FIREWALL = "1"'),
  set('SetRemovePassword', 'SWITCHES', '[SWITCHES] --remove-password-file', 506, 'REMOVEPASSWORDFILE'),
  // Before service and files go: it stops the service, and waits until it has stopped.
  run('Uninstall', `${tidemark} uninstall --by-msi`, 1850, `${removeAll} AND NOT REMOVEDATA`, continueOnError),
  run(
    'UninstallAll',
    `${tidemark} uninstall --by-msi --remove-data`,
    1851,
    `${removeAll} AND REMOVEDATA`,
    continueOnError,
  ),
  // After the files, before the service: rolled back while the new program is still there, and the new service not any more.
  run('KeepFormer', `${tidemark} former keep`, 4097, former),
  run(
    'PutBackFormer',
    `${tidemark} former put-back --data-path "[KNOWNDATAFOLDER]"`,
    4098,
    former,
    rollback + continueOnError,
  ),
  run(
    'ForgetFormer',
    `${tidemark} former forget --data-path "[KNOWNDATAFOLDER]"`,
    4099,
    former,
    commit + continueOnError,
  ),
  run(
    'UndoConfigure',
    `${tidemark} uninstall --by-msi --remove-data`,
    4100,
    'NOT Installed AND NOT KNOWNDATAFOLDER',
    rollback + continueOnError,
  ),
  run('Configure', install, 4101, 'NOT Installed'),
  run('Repair', `${tidemark} install --by-msi`, 4102, 'Installed AND NOT REMOVE'),
  // After the service was started.
  run('CheckService', `${tidemark} check-service`, 5910, 'NOT REMOVE'),
];

/** When a setting is the one that is known: nobody gave another, or nobody may. */
function orRepair(property) {
  return `KNOWN${property} AND (Installed OR NOT ${property})`;
}

const quote = (text) => `'${text.replaceAll("'", "''")}'`;

/** Set by administrators on the command line: they must reach the part that runs as LocalSystem. */
export const secure = [
  ...Object.keys(settings),
  'INSTALLFOLDER',
  'DATAFOLDER',
  'FIREWALL',
  'REMOVEDATA',
  'REMOVEPASSWORDFILE',
];

function queries() {
  const insert = (table, columns, values) =>
    `INSERT INTO \`${table}\` (${columns.map((name) => `\`${name}\``).join(', ')}) VALUES (${values.join(', ')})`;
  return [
    ...actions.flatMap(({ name, type, source, target, sequence, condition }) => [
      insert('CustomAction', ['Action', 'Type', 'Source', 'Target'], [quote(name), type, quote(source), quote(target)]),
      insert('InstallExecuteSequence', ['Action', 'Condition', 'Sequence'], [quote(name), quote(condition), sequence]),
    ]),
    // 18: the value as it is, in the registry of 64-bit programs.
    'UPDATE `RegLocator` SET `Type` = 18',
    // Inside the transaction: when the new version cannot be installed, the old one comes back.
    "UPDATE `InstallExecuteSequence` SET `Sequence` = 1510 WHERE `Action` = 'RemoveExistingProducts'",
    `UPDATE \`Property\` SET \`Value\` = ${quote(`WIX_UPGRADE_DETECTED;WIX_DOWNGRADE_DETECTED;${secure.join(';')}`)} WHERE \`Property\` = 'SecureCustomProperties'`,
  ];
}

const isInstalled = (name) => spawnSync(name, ['--version']).error?.code !== 'ENOENT';

function tool(name, args, cwd) {
  const result = spawnSync(name, args, { encoding: 'utf8', cwd });
  if (result.status !== 0) throw new Error(`${name} failed:\n${args.at(-1)}\n${result.stdout}${result.stderr}`);
}

/** Makes the MSI of the package's folder and gives its path; undefined, with one line, where its tools are not installed. */
export function makeMsi(folder, target, as = version) {
  if (!isInstalled('wixl') || !isInstalled('msibuild')) {
    console.log('No MSI: wixl or msibuild is not installed (Debian packages wixl, msitools).');
    return undefined;
  }
  const work = mkdtempSync(join(tmpdir(), 'tidemark-msi-'));
  try {
    const description = join(work, 'agent.wxs');
    writeFileSync(description, wxsOf(filesOf(folder), as));
    rmSync(target, { force: true });
    // wixl takes relative paths only.
    tool('wixl', ['-a', 'x64', '-o', target, description], folder);
    for (const query of [...queries(), ...versionQueries(folder, fileIds)]) tool('msibuild', [target, '-q', query]);
    return target;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
