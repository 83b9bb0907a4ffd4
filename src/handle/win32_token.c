// SPDX-License-Identifier: Apache-2.0
// The token of this process: privileges that can be looked up, dropped and enabled again. Those that Holdfast
// does not ask for are held too, so that programs that enable them before a backup or a junction find what
// they expect.
#include "handle/win32.h"

static const struct {
    const char *name;
    DWORD luid;         // the numbers that Windows uses
    uint32_t privilege; // enum hf_privilege, or 0
} privileges[] = {
    {"SeSecurityPrivilege", 8, 0},
    {"SeTakeOwnershipPrivilege", 9, 0},
    {"SeBackupPrivilege", 17, 0},
    {"SeRestorePrivilege", 18, 0},
    {"SeManageVolumePrivilege", 28, HF_PRIVILEGE_MANAGE_VOLUME},
    {"SeCreateSymbolicLinkPrivilege", 35, HF_PRIVILEGE_CREATE_SYMBOLIC_LINK},
};

HANDLE GetCurrentProcess(VOID)
{
    return (HANDLE)(LONG_PTR)-1;
}

BOOL OpenProcessToken(HANDLE process, DWORD access, PHANDLE token)
{
    (void)access;
    if (process != GetCurrentProcess() || !token)
        return win32_fail(token ? ERROR_INVALID_HANDLE : ERROR_INVALID_PARAMETER);
    *token = win32_object_new(WIN32_TOKEN, NULL, NULL);
    return *token != INVALID_HANDLE_VALUE;
}

BOOL LookupPrivilegeValueA(LPCSTR system, LPCSTR name, PLUID luid)
{
    (void)system;
    for (size_t i = 0; name && luid && i < ARRAYSIZE(privileges); i++) {
        if (strcasecmp(privileges[i].name, name) == 0) {
            *luid = (LUID){.LowPart = privileges[i].luid};
            return TRUE;
        }
    }
    return win32_fail(name && luid ? ERROR_NO_SUCH_PRIVILEGE : ERROR_INVALID_PARAMETER);
}

BOOL LookupPrivilegeValueW(LPCWSTR system, LPCWSTR name, PLUID luid)
{
    (void)system;
    WIN32_FREE char *text = win32_narrow(name);
    return text && LookupPrivilegeValueA(NULL, text, luid);
}

// The bit of a LUID in *bit; false when there is no such privilege.
static bool privilege_of(LUID luid, uint32_t *bit)
{
    for (size_t i = 0; i < ARRAYSIZE(privileges); i++) {
        if (luid.HighPart == 0 && privileges[i].luid == luid.LowPart) {
            *bit = privileges[i].privilege;
            return true;
        }
    }
    return false;
}

// What the change made of the enabled set: those that it changed, with their state before.
static DWORD previous_state(uint32_t before, uint32_t after, LUID_AND_ATTRIBUTES *out)
{
    DWORD count = 0;
    for (size_t i = 0; i < ARRAYSIZE(privileges); i++) {
        if ((before ^ after) & privileges[i].privilege)
            out[count++] = (LUID_AND_ATTRIBUTES){
                .Luid = {.LowPart = privileges[i].luid},
                .Attributes = before & privileges[i].privilege ? SE_PRIVILEGE_ENABLED : 0};
    }
    return count;
}

BOOL AdjustTokenPrivileges(HANDLE token, BOOL disable_all, PTOKEN_PRIVILEGES changes, DWORD size,
                           PTOKEN_PRIVILEGES previous, PDWORD needed)
{
    WIN32_OBJECT *object = win32_object_get(token, WIN32_TOKEN);
    uint32_t before = hf_privileges(), after = before, bit;
    bool all_assigned = true;
    if (!object)
        return FALSE;
    if (!disable_all && !changes)
        return win32_fail(ERROR_INVALID_PARAMETER);
    for (DWORD i = 0; !disable_all && i < changes->PrivilegeCount; i++) {
        const LUID_AND_ATTRIBUTES *change = &changes->Privileges[i];
        if (!privilege_of(change->Luid, &bit))
            all_assigned = false;
        else if (change->Attributes & SE_PRIVILEGE_ENABLED)
            after |= bit;
        else
            after &= ~bit;
    }
    after = disable_all ? 0 : after;
    if (previous) {
        LUID_AND_ATTRIBUTES changed[ARRAYSIZE(privileges)];
        DWORD count = previous_state(before, after, changed);
        DWORD bytes = (DWORD)(offsetof(TOKEN_PRIVILEGES, Privileges) + count * sizeof *changed);
        if (needed)
            *needed = bytes;
        if (size < bytes)
            return win32_fail(ERROR_INSUFFICIENT_BUFFER);
        previous->PrivilegeCount = count;
        memcpy(previous->Privileges, changed, count * sizeof *changed);
    }
    hf_set_privileges(after);
    SetLastError(all_assigned ? ERROR_SUCCESS : ERROR_NOT_ALL_ASSIGNED);
    return TRUE;
}
