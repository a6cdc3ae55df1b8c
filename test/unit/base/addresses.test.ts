import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ipv6Bytes, isLoopback, plainAddress, sourceOf } from '../../../server/base/addresses.ts';

test('an IPv4 address counts alone, also when it comes over IPv6; of IPv6 the whole /64 counts as one', () => {
  const cases = [
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::FFFF:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:0db8:0001:0002::/64'],
    ['2001:db8:1:2::', '2001:0db8:0001:0002::/64'],
    ['2001:db8:1:3::1', '2001:0db8:0001:0003::/64'],
    ['fe80::1%eth0', 'fe80:0000:0000:0000::/64'],
    ['::1', '::1'],
    ['no address', 'no address'],
  ] as const;
  for (const [address, source] of cases) assert.equal(sourceOf(address), source, address);
});

test('what is this computer’s own', () => {
  for (const address of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1']) assert.ok(isLoopback(address), address);
  for (const address of ['128.0.0.1', '::2', '10.0.0.1', '::ffff:10.0.0.1', '', 'localhost', 'fe80::1%lo']) {
    assert.ok(!isLoopback(address), address);
  }
});

test('an address is shown without its zone', () => {
  assert.equal(plainAddress('fe80::1%eth0'), 'fe80::1');
  assert.equal(plainAddress('::ffff:10.0.0.1'), '10.0.0.1');
});

test('the bytes of every way to write an IPv6 address', () => {
  const cases = [
    ['::', '00'.repeat(16)],
    ['::1', `${'00'.repeat(15)}01`],
    ['1::', `0001${'00'.repeat(14)}`],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
    ['2001:db8::a:b', `20010db8${'00'.repeat(8)}000a000b`],
    ['64:ff9b::192.0.2.1', '0064ff9b0000000000000000c0000201'],
  ] as const;
  for (const [address, hex] of cases) assert.equal(ipv6Bytes(address).toString('hex'), hex, address);
});
