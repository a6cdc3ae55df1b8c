// Put by Tidemark's test set-up in place of the native module of `@vscode/native-watchdog`: ends the extension host when the
// server that started it is gone.
exports.start = (pid) => {
  setInterval(() => {
    try {
      process.kill(pid, 0);
    } catch {
      process.exit(87);
    }
  }, 1000).unref();
};
exports.exit = (code) => process.exit(code ?? 0);
