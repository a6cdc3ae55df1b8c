; setup.exe: the wizard. It unpacks the agent's package beside its folder and has the package install itself (tidemark agent install),
; which checks the computer, and puts back what was there before when anything fails.
; Called with /DVERSION, /DFOLDER (the package) and /DOUTFILE by scripts/agent-package/setup-exe.mjs.
Target amd64-unicode
ManifestSupportedOS all
ManifestDPIAware true
SetDateSave off
SetCompressor zlib
RequestExecutionLevel admin
Name "Tidemark Agent"
Caption "Tidemark Agent ${VERSION}"
BrandingText "Tidemark Agent ${VERSION}"
OutFile "${OUTFILE}"
InstallDir "$PROGRAMFILES64\Tidemark Agent"
VIProductVersion "${VERSION}.0"
VIAddVersionKey ProductName "Tidemark Agent"
VIAddVersionKey FileDescription "Installs the Tidemark agent on a Hyper-V host"
VIAddVersionKey FileVersion "${VERSION}"
VIAddVersionKey ProductVersion "${VERSION}"
VIAddVersionKey LegalCopyright "Apache License 2.0"

!include MUI2.nsh
!include FileFunc.nsh
!include LogicLib.nsh
!include WinVer.nsh
!include x64.nsh

!define UNINSTALL_KEY "Software\Microsoft\Windows\CurrentVersion\Uninstall\TidemarkAgent"
!define AGENT_KEY "Software\Tidemark\Agent"
!define SHORTEST_PASSWORD 12

Var Upgrade          ; the version that is installed, or nothing
Var Protocol
Var Port
Var Password
Var PasswordFile
Var DataPath         ; of an agent that is installed, or whose settings were kept
Var More             ; further arguments of the installation
Var ResultFile
Var Url
Var Fingerprint
Var Https
Var Http
Var PortField
Var First
Var Second
Var Words

!define MUI_ABORTWARNING
!define MUI_WELCOMEPAGE_TITLE "Tidemark Agent ${VERSION}"
!define MUI_WELCOMEPAGE_TEXT "The agent runs on this Hyper-V host. It lets Tidemark in VS Code, or on a backup server, back up and restore the virtual machines of this host.$\r$\n$\r$\nIt will run as a Windows service. You choose its folder, how it is reached, and a password."
!insertmacro MUI_PAGE_WELCOME
!define MUI_PAGE_CUSTOMFUNCTION_PRE SkipOnUpgrade
!insertmacro MUI_PAGE_DIRECTORY
Page custom ConnectionPage LeaveConnectionPage
Page custom PasswordPage LeavePasswordPage
!insertmacro MUI_PAGE_INSTFILES
!define MUI_FINISHPAGE_TITLE "The agent is ready"
!define MUI_FINISHPAGE_TEXT "In VS Code run $\"Tidemark: Add Host$\" with this URL and the password:$\r$\n$\r$\n$Url$\r$\n$\r$\nCompare the SHA-256 fingerprint that VS Code shows:$\r$\n$\r$\n$Fingerprint"
!define MUI_FINISHPAGE_TEXT_LARGE
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE "English"

; Ends with a message and exit code 2. Unattended, the message goes into the result file.
!macro Refuse TEXT
  ${If} $ResultFile != ""
    FileOpen $9 $ResultFile w
    FileWriteUTF16LE /BOM $9 "[Tidemark]$\r$\nError=${TEXT}$\r$\n"
    FileClose $9
  ${EndIf}
  MessageBox MB_OK|MB_ICONSTOP "${TEXT}" /SD IDOK
  SetErrorLevel 2
  Quit
!macroend

!macro Option NAME VARIABLE
  ClearErrors
  ${GetOptions} $R0 "/${NAME}=" $0
  ${IfNot} ${Errors}
    StrCpy ${VARIABLE} $0
  ${EndIf}
!macroend

; An option of setup.exe that becomes one of the installation. An empty one means nothing there.
!macro PassOn NAME OPTION
  StrCpy $1 ""
  !insertmacro Option ${NAME} $1
  ${If} $1 != ""
    StrCpy $More '$More --${OPTION} "$1"'
  ${EndIf}
!macroend

!macro PassSwitch NAME OPTION
  ClearErrors
  ${GetOptions} $R0 "/${NAME}" $0
  ${IfNot} ${Errors}
    StrCpy $More "$More --${OPTION}"
  ${EndIf}
!macroend

