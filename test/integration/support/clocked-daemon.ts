/**
 * A daemon with its real parts and a clock that a test moves: `node clocked-daemon.ts DATA START`, with IPC. A time that it is sent is where the
 * clock goes on to; it is sent back when it is there.
 */
import { serveDaemon } from '../../../server/daemon/daemon.ts';
import { daemonParts } from '../../../server/daemon/main.ts';
import { VirtualClock } from '../../unit/daemon/support/virtual-clock.ts';

const [dataDirectory = '', start = ''] = process.argv.slice(2);
const clock = new VirtualClock(start);
const stop = new AbortController();
process.once('disconnect', () => stop.abort());
process.on('message', (time: string) => {
  void clock.passUntil(time).then(() => process.send?.(time));
});
await serveDaemon(
  { dataDirectory, version: '0.0.0-test', signal: stop.signal, onReady: () => void process.send?.('ready') },
  { ...daemonParts, clock },
);
process.exit();
