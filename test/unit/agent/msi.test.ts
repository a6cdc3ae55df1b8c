import assert from 'node:assert/strict';
import { test } from 'node:test';

import { actions, secure } from '../../../scripts/agent-package/msi.mjs';

/** Windows lets every user repair a product that is installed for all, and runs the actions of that as LocalSystem. */
const mayRunInRepair = (condition: string): boolean =>
  !condition.startsWith('NOT Installed') && !condition.startsWith('REMOVE="ALL"');

test('a repair of the MSI, which any user may start, takes nothing from the command line', () => {
  const runs = actions.filter(({ type, condition }) => type !== 51 && mayRunInRepair(condition));
  assert.deepEqual(
    runs.map(({ name }) => name),
    ['Repair', 'CheckService'],
  );
  for (const { name, target } of runs) {
    const used = [...target.matchAll(/\[([^\]]+)\]/g)].map(([, property]) => property ?? '');
    assert.deepEqual(
      used.filter((property) => property !== 'INSTALLFOLDER'),
      [],
      name,
    );
  }
});

test('what files and registry of the MSI are made of is what administrators set before, whatever a repair is given', () => {
  for (const property of ['INSTALLFOLDER', 'DATAFOLDER', 'SERVICEACCOUNT']) {
    assert.ok(secure.includes(property), property);
    const known = actions.find(
      ({ type, source, target }) => type === 51 && source === property && target === `[KNOWN${property}]`,
    );
    assert.ok(known, property);
    assert.match(known.condition, new RegExp(`Installed (OR|AND)`), property);
    assert.ok(known.condition.includes(`KNOWN${property}`), property);
    assert.ok(!secure.includes(`KNOWN${property}`), `${property} is looked up, never given`);
  }
});

test('the settings given to an installation reach it', () => {
  const configure = actions.find(({ name }) => name === 'Configure');
  assert.ok(configure !== undefined);
  assert.ok(configure.target.includes('--password-file "[PASSWORDFILE]"'));
  assert.equal(configure.condition, 'NOT Installed');
});
