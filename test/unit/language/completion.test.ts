import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { parsePolicy, policySchema } from '../../../server/policy/index.ts';
import { policyInventory } from '../../../server/protocol/policy-inventory.ts';
import { chosen, contextOf, labels, offered, sampleInventory } from './support.ts';

const away = contextOf({ inventory: undefined });

describe('completion of keys', () => {
  it('offers all keys of a policy in an empty file, required ones before the others', () => {
    const keys = labels('|', away).filter((label) => !label.startsWith('policy:'));
    assert.deepEqual(keys.slice(0, 3), ['name', 'repository', 'select']);
    assert.deepEqual(new Set(keys), new Set(policySchema.fields.keys()));
  });

  it('does not offer keys that are there, above or below the cursor', () => {
    const keys = labels('name: x\n|\nretention: { keepLast: 3 }\n');
    assert.ok(!keys.includes('name') && !keys.includes('retention') && keys.includes('select'));
  });

  it('offers keys for half a word, and puts them in its place', () => {
    assert.equal(chosen('name: x\nrepo|\nselect: []\n', 'repository'), 'name: x\nrepository: \nselect: []\n');
  });

  it('does not write a second colon', () => {
    assert.equal(chosen('na|: x\n', 'name'), 'name: x\n');
  });

  it('writes lists and mappings with places to fill in', () => {
    assert.equal(chosen('name: x\n|', 'select'), 'name: x\nselect:\n  - host: hv01\n    vms: ["*"]');
    assert.equal(chosen('|', 'window'), 'window: { from: "22:00", to: "06:00" }');
    assert.equal(chosen('|', 'concurrency'), 'concurrency: {  }');
  });

  it('offers the keys of an entry behind its dash, under it, and under the first key', () => {
    assert.deepEqual(labels('select:\n  - |'), ['host', 'vms', 'exclude']);
    assert.deepEqual(labels('select:\n  - host: hv01\n    |'), ['vms', 'exclude']);
    assert.deepEqual(labels('select:\n  - host: hv01\n  |'), ['vms', 'exclude', '- host']);
    assert.equal(chosen('select:\n  - host: hv01\n  |', 'vms'), 'select:\n  - host: hv01\n    vms: []');
  });

  it('offers a new entry of a list that stands under its key, and the next key too', () => {
    const found = labels('select:\n- host: hv01\n|');
    assert.ok(found.includes('vms') && found.includes('- host') && found.includes('schedule'));
    assert.equal(
      chosen('select:\n- host: a\n  vms: [b]\n|', '- host'),
      'select:\n- host: a\n  vms: [b]\n- host: hv01\n  vms: ["*"]',
    );
  });

  it('offers keys in braces, whether they are closed or not', () => {
    const keys = labels('retention: { keepLast: 3, |');
    assert.deepEqual(keys, ['keepHourly', 'keepDaily', 'keepWeekly', 'keepMonthly', 'keepYearly']);
    assert.equal(chosen('retention: { keepLast: 3,|}\n', 'keepDaily'), 'retention: { keepLast: 3, keepDaily: }\n');
    assert.equal(chosen('retention: {|', 'keepLast'), 'retention: { keepLast: ');
  });

  it('knows where a bracket was forgotten', () => {
    assert.deepEqual(labels('select:\n  - host: hv01\n    vms: [sql-01\n    |\nname: x\n'), ['exclude']);
    assert.ok(labels('select:\n  - host: hv01\n    vms: [sql-01\n|').includes('schedule'));
  });

  it('says what a key means, and what holds without it', () => {
    const [verify] = offered('veri|').filter(({ label }) => label === 'verify');
    assert.equal(verify?.detail, 'never when absent');
    assert.match(JSON.stringify(verify?.documentation), /When restore points are checked/);
    assert.equal(offered('na|').find(({ label }) => label === 'name')?.detail, 'required');
  });

  it('offers nothing in comments, in texts, and where nothing can be', () => {
    for (const text of [
      '# |',
      'name: x # |',
      'description: a |',
      'name: x\n    |',
      'select: [] |',
      'description: |-\n  |',
    ])
      assert.deepEqual(labels(text.replace('|-', '>-')), [], text);
  });

  it('offers nothing for a text in quotes that goes over several lines', () => {
    assert.deepEqual(labels('schedule:\n  - cron: "0 2\n      * *|"\n'), []);
  });

  it('asks again for the value behind a key', () => {
    assert.equal(
      offered('ver|').find(({ label }) => label === 'verify')?.command?.command,
      'editor.action.triggerSuggest',
    );
  });
});

