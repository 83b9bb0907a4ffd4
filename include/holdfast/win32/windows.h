// SPDX-License-Identifier: Apache-2.0
// The Win32-shaped API: programs written for CreateFile and DeviceIoControl compile with this header
// unchanged and work on Holdfast volumes. The devices come from $HOLDFAST_DEVICES. Text of the A functions is
// UTF-8.
//
//     cc $(pkg-config --cflags holdfast-win32) prog.c $(pkg-config --libs holdfast-win32)
#ifndef HOLDFAST_WIN32_WINDOWS_H
#define HOLDFAST_WIN32_WINDOWS_H

#include <stdarg.h>

#include "windef.h"
#include "winnt.h"

#include "winbase.h"
#include "winerror.h"

#endif
