@echo off
rem The tidemark command of the agent's package, with the Node that lies beside it.
setlocal
"%~dp0node.exe" "%~dp0server\tidemark.js" %*
exit /b %ERRORLEVEL%