describe('completion of values', () => {
  it('offers the words of a choice with what they mean', () => {
    const items = offered('verify: |');
    assert.deepEqual(
      items.map(({ label }) => label),
      ['never', 'after-backup', 'weekly'],
    );
    assert.match(JSON.stringify(items[1]?.documentation), /after each run/);
  });

  it('offers hosts, and writes the space that the colon needs', () => {
    assert.deepEqual(labels('select:\n  - host: |\n'), ['hv01', 'hv02', '*']);
    assert.equal(chosen('select:\n  - host:|\n', 'hv02'), 'select:\n  - host: hv02\n');
    assert.equal(chosen('select:\n  - host: |\n', '*'), 'select:\n  - host: "*"\n');
  });

  it('offers the VMs of the entry’s host with state and size, without those that are there', () => {
    const text = 'select:\n  - host: hv01\n    vms: [sql-01, |]\n';
    assert.deepEqual(labels(text), ['sql-test', 'Exchange 2019', '*']);
    assert.equal(offered(text)[0]?.detail, 'running · 60 GiB · hv01');
    assert.deepEqual(labels('select:\n  - vms: [|\n    host: hv02\n'), ['sql-02', '*']);
  });

  it('writes names in quotes where YAML needs them', () => {
    const inventory = sampleInventory();
    const odd = ['2024', 'true', 'a: b', '[x]', 'plain-1'].map((name) => ({ ...inventory.vms[0], name }));
    const context = contextOf({ inventory: policyInventory({ ...inventory, vms: odd }, '') });
    for (const { name } of odd) {
      const text = chosen('select:\n  - host: hv01\n    vms: [|]\n', name, context);
      assert.equal(parsePolicy(text).writtenAt(['select', 0, 'vms', 0]), name);
      assert.ok(!parsePolicy(text).diagnostics.some(({ message }) => message.includes('vms')), text);
    }
  });

  it('offers VMs in all styles of lists', () => {
    assert.equal(
      chosen('select:\n  - host: hv01\n    vms:\n      - sq|\n', 'sql-01'),
      'select:\n  - host: hv01\n    vms:\n      - sql-01\n',
    );
    assert.equal(
      chosen('select:\n  - host: hv01\n    vms:\n      - sql-01\n      |\n', 'sql-test'),
      'select:\n  - host: hv01\n    vms:\n      - sql-01\n      - sql-test\n',
    );
    assert.equal(
      chosen('select:\n  - host: hv01\n    vms: |\n', 'sql-01'),
      'select:\n  - host: hv01\n    vms: [sql-01]\n',
    );
    assert.equal(
      chosen('select:\n  - host: hv01\n    vms: [sq|\n', 'sql-01'),
      'select:\n  - host: hv01\n    vms: [sql-01\n',
    );
  });

  it('offers the disks of the selected VMs, and of all VMs while none is selected', () => {
    const select = 'select:\n  - host: hv01\n    vms: [sql-*]\n    exclude: [sql-test]\n';
    assert.deepEqual(labels(`${select}disks: { exclude: [|] }\n`), ['os', 'data']);
    assert.deepEqual(labels('disks:\n  exclude:\n    - |\n'), ['os', 'data', 'scratch']);
  });

  it('offers repositories with their place', () => {
    const items = offered('repository: |');
    assert.deepEqual(
      items.map(({ label, detail }) => [label, detail]),
      [
        ['main', '/backup/main'],
        ['offsite', 's3:bucket'],
      ],
    );
  });

  it('offers time zones, those that fit what was typed', () => {
    assert.ok(labels('timezone: Warsaw|').includes('Europe/Warsaw'));
    assert.ok(!labels('timezone: Warsaw|').includes('Asia/Tokyo'));
    assert.equal(chosen('timezone: Eur|\n', 'Europe/Warsaw'), 'timezone: Europe/Warsaw\n');
  });

  it('offers cron expressions in quotes, found by their words, also inside quotes', () => {
    assert.equal(chosen('schedule:\n  - cron: |\n', '0 2 * * *'), 'schedule:\n  - cron: "0 2 * * *"\n');
    assert.equal(
      chosen('schedule:\n  - cron: "0 2|\n    timezone: UTC\n', '0 2 * * *'),
      'schedule:\n  - cron: "0 2 * * *"\n    timezone: UTC\n',
    );
    assert.equal(chosen('schedule:\n  - cron: "|"\n', '0 2 * * *'), 'schedule:\n  - cron: "0 2 * * *"\n');
    const [first] = offered('schedule:\n  - cron: "|"\n');
    assert.equal(first?.filterText, '"0 2 * * * every day at 02:00');
  });

  it('offers a mapping or a list where one is wanted', () => {
    assert.equal(chosen('schedule: |\n', 'a list'), 'schedule: \n  - cron: "0 2 * * *"\n    type: incremental\n');
    assert.equal(chosen('retry: |\n', 'a mapping'), 'retry: { attempts: 3, delay: 10m }\n');
  });

  it('offers a whole policy in an empty file, which is valid', () => {
    for (const label of ['policy: every night, with retention', 'policy: by hand']) {
      const text = chosen('|', label);
      assert.deepEqual(parsePolicy(text).diagnostics, [], text);
    }
    assert.ok(!labels('name: x\n|').some((label) => label.startsWith('policy:')));
  });

  it('offers no names while the daemon is away, and still all that the schema has', () => {
    assert.deepEqual(labels('repository: |', away), []);
    assert.ok(labels('timezone: Warsaw|', away).includes('Europe/Warsaw'));
    assert.equal(labels('verify: |', away).length, 3);
  });

  it('sends at most 300 of 5,000 VMs, those that fit what was typed', () => {
    const inventory = sampleInventory();
    const vms = Array.from({ length: 5000 }, (_, index) => ({
      ...inventory.vms[0],
      id: `00000000-0000-0000-0000-${index.toString().padStart(12, '0')}`,
      name: `vm-${index}`,
    }));
    const context = contextOf({ inventory: policyInventory({ ...inventory, vms }, '') });
    assert.equal(labels('select:\n  - host: hv01\n    vms: [|]\n', context).length, 300);
    assert.ok(labels('select:\n  - host: hv01\n    vms: [vm-4999|]\n', context).includes('vm-4999'));
  });
});
