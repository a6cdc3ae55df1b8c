import assert from 'node:assert/strict';
import { test } from 'node:test';

import { messageConnection, sendRequest } from '../../../server/base/json-rpc.ts';
import { ScramClient } from '../../../server/base/scram.ts';
import { dial, parseAgentUrl } from '../../../server/daemon/agent-client/dial.ts';
import {
  controlPath,
  controlUpgrade,
  hello,
  listVms,
  ping,
  scramFinal,
  scramFirst,
} from '../../../server/protocol/agent.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { fakeHost } from '../../support/fake-provider.ts';
import { agentFor, code, never, owner, password } from './support.ts';

const lost = (cause?: unknown): TidemarkError => new TidemarkError(errorCodes.agentConnectionLost, 'Lost.', { cause });

test('an agent refuses a daemon of other versions with TM2006 that names both ranges, and takes the highest common one', async (context) => {
  const agent = await agentFor(context, fakeHost(), { version: '1.2.3' });
  const upgrade = { path: controlPath, upgrade: controlUpgrade, signal: never, timeoutMs: 5000 };
  const { socket } = await dial(parseAgentUrl(agent.url), upgrade);
  context.after(() => socket.destroy());
  const rpc = messageConnection(socket, 1024 * 1024);
  rpc.listen();
  const scram = new ScramClient(password, { type: 'none' });
  const first = await sendRequest(rpc, scramFirst, { message: scram.first() }, { lost });
  const final = await sendRequest(rpc, scramFinal, { message: await scram.final(first.message) }, { lost });
  scram.verify(final.message);
  assert.deepEqual(await sendRequest(rpc, ping, {}, { lost }), {});
  await assert.rejects(sendRequest(rpc, listVms, {}, { lost }), code(errorCodes.agentProtocolViolation));
  const greet = { client: 'test', owner };
  await assert.rejects(sendRequest(rpc, hello, { ...greet, protocol: { min: 7, max: 9 } }, { lost }), (error) => {
    assert.ok(TidemarkError.is(error, errorCodes.agentVersionMismatch), String(error));
    assert.match(error.message, /1\.2\.3.* 1 to 1.* 7 to 9/);
    return true;
  });
  const answer = await sendRequest(rpc, hello, { ...greet, protocol: { min: 1, max: 9 } }, { lost });
  assert.deepEqual([answer.protocol, answer.agentVersion], [1, '1.2.3']);
});