Function .onInit
  SetRegView 64
  ${GetParameters} $R0
  StrCpy $Protocol "https"
  StrCpy $Port "8440"
  !insertmacro Option RESULTFILE $ResultFile
  !insertmacro Option PASSWORDFILE $PasswordFile
  ReadRegStr $Upgrade HKLM "${AGENT_KEY}" "Version"
  ${If} $Upgrade != ""
    ReadRegStr $INSTDIR HKLM "${AGENT_KEY}" "InstallPath"
  ${EndIf}
  ReadRegStr $DataPath HKLM "${AGENT_KEY}" "DataPath"
  ${If} $DataPath != ""
    ; What was set stays.
    StrCpy $Protocol ""
    StrCpy $Port ""
  ${EndIf}
  !insertmacro Option PROTOCOL $Protocol
  !insertmacro Option PORT $Port
  !insertmacro PassOn DATAPATH data-path
  !insertmacro PassOn LISTENADDRESS listen-address
  !insertmacro PassOn THREADS threads
  !insertmacro PassOn SERVICEACCOUNT service-account
  !insertmacro PassOn PROVIDER provider
  !insertmacro PassOn ROOT root
  !insertmacro PassSwitch NOFIREWALLRULE no-firewall-rule
  !insertmacro PassSwitch FIREWALLRULE firewall-rule
  !insertmacro PassSwitch REMOVEPASSWORDFILE remove-password-file
  Call CheckComputer
FunctionEnd

; What can be seen before anything is unpacked. The installation checks the same, and the rest, again.
Function CheckComputer
  ${IfNot} ${RunningX64}
    !insertmacro Refuse "This Windows is not a 64-bit one. The agent runs on 64-bit Windows only."
  ${EndIf}
  ${IfNot} ${AtLeastBuild} 14393
    !insertmacro Refuse "This Windows is too old. The agent needs Windows Server 2016 (build 14393) or newer, because older ones cannot track changed blocks."
  ${EndIf}
  ReadRegDWORD $0 HKLM "SOFTWARE\Microsoft\NET Framework Setup\NDP\v4\Full" "Release"
  ${If} $0 < 461808
    !insertmacro Refuse "The .NET Framework is missing, or older than 4.7.2. Install .NET Framework 4.8 with Windows Update, or from Microsoft, and run this setup again."
  ${EndIf}
  ReadRegStr $0 HKLM "SYSTEM\CurrentControlSet\Services\vmms" "ImagePath"
  ${GetOptions} $R0 "/PROVIDER=" $1
  ; An agent that is there knows its provider; the installation checks it.
  ${If} $0 == ""
  ${AndIf} $1 != "simulated"
  ${AndIf} $DataPath == ""
    !insertmacro Refuse "The Hyper-V role is not installed. Install it in Server Manager, or with Install-WindowsFeature Hyper-V in PowerShell, and run this setup again."
  ${EndIf}
FunctionEnd

Function SkipOnUpgrade
  ${If} $Upgrade != ""
    Abort
  ${EndIf}
FunctionEnd

Function SkipWhenSet
  ${If} $DataPath != ""
    Abort
  ${EndIf}
FunctionEnd

Function ConnectionPage
  Call SkipWhenSet
  !insertmacro MUI_HEADER_TEXT "Connection" "How Tidemark reaches this agent."
  nsDialogs::Create 1018
  Pop $0
  ${NSD_CreateRadioButton} 0 0 100% 12u "https (recommended)"
  Pop $Https
  ${NSD_CreateLabel} 12u 13u -12u 22u "Everything is encrypted. A certificate is made for this agent; VS Code remembers its fingerprint and refuses any other."
  Pop $0
  ${NSD_CreateRadioButton} 0 40u 100% 12u "http"
  Pop $Http
  ${NSD_CreateLabel} 12u 53u -12u 22u "Not encrypted: whoever is on the network between can read the disks of your VMs and change them. Only the password is safe."
  Pop $0
  ${NSD_CreateLabel} 0 86u 60u 12u "Port:"
  Pop $0
  ${NSD_CreateNumber} 62u 84u 40u 13u $Port
  Pop $PortField
  ${NSD_CreateLabel} 0 104u 100% 22u "The port is opened in the firewall of Windows for this agent, on domain and private networks."
  Pop $0
  ${If} $Protocol == "http"
    ${NSD_Check} $Http
  ${Else}
    ${NSD_Check} $Https
  ${EndIf}
  nsDialogs::Show
FunctionEnd

Function LeaveConnectionPage
  ${NSD_GetState} $Http $0
  ${If} $0 == ${BST_CHECKED}
    StrCpy $Protocol "http"
  ${Else}
    StrCpy $Protocol "https"
  ${EndIf}
  ${NSD_GetText} $PortField $0
  ${If} $0 < 1
  ${OrIf} $0 > 65535
    MessageBox MB_OK|MB_ICONEXCLAMATION "The port must be from 1 to 65535."
    Abort
  ${EndIf}
  StrCpy $Port $0
