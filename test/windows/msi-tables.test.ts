import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { pairsOf, summaryOf, tableOf, tablesOf } from './support/msi.ts';
import { madePackages } from './support/packages.ts';

const made = madePackages();
const { msi, version } = made.shipped;
const guid = /^\{[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}\}$/;
const page = readFileSync(new URL('../../docs/install-agent.md', import.meta.url), 'utf8');

const propertiesOf = (file: string): ReadonlyMap<string, string> => pairsOf(file, 'Property', 'Property', 'Value');
const properties = propertiesOf(msi);
const actions = tableOf(msi, 'CustomAction');
const conditions = pairsOf(msi, 'LaunchCondition', 'Condition', 'Description');
const lookedUp = pairsOf(msi, 'AppSearch', 'Property', 'Signature_');
const secure = (properties.get('SecureCustomProperties') ?? '').split(';');

/** Names of Windows Installer's own that the package uses. */
const windowsOwn = ['ALLUSERS', 'ARPNOMODIFY', 'REINSTALLMODE', 'REMOVE', 'UPGRADINGPRODUCTCODE'];

/** Properties that may be given from outside: those in capitals that a table sets, asks for or puts in, but neither Windows, nor a search, nor the upgrade sets. */
function publicProperties(): readonly string[] {
  const sequences = tablesOf(msi).filter((table) => table.endsWith('Sequence'));
  const asked = [
    ...conditions.keys(),
    ...sequences.flatMap((table) => tableOf(msi, table).map((row) => row['Condition'] ?? '')),
  ].flatMap((condition) => condition.replaceAll(/"[^"]*"/g, '').match(/\b[A-Z][A-Z0-9_]+\b/g) ?? []);
  const texts = ['CustomAction', 'Registry', 'ServiceInstall', 'Directory'].flatMap((table) =>
    tableOf(msi, table).flatMap((row) => Object.values(row)),
  );
  const putIn = texts.flatMap((text) => [...text.matchAll(/\[([A-Z][A-Z0-9_]*)\]/g)].map(([, name]) => name ?? ''));
  const all = new Set([...properties.keys(), ...secure, ...asked, ...putIn]);
  const others = new Set([...windowsOwn, ...lookedUp.keys(), 'AND', 'OR', 'NOT', 'SWITCHES']);
  return [...all].filter((name) => /^[A-Z0-9_]+$/.test(name) && !name.startsWith('WIX_') && !others.has(name)).sort();
}

/** Properties that the documentation names: the first column of the table below "With the MSI". */
function documentedProperties(): readonly string[] {
  const section = /## With the MSI\n(.*?)\n## /s.exec(page)?.[1] ?? '';
  const cells = [...section.matchAll(/^\| (`.*?) \|/gm)].map(([, cell]) => cell ?? '');
  return cells.flatMap((cell) => [...cell.matchAll(/`([A-Z]+)/g)].map(([, name]) => name ?? '')).sort();
}

test('the MSI says that it is for 64-bit Windows, compressed, and made for a Windows Installer that knows that', () => {
  const summary = summaryOf(msi);
  assert.equal(summary.get('Template'), 'x64;1033');
  // For x64 it must be 200 at least.
  assert.ok(Number.parseInt(summary.get('Version') ?? '', 10) >= 200);
  assert.match(summary.get('Source') ?? '', /^2 /);
  assert.match(summary.get('Subject') ?? '', /^Tidemark Agent$/);
});

test('each MSI has a package and a product code of its own, and all are upgrades of each other', () => {
  const of = (file: string): readonly (string | undefined)[] => [
    summaryOf(file).get('Revision number (UUID)'),
    propertiesOf(file).get('ProductCode'),
    propertiesOf(file).get('UpgradeCode'),
  ];
  const [older, newer] = [of(made.old.msi), of(made.new.msi)];
  for (const code of [...older, ...newer]) assert.match(code ?? '', guid);
  assert.notEqual(older[0], newer[0]);
  assert.notEqual(older[0], of(msi)[0]);
  assert.notEqual(older[1], newer[1]);
  assert.equal(older[1], of(msi)[1], 'the same version is the same product');
  // Whoever changes it leaves the agents that are installed behind.
  assert.equal(older[2], '{5421394E-4D13-4339-83DE-EB9DDC012537}');
  assert.equal(newer[2], older[2]);
});

test('its version is one that Windows Installer compares, and it is installed for all users', () => {
  assert.equal(properties.get('ProductVersion'), version);
  const [major = 256, minor = 256, patch = 65_536, ...more] = version.split('.').map(Number);
  assert.ok(major < 256 && minor < 256 && patch < 65_536 && more.length === 0);
  assert.equal(properties.get('ALLUSERS'), '1');
  assert.equal(properties.get('ProductName'), 'Tidemark Agent');
  assert.equal(properties.get('Manufacturer'), 'Tidemark');
});

test('an older version is replaced, and a newer one is not', () => {
  const rows = tableOf(msi, 'Upgrade').map((row) => [
    row['UpgradeCode'],
    row['VersionMin'],
    row['VersionMax'],
    // msidbUpgradeAttributesOnlyDetect
    (Number(row['Attributes']) & 2) !== 0 ? 'found' : 'removed',
    row['ActionProperty'],
  ]);
  const code = properties.get('UpgradeCode');
  assert.deepEqual(rows, [
    [code, '', version, 'removed', 'WIX_UPGRADE_DETECTED'],
    [code, version, '', 'found', 'WIX_DOWNGRADE_DETECTED'],
  ]);
  for (const name of ['WIX_UPGRADE_DETECTED', 'WIX_DOWNGRADE_DETECTED']) assert.ok(secure.includes(name), name);
  assert.match(conditions.get('NOT WIX_DOWNGRADE_DETECTED') ?? '', /^A newer version .* is installed\.$/);
});

test('every property that the documentation names is in the MSI, and every one of the MSI in the documentation', () => {
  assert.deepEqual(publicProperties(), documentedProperties());
});

test('what an administrator gives reaches the part that runs as LocalSystem, and nothing else does', () => {
  const given = secure.filter((name) => !name.startsWith('WIX_'));
  assert.deepEqual(given.toSorted(), documentedProperties());
});

test('a setting that is not given has no value: an upgrade keeps the one from before', () => {
  assert.deepEqual(
    documentedProperties().filter((name) => properties.has(name)),
    [],
  );
});

test('no password is a property, and where the file with it lies goes to the installation only', () => {
  assert.deepEqual(
    publicProperties().filter((name) => /PASS|PW|SECRET|CREDENTIAL|TOKEN/.test(name)),
    ['PASSWORDFILE', 'REMOVEPASSWORDFILE'],
  );
  const users = tablesOf(msi).flatMap((table) =>
    tableOf(msi, table).filter((row) => Object.values(row).some((text) => text.includes('[PASSWORDFILE]'))),
  );
  assert.deepEqual(
    users.map((row) => row['Action']),
    ['Configure'],
  );
  const values = tableOf(msi, 'Registry').map((row) => `${row['Key']} ${row['Name']} ${row['Value']}`);
  assert.ok(values.length > 5);
  assert.deepEqual(
    values.filter((value) => /passw|secret|credential/i.test(value)),
    [],
  );
  assert.deepEqual(
    tableOf(msi, 'ServiceInstall').map((row) => row['Password']),
    [''],
  );
  assert.deepEqual(
    actions.filter((row) => /--password /.test(row['Target'] ?? '')),
    [],
  );
});

test('each prerequisite is checked with a sentence of what is missing and what to do', () => {
  const expected = [
    [/^VersionNT64$/, /64-bit/],
    [/^Privileged$/, /administrator/],
    [/WINDOWSBUILD >= 14393/, /build 14393/],
    [/DOTNETRELEASE >= "#461808"/, /4\.7\.2/],
    [/POWERSHELLVERSION >= "5\.1"/, /PowerShell .* 5\.1/],
    [/HYPERVSERVICE/, /Hyper-V role is not installed/],
    [/PASSWORDFILE/, /PASSWORDFILE=FILE/],
  ] as const;
  for (const [condition, words] of expected) {
    const found = [...conditions].filter(([text]) => condition.test(text));
    assert.equal(found.length, 1, String(condition));
    assert.match(found[0]?.[1] ?? '', words);
  }
  for (const [condition, sentence] of conditions) {
    assert.match(sentence, /^[A-Z][^\n]*[a-z"]\.( [A-Z]|$)/, sentence);
    assert.ok(sentence.length <= 255, sentence);
    // What is installed can be repaired and removed whatever has become of the host.
    assert.match(condition, /^(NOT WIX_DOWNGRADE_DETECTED|VersionNT64|Privileged|Installed OR .+)$/);
  }
  for (const word of ['build 14393', '.NET Framework 4.7.2', 'PowerShell 5.1', 'x64']) {
    assert.ok(page.includes(word), `${word} is documented`);
  }
});

test('what the conditions ask for is looked up before, in the registry of 64-bit programs', () => {
  const places = new Map(tableOf(msi, 'RegLocator').map((row) => [row['Signature_'] ?? '', row]));
  assert.deepEqual([...lookedUp.values()].sort(), [...places.keys()].sort());
  for (const [property, signature] of lookedUp) {
    const place = places.get(signature);
    // HKEY_LOCAL_MACHINE; msidbLocatorTypeRawValue and msidbLocatorType64bit.
    assert.deepEqual([place?.['Root'], place?.['Type']], ['2', '18'], property);
    assert.ok(!secure.includes(property), `${property} is never given`);
  }
  // With a row there it would be a search for a file.
  assert.deepEqual(tableOf(msi, 'Signature'), []);
  for (const name of ['WINDOWSBUILD', 'DOTNETRELEASE', 'POWERSHELLVERSION', 'HYPERVSERVICE']) {
    assert.ok(lookedUp.has(name), name);
  }
});

test('the space that the documentation asks for is enough for the program and the one before it', () => {
  const bytes = tableOf(msi, 'File').reduce((sum, row) => sum + Number(row['FileSize']), 0);
  const [, documented = '0'] = /^\| Space \| (\d+) MiB /m.exec(page) ?? [];
  assert.ok(bytes > 0 && 2 * bytes < Number(documented) * 1024 * 1024, `${bytes} bytes, ${documented} MiB`);
});

test('its texts are such that every language of Windows shows them: the MSI has no code page', () => {
  const other = tablesOf(msi)
    // It is not a table: msiinfo exports the number of the code page by this name.
    .filter((table) => table !== '_ForceCodepage')
    .flatMap((table) => tableOf(msi, table).flatMap((row) => Object.values(row)))
    .filter((text) => !/^[\x20-\x7e]*$/.test(text));
  assert.deepEqual(other, []);
});
