import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

import { ConnectionGate, connectionKey } from '../../../server/base/connection-gate.ts';

/** A connection from an address, as the gate sees it. */
function socketFrom(remoteAddress: string, remotePort: number): Socket {
  return Object.defineProperties(new Socket(), {
    remoteAddress: { value: remoteAddress },
    remotePort: { value: remotePort },
  });
}

function gateFor(context: TestContext): (address: string) => { readonly admitted: boolean; pass(): void } {
  const gate = new ConnectionGate(() => undefined, { authenticationMs: 60_000, penaltyMs: 1000 });
  context.after(() => gate.stop());
  let port = 1000;
  return (address) => {
    port += 1;
    const peer = socketFrom(address, port);
    gate.admit(peer);
    return { admitted: !peer.destroyed, pass: () => gate.pass(connectionKey(peer) ?? '') };
  };
}

test('whoever has one IPv6 address has its whole network, and gets no more places with it', (context) => {
  const connect = gateFor(context);
  const admitted = Array.from({ length: 64 }, (_, n) => connect(`2001:db8:0:1::${(n + 1).toString(16)}`)).filter(
    (connection) => connection.admitted,
  );
  assert.equal(admitted.length, 32);
  assert.ok(connect('2001:db8:0:2::1').admitted, 'another network');
  assert.ok(connect('192.0.2.7').admitted);
});

test('an IPv4 address is one, whether it comes over IPv4 or IPv6', (context) => {
  const connect = gateFor(context);
  for (let n = 0; n < 16; n++) {
    assert.ok(connect('192.0.2.7').admitted);
    assert.ok(connect('::ffff:192.0.2.7').admitted);
  }
  assert.ok(!connect('192.0.2.7').admitted);
  assert.ok(!connect('::ffff:192.0.2.7').admitted);
});

test('who has proved the password finds a place when strangers took all', (context) => {
  const connect = gateFor(context);
  connect('2001:db8:0:9::1').pass();
  for (let n = 0; n < 32; n++) for (const address of ['192.0.2.1', '192.0.2.2']) assert.ok(connect(address).admitted);
  assert.ok(!connect('192.0.2.3').admitted);
  // Privacy extensions give its computer a new address each day.
  assert.ok(connect('2001:db8:0:9::2').admitted);
});
