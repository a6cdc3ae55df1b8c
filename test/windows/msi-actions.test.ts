import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  serviceDisplayName,
  serviceName,
  serviceParameters,
  serviceValues,
} from '../../server/agent/windows/service.ts';
import { pairsOf, tableOf, tablesOf } from './support/msi.ts';
import { madePackages } from './support/packages.ts';

const { shipped } = madePackages();
const { msi } = shipped;
const sequence = new Map(
  tableOf(msi, 'InstallExecuteSequence').map((row) => [row['Action'] ?? '', Number(row['Sequence'])]),
);

// Windows Installer, "Custom Action Types" and the options of "In-Script Execution", "Return Processing", "Security".
const kinds = { runFile: 18, setProperty: 51 };
const bits = { continueOnError: 0x40, async: 0x80, rollback: 0x100, commit: 0x200, inScript: 0x400, asSystem: 0x800 };

const actions = tableOf(msi, 'CustomAction').map((row) => {
  const type = Number(row['Type']);
  const has = (bit: number): boolean => (type & bit) !== 0;
  return {
    name: row['Action'] ?? '',
    source: row['Source'] ?? '',
    target: row['Target'] ?? '',
    kind: type & 0x3f,
    options: type & ~0x3f,
    inScript: has(bits.inScript),
    rollback: has(bits.rollback),
    commit: has(bits.commit),
    has,
    at: sequence.get(row['Action'] ?? '') ?? Number.NaN,
  };
});
const sets = actions.filter(({ kind }) => kind === kinds.setProperty);
const runs = actions.filter(({ kind }) => kind === kinds.runFile);
const at = (name: string): number => {
  const found = sequence.get(name);
  assert.ok(found !== undefined, `${name} is in the sequence`);
  return found;
};

/** Checks that actions follow each other in this order. */
function inOrder(...names: readonly string[]): void {
  for (const [index, name] of names.slice(1).entries()) {
    const before = names[index] ?? '';
    assert.ok(at(before) < at(name), `${before} comes before ${name}`);
  }
}

test('custom actions set a property at once, or run the package’s own Node as LocalSystem inside the transaction', () => {
  assert.equal(sets.length + runs.length, actions.length);
  assert.ok(sets.length > 0 && runs.length > 0);
  for (const { name, options } of sets) assert.equal(options, 0, name);
  const files = pairsOf(msi, 'File', 'File', 'FileName');
  for (const { name, source, inScript, has, at: number } of runs) {
    assert.equal(files.get(source), 'node.exe', name);
    assert.ok(inScript && has(bits.asSystem) && !has(bits.async), name);
    assert.ok(number > at('InstallInitialize') && number < at('InstallFinalize'), name);
  }
});

test('each custom action has its place in the sequence, and no two actions have the same', () => {
  const standard = new Set([...sequence.keys()].filter((name) => !actions.some((action) => action.name === name)));
  assert.ok(standard.has('InstallFiles'));
  for (const { name, at: number } of actions) assert.ok(number > 0, name);
  assert.equal(new Set(sequence.values()).size, sequence.size);
  for (const table of tablesOf(msi).filter((name) => name.endsWith('Sequence') && name !== 'InstallExecuteSequence')) {
    const others = tableOf(msi, table).map((row) => row['Action'] ?? '');
    assert.deepEqual(
      others.filter((name) => actions.some((action) => action.name === name)),
      [],
      table,
    );
  }
});

test('properties are set after what is known of the host, and before folders are taken from them', () => {
  for (const { name, at: number } of sets) {
    assert.ok(number > at('AppSearch') && number < at('CostInitialize'), name);
  }
});

test('a failure is passed over only where something is taken back, cleaned up or removed', () => {
  for (const { name, rollback, commit, has } of runs) {
    assert.equal(has(bits.continueOnError), rollback || commit || name.startsWith('Uninstall'), name);
    assert.ok(!(rollback && commit), name);
  }
});

test('what is taken back in a failure is registered before what may fail, and after the program that does it is there', () => {
  const back = runs.filter(({ rollback }) => rollback);
  assert.ok(back.length > 0);
  for (const { name, at: number } of back) {
    assert.ok(number > at('InstallFiles') && number < at('Configure'), name);
  }
});

