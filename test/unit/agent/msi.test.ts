import assert from 'node:assert/strict';
import { test } from 'node:test';

import { actions, secure } from '../../../scripts/agent-package/msi.mjs';
import type { CustomAction } from '../../../scripts/agent-package/msi.mjs';
import { wxsOf } from '../../../scripts/agent-package/wxs.mjs';

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
    assert.equal(known.condition, `KNOWN${property} AND (Installed OR NOT ${property})`, 'an upgrade keeps it, too');
    assert.ok(!secure.includes(`KNOWN${property}`), `${property} is looked up, never given`);
  }
});

test('the settings given to an installation reach it', () => {
  const configure = actions.find(({ name }) => name === 'Configure');
  assert.ok(configure !== undefined);
  assert.ok(configure.target.includes('--password-file "[PASSWORDFILE]"'));
  assert.equal(configure.condition, 'NOT Installed');
});

test('a service has an account when none is given and none is known; the agent is told only of one that is given', () => {
  const sets = actions.filter(({ type, source }) => type === 51 && source === 'SERVICEACCOUNT');
  assert.deepEqual(
    sets.toSorted((a, b) => a.sequence - b.sequence).map(({ target }) => target),
    ['[KNOWNSERVICEACCOUNT]', 'LocalSystem'],
  );
  const given = actions.find(({ source }) => source === 'GivenAccount');
  assert.ok(given !== undefined);
  assert.equal(given.target, '[SERVICEACCOUNT]');
  assert.ok(sets.every(({ sequence }) => sequence > given.sequence));
  const configure = actions.find(({ name }) => name === 'Configure');
  assert.ok(configure?.target.includes('--service-account "[GivenAccount]"'));
  const description = wxsOf([{ name: 'node.exe' }, { name: 'nssm.exe' }], '1.2.3');
  assert.doesNotMatch(
    description,
    /Property Id="(SERVICEACCOUNT|FIREWALL)"/,
    'what is not given is not known by a default',
  );
});

test('former settings are copied before they are changed, and put back by a rollback while the new program is there', () => {
  const of = (wanted: string): CustomAction => {
    const found = actions.find(({ name }) => name === wanted);
    assert.ok(found !== undefined, wanted);
    return found;
  };
  const [keep, putBack, forget, configure] = ['KeepFormer', 'PutBackFormer', 'ForgetFormer', 'Configure'].map(of);
  assert(keep && putBack && forget && configure);
  // Deferred, as LocalSystem: 18 + 1024 + 2048; rollback + 256, commit + 512; 64: its failure changes nothing.
  assert.deepEqual([keep.type, putBack.type, forget.type], [3090, 3410, 3666]);
  for (const { condition } of [keep, putBack, forget]) assert.equal(condition, 'NOT Installed AND KNOWNDATAFOLDER');
  const installFiles = 4000;
  const sequences = [installFiles, keep.sequence, putBack.sequence, configure.sequence, 5800];
  assert.deepEqual(
    sequences.toSorted((a, b) => a - b),
    sequences,
  );
});

test('the MSI tells in words what is missing, before it changes anything', () => {
  const description = wxsOf([{ name: 'node.exe' }, { name: 'nssm.exe' }], '1.2.3');
  const conditions = [...description.matchAll(/<Condition Message="([^"]*)">([^<]*)<\/Condition>/g)];
  for (const [property, says] of [
    ['WINDOWSBUILD', 'This Windows is too old.'],
    ['DOTNETRELEASE', 'The .NET Framework is missing, or older than 4.7.2.'],
    ['POWERSHELLVERSION', 'Windows PowerShell is missing, or older than 5.1.'],
    ['HYPERVSERVICE', 'The Hyper-V role is not installed.'],
    ['Privileged', 'This is not run as an administrator.'],
    ['PASSWORDFILE', 'A password is needed.'],
    ['KNOWNSERVICEACCOUNT', 'The account of the service has a password, which only you know.'],
  ]) {
    const found = conditions.find(([, , text]) => new RegExp(`\\b${property}\\b`).test(text ?? ''));
    assert.ok(found?.[1]?.startsWith(says ?? ''), property);
  }
});