FunctionEnd

Function PasswordPage
  Call SkipWhenSet
  ${If} $PasswordFile != ""
    Abort
  ${EndIf}
  !insertmacro MUI_HEADER_TEXT "Password" "Whoever knows it can back up, read and restore every VM of this host."
  nsDialogs::Create 1018
  Pop $0
  ${NSD_CreateLabel} 0 0 100% 12u "Password, at least ${SHORTEST_PASSWORD} characters:"
  Pop $0
  ${NSD_CreatePassword} 0 13u 70% 13u $Password
  Pop $First
  ${NSD_OnChange} $First ShowStrength
  ${NSD_CreateLabel} 72% 15u 28% 12u ""
  Pop $Words
  ${NSD_CreateLabel} 0 34u 100% 12u "The same again:"
  Pop $0
  ${NSD_CreatePassword} 0 47u 70% 13u $Password
  Pop $Second
  ${NSD_CreateLabel} 0 72u 100% 34u "A long random password is best: you type it once more, in VS Code, and keep it in your password manager. This computer keeps only what is needed to check it."
  Pop $0
  ${NSD_SetFocus} $First
  nsDialogs::Show
FunctionEnd

; $0: text. Gives in $1 how hard it is to guess, in words.
Function StrengthOf
  StrLen $2 $0
  StrCpy $3 0   ; how many characters differ from the one before
  StrCpy $4 1
  ${While} $4 < $2
    IntOp $5 $4 - 1
    StrCpy $6 $0 1 $4
    StrCpy $7 $0 1 $5
    ${If} $6 S!= $7
      IntOp $3 $3 + 1
    ${EndIf}
    IntOp $4 $4 + 1
  ${EndWhile}
  ${If} $2 < ${SHORTEST_PASSWORD}
    StrCpy $1 "too short"
  ${ElseIf} $3 < 6
    StrCpy $1 "easy to guess"
  ${ElseIf} $2 < 16
    StrCpy $1 "acceptable"
  ${ElseIf} $2 < 20
    StrCpy $1 "good"
  ${Else}
    StrCpy $1 "very good"
  ${EndIf}
FunctionEnd

Function ShowStrength
  Pop $0
  ${NSD_GetText} $First $0
  Call StrengthOf
  ${NSD_SetText} $Words $1
FunctionEnd

Function LeavePasswordPage
  ${NSD_GetText} $First $0
  ${NSD_GetText} $Second $8
  Call StrengthOf
  ${If} $1 == "too short"
    MessageBox MB_OK|MB_ICONEXCLAMATION "The password is shorter than ${SHORTEST_PASSWORD} characters."
    ${NSD_SetFocus} $First
    Abort
  ${EndIf}
  ${If} $1 == "easy to guess"
    MessageBox MB_OK|MB_ICONEXCLAMATION "The password is easy to guess: it repeats the same characters."
    ${NSD_SetFocus} $First
    Abort
  ${EndIf}
  ${If} $0 S!= $8
    MessageBox MB_OK|MB_ICONEXCLAMATION "The two passwords differ. Type the second one again."
    ${NSD_SetText} $Second ""
    ${NSD_SetFocus} $Second
    Abort
  ${EndIf}
  StrCpy $Password $0
FunctionEnd

; Makes the folder $0, to which only the system and administrators have access.
Function MakeOwnFolder
  CreateDirectory $0
  nsExec::Exec '"$SYSDIR\icacls.exe" "$0" /inheritance:r /grant:r *S-1-5-18:(OI)(CI)F *S-1-5-32-544:(OI)(CI)F'
  Pop $1
  ${If} $1 != 0
    !insertmacro Refuse "The folder $0 cannot be protected (code $1)."
  ${EndIf}
FunctionEnd

; Puts the password into a file that only administrators can read; the installation removes it as soon as it has read it.
Function WritePasswordFile
  ${If} $Password == ""
    Return
  ${EndIf}
  StrCpy $0 "$PLUGINSDIR\secret"
  Call MakeOwnFolder
  StrCpy $PasswordFile "$PLUGINSDIR\secret\password"
  FileOpen $0 $PasswordFile w
  FileWriteUTF16LE /BOM $0 "$Password$\r$\n"
  FileClose $0
  StrCpy $Password ""
  StrCpy $More "$More --remove-password-file"
FunctionEnd