test('command lines are quoted so that a space, and the backslash at the end of a folder, break none', () => {
  for (const { name, target } of runs) {
    assert.ok(target.startsWith(String.raw`"[INSTALLFOLDER]server\tidemark.js" agent `), name);
    const bare = target.replaceAll(/"[^"]*"/g, '');
    assert.deepEqual(
      [...bare.matchAll(/\[([^\]]+)\]/g)].map(([, property]) => property).filter((property) => property !== 'SWITCHES'),
      [],
      name,
    );
    // The property of a directory ends with a backslash.
    assert.doesNotMatch(target, /\[INSTALLFOLDER\]"/, name);
  }
});

test('the service is stopped before its files change, set up before it starts, and asked before it is called done', () => {
  inOrder('FindRelatedProducts', 'AppSearch', 'LaunchConditions', 'CostInitialize', 'FileCost', 'CostFinalize');
  inOrder('CostFinalize', 'InstallValidate', 'InstallInitialize', 'RemoveExistingProducts', 'ProcessComponents');
  inOrder('InstallInitialize', 'Uninstall', 'StopServices', 'DeleteServices', 'RemoveRegistryValues', 'RemoveFiles');
  inOrder('InstallInitialize', 'UninstallAll', 'StopServices');
  inOrder('StopServices', 'InstallFiles', 'Configure', 'WriteRegistryValues', 'InstallServices', 'StartServices');
  inOrder('InstallFiles', 'Repair', 'WriteRegistryValues');
  inOrder('StartServices', 'CheckService', 'InstallFinalize');
  inOrder('RegisterProduct', 'PublishFeatures', 'PublishProduct', 'InstallFinalize');
});

test('the service is nssm’s, starts with Windows, and goes with the program', () => {
  const [service, ...more] = tableOf(msi, 'ServiceInstall');
  assert.deepEqual(more, []);
  assert.equal(service?.['Name'], serviceName);
  assert.equal(service?.['DisplayName'], serviceDisplayName);
  // SERVICE_WIN32_OWN_PROCESS, SERVICE_AUTO_START
  assert.deepEqual([service?.['ServiceType'], service?.['StartType']], ['16', '2']);
  assert.equal(service?.['StartName'], '[SERVICEACCOUNT]');
  const component = service?.['Component_'] ?? '';
  const keyPath = pairsOf(msi, 'Component', 'Component', 'KeyPath').get(component) ?? '';
  assert.equal(pairsOf(msi, 'File', 'File', 'FileName').get(keyPath), 'nssm.exe');
  const control = tableOf(msi, 'ServiceControl').map((row) => [row['Name'], Number(row['Event']), row['Wait']]);
  // Start and stop in an installation; stop and delete in an uninstallation.
  assert.deepEqual(control, [[serviceName, 0x01 + 0x02 + 0x20 + 0x80, '1']]);
});

test('the registry gets what the other ways of installing write for the service, and nothing more', () => {
  const key = String.raw`SYSTEM\CurrentControlSet\Services` + `\\${serviceName}`;
  const placed = (text: string): string =>
    text.replaceAll('[INSTALLFOLDER]', String.raw`C:\P` + '\\').replaceAll('[DATAFOLDER]', String.raw`D:\T`);
  const written = tableOf(msi, 'Registry').map((row) => {
    assert.equal(row['Root'], '2', 'HKEY_LOCAL_MACHINE');
    const value = placed(row['Value'] ?? '').replace(/^C:\\P\\$/, String.raw`C:\P`);
    return `${row['Key']} ${row['Name']} ${value}`;
  });
  const parameters = serviceParameters({ installPath: String.raw`C:\P`, dataPath: String.raw`D:\T` });
  const lines = (where: string, values: typeof serviceValues): readonly string[] =>
    Object.entries(values).map(
      ([name, value]) => `${where} ${name} ${typeof value === 'number' ? `#${value}` : value}`,
    );
  assert.deepEqual(
    written.toSorted(),
    [...lines(key, serviceValues), ...lines(String.raw`${key}\Parameters`, parameters)].sort(),
  );
});
