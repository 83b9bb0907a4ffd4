// SPDX-License-Identifier: Apache-2.0
// Programs that want more statuses than winnt.h has include this one; the values are in the one list.
#ifndef HOLDFAST_WIN32_NTSTATUS_H
#define HOLDFAST_WIN32_NTSTATUS_H

#include <holdfast/ntstatus.h>

#include "windef.h"

typedef LONG NTSTATUS, *PNTSTATUS;
#define NT_SUCCESS(status) ((NTSTATUS)(status) >= 0)
#define NT_WARNING(status) ((ULONG)(status) >> 30 == 2)
#define NT_ERROR(status)   ((ULONG)(status) >> 30 == 3)

#endif
