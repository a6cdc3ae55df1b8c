// The description of the MSI for wixl: files, service, settings as public properties. The parameters of the service are those that the
// agent's own installation writes (server/agent/windows/service.ts).
import { createHash } from 'node:crypto';
import { posix } from 'node:path';

import {
  serviceDescription,
  serviceDisplayName,
  serviceName,
  serviceParameters,
  serviceValues,
} from '../../server/agent/windows/service.ts';

/** The same for every version for ever: by this, Windows knows that one replaces the other. */
export const upgradeCode = '5421394E-4D13-4339-83DE-EB9DDC012537';

/** Public properties, for `msiexec /i … NAME=VALUE`, and the options of `tidemark agent install` that they become. */
export const settings = {
  PROTOCOL: 'protocol',
  LISTENADDRESS: 'listen-address',
  PORT: 'port',
  THREADS: 'threads',
  SERVICEACCOUNT: 'service-account',
  PROVIDER: 'provider',
  ROOT: 'root',
  PASSWORDFILE: 'password-file',
};

const escapes = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escape = (text) => String(text).replaceAll(/[&<>"]/g, (character) => escapes[character]);

function element(name, attributes, ...children) {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${escape(value)}"`);
  const body = children.flat().join('');
  return body === '' ? `<${name}${written.join('')}/>` : `<${name}${written.join('')}>${body}</${name}>`;
}

/** A GUID that follows from a text: the same component has the same one in every version. */
function guidOf(text) {
  const hex = createHash('sha256').update(`${upgradeCode} ${text}`).digest('hex').toUpperCase();
  return [hex.slice(0, 8), hex.slice(8, 12), `5${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    '-',
  );
}

const idOf = (kind, path) => `${kind}_${createHash('sha256').update(path).digest('hex').slice(0, 16)}`;

/** Ids that custom actions name. */
export const fileIds = { 'node.exe': 'NodeExe', 'nssm.exe': 'NssmExe' };

function componentOf(path) {
  const file = element('File', {
    Id: fileIds[path] ?? idOf('f', path),
    Name: posix.basename(path),
    Source: path,
    KeyPath: 'yes',
  });
  const attributes = { Id: idOf('c', path), Guid: guidOf(path), Win64: 'yes' };
  return element('Component', attributes, file, path === 'nssm.exe' ? serviceElements() : []);
}

const registryValues = (key, values) =>
  Object.entries(values).map(([Name, value]) =>
    element('RegistryValue', {
      Root: 'HKLM',
      Key: key,
      Name,
      Type: typeof value === 'number' ? 'integer' : 'string',
      Value: value,
    }),
  );

function serviceElements() {
  const key = String.raw`SYSTEM\CurrentControlSet\Services` + `\\${serviceName}`;
  const placed = serviceParameters({ installPath: '[INSTALLFOLDER]', dataPath: '[DATAFOLDER]' });
  const parameters = Object.entries(placed).map(([name, value]) => [
    name,
    // The property ends with a backslash.
    typeof value === 'string' ? value.replaceAll('[INSTALLFOLDER]\\', '[INSTALLFOLDER]') : value,
  ]);
  return [
    element('ServiceInstall', {
      Id: 'Service',
      Name: serviceName,
      DisplayName: serviceDisplayName,
      Description: serviceDescription,
      Type: 'ownProcess',
      Start: 'auto',
      ErrorControl: 'normal',
      Account: '[SERVICEACCOUNT]',
      Vital: 'yes',
    }),
    element('ServiceControl', {
      Id: 'Control',
      Name: serviceName,
      Start: 'install',
      Stop: 'both',
      Remove: 'uninstall',
      Wait: 'yes',
    }),
    ...registryValues(key, serviceValues),
    ...registryValues(`${key}\\Parameters`, Object.fromEntries(parameters)),
  ];
}

/** Directories with their components, as a tree. */
function directories(files) {
  const tree = { folders: new Map(), components: [] };
  for (const { name } of files) {
    const folders = name.split('/').slice(0, -1);
    let at = tree;
    for (const folder of folders) {
      if (!at.folders.has(folder)) at.folders.set(folder, { folders: new Map(), components: [] });
      at = at.folders.get(folder);
    }
    at.components.push(componentOf(name));
  }
  const write = (node, path) => [
    ...node.components,
    ...[...node.folders].map(([name, child]) =>
      element('Directory', { Id: idOf('d', `${path}/${name}`), Name: name }, ...write(child, `${path}/${name}`)),
    ),
  ];
  return write(tree, '');
}

const search = (property, key, name) =>
  element(
    'Property',
    { Id: property },
    element('RegistrySearch', {
      Id: `Search${property}`,
      Root: 'HKLM',
      Key: key,
      Name: name,
      Type: 'raw',
      Win64: 'yes',
    }),
  );

const condition = (text, message) => element('Condition', { Message: message }, escape(text));

const conditions = [
  condition('VersionNT64', 'This Windows is not a 64-bit one. The agent runs on 64-bit Windows only.'),
  condition(
    'Privileged',
    'This is not run as an administrator. Start it from a prompt that you opened with "Run as administrator".',
  ),
  condition(
    'Installed OR WINDOWSBUILD >= 14393',
    'This Windows is too old. The agent needs Windows Server 2016 (build 14393) or newer, because older ones cannot track changed blocks.',
  ),
  // A DWORD arrives as text with # before it; all releases of .NET Framework 4 since 4.5 have six digits.
  condition(
    'Installed OR DOTNETRELEASE >= "#461808"',
    'The .NET Framework is missing, or older than 4.7.2. Install .NET Framework 4.8 with Windows Update, or from Microsoft.',
  ),
  // Windows PowerShell ends with 5.1, so texts can be compared.
  condition(
    'Installed OR POWERSHELLVERSION >= "5.1"',
    'Windows PowerShell is missing, or older than 5.1. The agent needs 5.1, which comes with Windows Server 2016 and newer.',
  ),
  // An agent that is there knows its provider; the installation checks it.
  condition(
    'Installed OR HYPERVSERVICE OR PROVIDER = "simulated" OR WIX_UPGRADE_DETECTED',
    'The Hyper-V role is not installed. Install it in Server Manager, or with Install-WindowsFeature Hyper-V in PowerShell.',
  ),
  // An upgrade makes the service anew. `$$` is a `$` for wixl.
  condition(
    'Installed OR SERVICEACCOUNT OR NOT KNOWNSERVICEACCOUNT OR KNOWNSERVICEACCOUNT ~= "LocalSystem" OR KNOWNSERVICEACCOUNT >> "$$"',
    'The account of the service has a password, which only you know. Upgrade with SERVICEACCOUNT=LocalSystem, then set the account in services.msc again.',
  ),
  condition(
    'Installed OR PASSWORDFILE OR KNOWNDATAFOLDER',
    'A password is needed. This package asks nothing: give PASSWORDFILE=FILE, a file whose first line is the password, or use setup.exe.',
  ),
];

/** The whole description. `productCode`: a GUID of its own for each version. */
export function wxsOf(files, version, productCode = guidOf(`product ${version}`)) {
  const agentKey = String.raw`SOFTWARE\Tidemark\Agent`;
  const product = [
    element('Package', {
      InstallerVersion: 500,
      Compressed: 'yes',
      InstallScope: 'perMachine',
      Description: 'Tidemark Agent',
    }),
    element('MajorUpgrade', { DowngradeErrorMessage: 'A newer version of the Tidemark agent is installed.' }),
    element('Media', { Id: 1, Cabinet: 'agent.cab', EmbedCab: 'yes' }),
    ...conditions,
    search('WINDOWSBUILD', String.raw`SOFTWARE\Microsoft\Windows NT\CurrentVersion`, 'CurrentBuildNumber'),
    search('DOTNETRELEASE', String.raw`SOFTWARE\Microsoft\NET Framework Setup\NDP\v4\Full`, 'Release'),
    search('POWERSHELLVERSION', String.raw`SOFTWARE\Microsoft\PowerShell\3\PowerShellEngine`, 'PowerShellVersion'),
    search('HYPERVSERVICE', String.raw`SYSTEM\CurrentControlSet\Services\vmms`, 'ImagePath'),
    search('KNOWNDATAFOLDER', agentKey, 'DataPath'),
    search('KNOWNINSTALLFOLDER', agentKey, 'InstallPath'),
    search('KNOWNSERVICEACCOUNT', String.raw`SYSTEM\CurrentControlSet\Services` + `\\${serviceName}`, 'ObjectName'),
    element('Property', { Id: 'ARPNOMODIFY', Value: '1' }),
    // Every file as the package has it, also one that somebody changed, or a program that has a lower version than the one before.
    element('Property', { Id: 'REINSTALLMODE', Value: 'amus' }),
    element(
      'Directory',
      { Id: 'TARGETDIR', Name: 'SourceDir' },
      element(
        'Directory',
        { Id: 'ProgramFiles64Folder' },
        element('Directory', { Id: 'INSTALLFOLDER', Name: 'Tidemark Agent' }, ...directories(files)),
      ),
    ),
    element(
      'Feature',
      { Id: 'Agent', Title: 'Tidemark Agent', Level: 1 },
      ...files.map(({ name }) => element('ComponentRef', { Id: idOf('c', name) })),
    ),
  ];
  const attributes = {
    Id: productCode,
    UpgradeCode: upgradeCode,
    Name: 'Tidemark Agent',
    Manufacturer: 'Tidemark',
    Version: version,
    Language: 1033,
    Codepage: 1252,
  };
  const wix = element(
    'Wix',
    { xmlns: 'http://schemas.microsoft.com/wix/2006/wi' },
    element('Product', attributes, ...product),
  );
  return `<?xml version="1.0" encoding="utf-8"?>\n${wix}\n`;
}
