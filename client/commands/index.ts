/** Every command of the extension: its id, and what it does. `tidemark.run.show` belongs to the run page. */
import type { App } from '../app.ts';
import { forgetPassword, restartDaemon, startDaemon, stopDaemon } from './daemon-control.ts';
import { showDaemonLog } from './daemon-log.ts';
import { daemonStatus } from './daemon-status.ts';
import { viewCommands } from './filter.ts';
import { addHost } from './host-add.ts';
import { editHost } from './host-edit.ts';
import { removeHost } from './host-remove.ts';
import { testHost } from './host-test.ts';
import { reportIssue } from './issue-report.ts';
import { pageCommands } from './open-pages.ts';
import { policyCommands } from './policy-commands.ts';
import { refreshHost, refreshHosts, refreshRepositories, refreshRepository, refreshRuns } from './refresh.ts';
import { attachRepository } from './repository-attach.ts';
import { collectGarbage } from './repository-collect.ts';
import { createRepository } from './repository-create.ts';
import { verifyRepository } from './repository-verify.ts';
import { restoreDisk } from './restore-disk.ts';
import { deletePoints } from './restore-point-delete.ts';
import { pinPoints, unpinPoints } from './restore-point-pin.ts';
import { restoreFromVm, restoreVm } from './restore-vm.ts';
import { cancelRun } from './run-cancel.ts';
import { showRunLog } from './run-log.ts';
import { showReport } from './run-report.ts';
import { retryRun } from './run-retry.ts';
import { simulatorWrite, stopSimulator, trySimulator } from './simulator.ts';
import { backUp, backUpFull } from './vm-back-up.ts';

/** Registers the commands; nothing runs yet. */
export function registerCommands(app: App): void {
  app.own(
    app.commands.register({
      ...viewCommands(app),
      ...pageCommands(app),
      ...policyCommands(app),
      'tidemark.daemon.status': daemonStatus(app),
      'tidemark.daemon.start': startDaemon(app),
      'tidemark.daemon.stop': stopDaemon(app),
      'tidemark.daemon.restart': restartDaemon(app),
      'tidemark.daemon.showLog': showDaemonLog(app),
      'tidemark.daemon.forgetPassword': forgetPassword(app),
      'tidemark.host.add': addHost(app),
      'tidemark.host.edit': editHost(app),
      'tidemark.host.test': testHost(app),
      'tidemark.host.remove': removeHost(app),
      'tidemark.host.refresh': refreshHost(app),
      'tidemark.hosts.refresh': refreshHosts(app),
      'tidemark.vm.backUp': backUp(app),
      'tidemark.vm.backUpFull': backUpFull(app),
      'tidemark.vm.restore': restoreFromVm(app),
      'tidemark.run.cancel': cancelRun(app),
      'tidemark.run.showLog': showRunLog(app),
      'tidemark.run.showReport': showReport(app),
      'tidemark.run.retry': retryRun(app),
      'tidemark.runs.refresh': refreshRuns(app),
      'tidemark.restorePoint.restoreDisk': restoreDisk(app),
      'tidemark.restorePoint.restoreVm': restoreVm(app),
      'tidemark.restorePoint.delete': deletePoints(app),
      'tidemark.restorePoint.pin': pinPoints(app),
      'tidemark.restorePoint.unpin': unpinPoints(app),
      'tidemark.repository.create': createRepository(app),
      'tidemark.repository.attach': attachRepository(app),
      'tidemark.repository.verify': verifyRepository(app),
      'tidemark.repository.collectGarbage': collectGarbage(app),
      'tidemark.repository.refresh': refreshRepository(app),
      'tidemark.repositories.refresh': refreshRepositories(app),
      'tidemark.simulator.try': trySimulator(app),
      'tidemark.simulator.write': simulatorWrite(app),
      'tidemark.simulator.stop': stopSimulator(app),
      'tidemark.issue.report': reportIssue(app),
    }),
  );
}
