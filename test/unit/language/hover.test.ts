import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { hover } from '../../../server/language/hover/hover.ts';
import { policyInventory } from '../../../server/protocol/policy-inventory.ts';
import { contextOf, sampleInventory, withCursor } from './support.ts';

/** What hover says at the cursor, without the marks that keep Markdown from reading names. */
function said(marked: string, context = contextOf()): string | undefined {
  const { document, position } = withCursor(marked);
  const found = hover(document, position, context);
  if (found === undefined) return undefined;
  assert.ok(typeof found.contents === 'object' && 'value' in found.contents);
  return found.contents.value.replace(/\\([^\w\s])/g, '$1');
}

describe('hover', () => {
  it('says what a key means, what its values mean, and what holds without it', () => {
    const text = said('con|sistency: crash') ?? '';
    assert.match(text, /^\*\*consistency\*\*\n\nWhat state of the guest/);
    assert.match(text, /`crash`: as if the power had failed/);
    assert.match(text, /When absent: `application-or-crash`/);
  });

  it('says what the chosen word means', () => {
    assert.equal(
      said('verify: wee|kly'),
      '**weekly**: with the first run of a week: every byte of the newest restore point of each VM',
    );
  });

  it('says a cron expression in words and its next five times by the clocks of its zone', () => {
    const text = said('schedule:\n  - cron: "0 2 |* * MON-SAT"\n    timezone: Europe/Warsaw\n') ?? '';
    assert.match(text, /^\*\*At 02:00 from Monday to Saturday\*\*/);
    assert.match(text, /The next times, in Europe\/Warsaw/);
    assert.deepEqual(
      [...text.matchAll(/^- (.*)$/gm)].map(([, time]) => time),
      [
        'Mon 2026-11-30 02:00',
        'Tue 2026-12-01 02:00',
        'Wed 2026-12-02 02:00',
        'Thu 2026-12-03 02:00',
        'Fri 2026-12-04 02:00',
      ],
    );
  });

  it('says the same while another entry is wrong, and that runs wait for the window', () => {
    const text =
      'schedule:\n  - cron: "nonsense"\n  - cron: "30 |3 * * *"\n    timezone: Asia/Tokyo\nwindow: { from: "02:00", to: "03:00" }\n';
    assert.match(
      said(text) ?? '',
      /every day at 03:30[^]*Asia\/Tokyo[^]*2026-11-29 03:30[^]*wait until the window is open/i,
    );
  });

  it('says that an expression never fires, and nothing of times for one that is none', () => {
    assert.match(said('schedule:\n  - cron: "0 2 31 2 |*"\n') ?? '', /It never fires/);
    assert.doesNotMatch(said('schedule:\n  - cron: "0 2 31 |"\n') ?? '', /next times/);
  });

  it('says what the clocks of a zone show', () => {
    assert.equal(said('timezone: Asia/|Kathmandu'), '**Asia/Kathmandu**: now Sat 2026-11-28 17:45 (UTC+05:45)');
  });

  it('says what a VM is, with a link to it', () => {
    const text = said('select:\n  - host: hv01\n    vms: [sql|-01]\n') ?? '';
    assert.match(text, /^\*\*sql-01\*\* running · 120 GiB · hv01/);
    assert.match(text, /- data: 60 GiB/);
    assert.match(text, /Last backup: 2026-11-27 01:00 UTC/);
    const [, target = ''] = /\(command:tidemark\.vm\.reveal\?([^)]*)\)/.exec(text) ?? [];
    assert.deepEqual(JSON.parse(decodeURIComponent(target)), [
      { host: 'hv01', vmId: '00000000-0000-0000-0000-000000000001', vmName: 'sql-01' },
    ]);
  });

  it('says which VMs a pattern names, ten of them and how many there are', () => {
    assert.match(said('select:\n  - host: "*"\n    vms: [sql|-*]\n') ?? '', /^\*\*sql-\*\*\*: 3 VMs/);
    const inventory = sampleInventory();
    const vms = Array.from({ length: 25 }, (_, index) => ({
      ...inventory.vms[0],
      id: `00000000-0000-0000-0000-${index.toString().padStart(12, '0')}`,
      name: `vm-${index}`,
    }));
    const context = contextOf({ inventory: policyInventory({ ...inventory, vms }, '') });
    const text = said('select:\n  - host: hv01\n    vms: ["|*"]\n', context) ?? '';
    assert.match(text, /25 VMs/);
    assert.equal([...text.matchAll(/^- /gm)].length, 10);
    assert.match(text, /and 15 more$/);
  });

  it('says what an exclusion leaves out, and that a name fits nothing', () => {
    const text = 'select:\n  - host: hv01\n    vms: [sql-*]\n    exclude: [sql-t|*]\n';
    assert.match(said(text) ?? '', /1 VM left out/);
    assert.match(said('select:\n  - host: hv01\n    vms: [ora|cle]\n') ?? '', /No VM is named by/);
  });

  it('says what hosts, disks and repositories are', () => {
    assert.match(
      said('select:\n  - host: hv|02\n') ?? '',
      /^\*\*hv02\*\*: 1 VM · does not answer, Windows build 17763/,
    );
    assert.match(said('disks: { exclude: [scr|*] }') ?? '', /scratch of Exchange 2019: 60 GiB/);
    assert.equal(said('repository: ma|in'), '**main**: /backup/main');
    assert.equal(said('repository: el|se'), 'No repository is named **else**.');
  });

  it('says what a retention keeps', () => {
    assert.match(
      said('reten|tion: { keepLast: 3, keepDaily: 14, keepYearly: 1 }') ?? '',
      /the newest 3 restore points, and the newest one of each of the last 14 days and 1 year that have one: at most 18 restore points\./,
    );
    assert.match(said('retention: { keepLast: |0 }') ?? '', /only the newest good restore point/);
  });

  it('says what the schema says while the daemon is away', () => {
    const away = contextOf({ inventory: undefined });
    assert.match(said('select:\n  - host: hv01\n    vms: [sql|-01]\n', away) ?? '', /A VM by its name or id/);
  });

  it('says nothing of what is no part of a policy', () => {
    assert.equal(said('nam: x|'), undefined);
    assert.equal(said('# a com|ment\nname: x'), undefined);
    assert.equal(said('|'), undefined);
  });

  it('shows hostile names as they are: they make no link and no heading', () => {
    const inventory = sampleInventory();
    const name = '](command:workbench.action.quit) **x** <img>';
    const context = contextOf({
      inventory: policyInventory({ ...inventory, vms: [{ ...inventory.vms[0], name }] }, ''),
    });
    const { document, position } = withCursor('select:\n  - host: hv01\n    vms: ["|*"]\n');
    const markdown = JSON.stringify(hover(document, position, context)?.contents);
    assert.doesNotMatch(markdown, /[^\\]\]\(command:workbench/);
    assert.equal([...markdown.matchAll(/[^\\]\]\(command:/g)].length, 1);
    assert.doesNotMatch(markdown, /[^\\]<img/);
  });
});