Section
  SetRegView 64
  InitPluginsDir
  ${If} $PasswordFile == ""
  ${AndIf} $Password == ""
  ${AndIf} $DataPath == ""
    !insertmacro Refuse "A password is needed. Give /PASSWORDFILE=FILE: a file whose first line is the password, at least ${SHORTEST_PASSWORD} characters."
  ${EndIf}
  ; What is run from there as administrator nobody else may write to.
  StrCpy $R1 "$PLUGINSDIR\package"
  StrCpy $0 $R1
  Call MakeOwnFolder
  SetOutPath $R1
  File /r "${FOLDER}/*"
  SetOutPath $TEMP
  Call WritePasswordFile
  ${If} $PasswordFile != ""
    StrCpy $More '$More --password-file "$PasswordFile"'
  ${EndIf}
  ${If} $ResultFile == ""
    StrCpy $ResultFile "$PLUGINSDIR\result.ini"
  ${EndIf}
  nsExec::ExecToLog '"$R1\node.exe" "$R1\server\tidemark.js" agent install --install-path "$INSTDIR" --protocol "$Protocol" --port "$Port" --result-file "$ResultFile"$More'
  Pop $0
  Delete "$PLUGINSDIR\secret\password"
  SetOutPath $TEMP
  RMDir /r $R1
  ${If} $0 != 0
    ReadINIStr $1 $ResultFile Tidemark Error
    ReadINIStr $2 $ResultFile Tidemark Hint
    ${If} $1 == ""
      StrCpy $1 "The installation did not end as it should (code $0)."
    ${EndIf}
    DetailPrint $1
    MessageBox MB_OK|MB_ICONSTOP "$1$\r$\n$\r$\n$2" /SD IDOK
    SetErrorLevel 2
    Quit
  ${EndIf}
  ReadINIStr $Url $ResultFile Tidemark Url
  ReadINIStr $Fingerprint $ResultFile Tidemark Fingerprint
  ${If} $Fingerprint == ""
    StrCpy $Fingerprint "(http: there is none)"
  ${Else}
    ; One line is too narrow for it.
    StrCpy $1 $Fingerprint 32
    StrCpy $2 $Fingerprint "" 32
    StrCpy $Fingerprint "$1$\r$\n$2"
  ${EndIf}
  WriteUninstaller "$INSTDIR\Uninstall.exe"
  WriteRegStr HKLM "${UNINSTALL_KEY}" "DisplayName" "Tidemark Agent"
  WriteRegStr HKLM "${UNINSTALL_KEY}" "DisplayVersion" "${VERSION}"
  WriteRegStr HKLM "${UNINSTALL_KEY}" "Publisher" "Tidemark"
  WriteRegStr HKLM "${UNINSTALL_KEY}" "InstallLocation" "$INSTDIR"
  WriteRegStr HKLM "${UNINSTALL_KEY}" "UninstallString" '"$INSTDIR\Uninstall.exe"'
  WriteRegStr HKLM "${UNINSTALL_KEY}" "QuietUninstallString" '"$INSTDIR\Uninstall.exe" /S'
  WriteRegDWORD HKLM "${UNINSTALL_KEY}" "NoModify" 1
  WriteRegDWORD HKLM "${UNINSTALL_KEY}" "NoRepair" 1
SectionEnd

Section Uninstall
  SetRegView 64
  ; A wrong folder must never be emptied.
  ${IfNot} ${FileExists} "$INSTDIR\server\tidemark.js"
    MessageBox MB_OK|MB_ICONSTOP "$INSTDIR is not the folder of the agent." /SD IDOK
    SetErrorLevel 2
    Quit
  ${EndIf}
  StrCpy $More ""
  ${GetParameters} $R0
  !insertmacro PassSwitch REMOVEDATA remove-data
  ${If} $More == ""
    MessageBox MB_YESNO|MB_DEFBUTTON2|MB_ICONQUESTION "Remove the settings of the agent too: its password, certificate and logs?$\r$\n$\r$\nKeep them when you will install the agent again: then this host need not be added anew." /SD IDNO IDNO keep
    StrCpy $More " --remove-data"
    keep:
  ${EndIf}
  SetOutPath $TEMP
  nsExec::ExecToLog '"$INSTDIR\node.exe" "$INSTDIR\server\tidemark.js" agent uninstall$More'
  Pop $0
  ${If} $0 != 0
    MessageBox MB_OK|MB_ICONSTOP "The agent could not be uninstalled (code $0). The details show why." /SD IDOK
    SetErrorLevel 2
    Quit
  ${EndIf}
  RMDir /r $INSTDIR
  DeleteRegKey HKLM "${UNINSTALL_KEY}"
SectionEnd
